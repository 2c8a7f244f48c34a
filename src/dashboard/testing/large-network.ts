// Large network: a database as a coordinator has it after months: nodes, people, jobs, money. Written by SQL, its triggers
// included, so that a million jobs take seconds.
import type { Db } from "../../db/open.ts";
import { encodeReceipt, splitGross, ZERO_32 } from "../../protocol/receipts.ts";

export type NetworkSize = { nodes: number; jobs: number; accounts: number; receipts: number; audited: number };
export type NetworkOptions = NetworkSize & {
  /** Whose pages are looked at: every fourth job, some nodes, receipts and movements are theirs. */
  accountId: string;
  nowMs: number;
};

export const MODELS = Array.from({ length: 40 }, (_, n) => `family-${n % 8}/model-${n}:8b`);
/** How the stage's nodes are called too. */
export const nodeKey = (n: number): string => String(n).padStart(64, "0");
/** Nodes of the account whose pages are looked at. */
export const OWN_NODES = 20;
const DAYS = 60;
const DAY_MS = 86_400_000;
const COUNT = "with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ?)";

export async function seedNetwork(db: Db, options: NetworkOptions): Promise<void> {
  const { nowMs, accountId } = options;
  const startMs = nowMs - DAYS * DAY_MS;
  const models = JSON.stringify(MODELS);
  const run = (sql: string, params: (string | number | null | Uint8Array)[]) =>
    db.writer.exclusive(async (connection) => void (await connection.execute(sql, params)));
  const model = `json_extract(?, '$[' || (i * 7 % ${MODELS.length}) || ']')`;
  const node = `printf('%064d', 1 + i * 31 % ${options.nodes})`;
  const owner = `iif(i % 4 = 0, ?, 'acc_' || (i % ${options.accounts}))`;

  await run(
    `${COUNT} insert into accounts (id, kind, name, created_ms)
      select 'acc_' || i, iif(i % 10 = 3, 'organisation', 'user'), 'Account ' || i, ? + i from n`,
    [options.accounts, startMs],
  );
  await run(
    `${COUNT} insert into users (id, email, name, roles, account_id, created_ms)
      select 'user_' || i, 'user' || i || '@example.org', 'User ' || i, '["client"]', 'acc_' || i, ? + i from n`,
    [options.accounts, startMs],
  );
  await run(
    `${COUNT} insert into members (account_id, user_id, role, created_ms)
      select 'acc_' || i, 'user_' || i, 'owner', ? + i from n`,
    [options.accounts, startMs],
  );
  await run(
    `${COUNT} insert into api_keys (id, account_id, name, prefix, key_hash, scopes, lineage, created_ms)
      select 'key_' || i, ${owner}, 'Key ' || i, 'inf_' || i, 'hash ' || i, '["inference"]', 'key_' || i, ? + i from n`,
    [Math.min(options.accounts, 200), accountId, startMs],
  );
  await run(
    `${COUNT} insert into nodes (pubkey, role, name, status, admitted_by, account_id, specs, slots, first_seen_ms, last_seen_ms, auth_v2_seen)
      select printf('%064d', 1 + i), 'provider', 'node ' || i, iif(i % 500 = 7, 'pending', 'approved'), 'token',
        iif(i < ${OWN_NODES}, ?, 'acc_' || (i % ${options.accounts})),
        json_object('models', json_array(${model})), 2, ? + i, ?, 1 from n`,
    [options.nodes, accountId, models, startMs, nowMs],
  );
  // A job every so many milliseconds: its id tells when, as a UUIDv7's does.
  await run(
    `${COUNT} insert into jobs (id, account_id, key_id, kind, task, model, state, stream, max_tokens, attempt, node_pubkey, attempts,
        error_code, finish_reason, prompt_tokens, completion_tokens, charged_micro_usd, created_ms, dispatched_ms, first_delta_ms, ended_ms)
      select printf('%08x-%04x-7000-8000-%012x', at >> 16, at & 65535, i), ${owner}, iif(i % 5 = 0, null, 'key_' || (i % 100)),
        iif(i % 20 = 0, 'async', 'chat'), 'chat', ${model}, state, 1, 4096, 1, ${node},
        json_array(json_object('n', 1, 'node', ${node}, 'node_name', 'node ' || (i * 31 % ${options.nodes}), 'model', ${model},
          'why', json(?), 'took_over', null, 'resumable', json('true'), 'dispatched_ms', at + 2, 'first_delta_ms', at + 300,
          'ended_ms', at + 2000, 'pieces', 80, 'bytes', 400, 'outcome', iif(state = 'completed', 'completed', 'failed'), 'error', null)),
        iif(state = 'failed', 'node_lost', null), iif(state = 'completed', 'stop', null), 100 + i % 900, 20 + i % 400, 10 + i % 500,
        at, at + 2, at + 300, at + 2000
      from (select i, cast(? + i * ? as integer) at,
        case when i % 50 = 1 then 'failed' when i % 97 = 0 then 'cancelled' else 'completed' end state from n)`,
    [options.jobs, accountId, models, models, WHY, startMs, (DAYS * DAY_MS) / options.jobs],
  );
  await money(run, options, { startMs, model, models, owner });
  await run(`insert into node_days select pubkey, ? - value, 80000, 90, 2, 50000, 20000 from nodes, json_each(?)`, [
    Math.floor(nowMs / DAY_MS),
    JSON.stringify(Array.from({ length: 31 }, (_, n) => n)),
  ]);
  await run(
    `${COUNT} insert into load_minutes select ? - (i + 1) * 60, '', 30, 1, 20000, 9000, 400, 40, 3, 20000, 10000, '[64,20,70,8,81,2]' from n`,
    [30 * 24 * 60, Math.floor(nowMs / 60_000) * 60],
  );
  const [last] = await db.query("select seq, hash from audit_log order by seq desc limit 1");
  const [seq = 0, hash = "0".repeat(64)] = (last ?? []) as [number?, string?];
  await run(
    `with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ?1)
      insert into audit_log (seq, at_ms, actor, action, subject, before, after, from_address, previous_hash, hash)
      select ?2 + 1 + i, ?3 + i, 'user/user_' || (i % 50), iif(i % 2, 'node.approved', 'key.created'), 'node/' || (i % 90),
        'null', '{"name":"x"}', '127.0.0.1', iif(i = 0, ?4, printf('%064d', ?2 + i)), printf('%064d', ?2 + 1 + i) from n`,
    [options.audited, seq, startMs, hash],
  );
}

const WHY = JSON.stringify({
  ...{ strategy: "balanced", eligible: 9, best: 3, load: 0.25, tokens_per_s: 40, price_input: 100, price_output: 300 },
  last_resort: false,
});

type Run = (sql: string, params: (string | number | null | Uint8Array)[]) => Promise<void>;
type Words = { startMs: number; model: string; models: string; owner: string };

/** Deposits, charges, receipts: a transaction for each receipt. */
async function money(run: Run, options: NetworkOptions, { startMs, model, models, owner }: Words): Promise<void> {
  const { receipts, accountId, nodes } = options;
  const gross = 1_000n;
  const { fee, nodeAmount } = splitGross(gross, 1_200);
  // The same for all: what pages show of a receipt stands beside it.
  const bytes = encodeReceipt({
    ...{ version: 1, seq: 1n, jobId: new Uint8Array(16), promptTokens: 10, completionTokens: 20 },
    ...{ genesis: ZERO_32, mint: ZERO_32, coordinator: ZERO_32, node: ZERO_32, nodeWallet: ZERO_32, client: ZERO_32 },
    ...{ requestHash: ZERO_32, outputHash: ZERO_32, modelHash: ZERO_32, previous: ZERO_32 },
    ...{ gross, fee, nodeAmount, feeBps: 1_200, finishedAtMs: BigInt(options.nowMs) },
  });
  await run(
    `insert or ignore into ledger_accounts (id, kind, balance) select 'account/' || id, 'client', 5000000 from accounts where id <> 'local'`,
    [],
  );
  await run(
    `insert or ignore into ledger_accounts (id, kind, balance) select 'node/' || pubkey, 'node', 70000 from nodes`,
    [],
  );
  await run(
    `${COUNT} insert into ledger_transactions (id, kind, cause, created_ms)
      select 1000 + i, iif(i % 20 = 0, 'grant', 'settle'), 'seed/' || i, cast(? + i * ? as integer) from n`,
    [receipts, startMs, (DAYS * DAY_MS) / receipts],
  );
  await run(
    `${COUNT} insert or ignore into ledger_entries (account, transaction_id, amount)
      select 'account/' || ${owner}, 1000 + i, iif(i % 20 = 0, 5000, -1000) from n`,
    [receipts, accountId],
  );
  await run(
    `${COUNT} insert into receipts (node, seq, attempt, account, transaction_id, gross, node_amount, fee, model, finished_ms, bytes, digest, signature)
      select printf('%064d', 1 + i % ${nodes}), 1 + i / ${nodes}, printf('%08x-%04x-7000-8000-%012x.1', at >> 16, at & 65535, job),
        'account/' || ${owner}, 1000 + i, ${gross}, ${nodeAmount}, ${fee}, ${model}, at, ?, randomblob(32), randomblob(64)
      from (select i, i * ?7 job, cast(?5 + i * ?7 * ?6 as integer) at from n)`,
    [receipts, accountId, models, bytes, startMs, (DAYS * DAY_MS) / options.jobs, Math.floor(options.jobs / receipts)],
  );
  await run(
    `insert into node_chains (node, seq, digest) select node, max(seq), randomblob(32) from receipts group by node`,
    [],
  );
}
