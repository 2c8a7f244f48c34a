// Earnings of an account: what its nodes earned by the day, from the sums that triggers keep, and where that is now.
import type { Execute, SqlRow } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";

/** Amounts are µ$, after the fee. Days are UTC's, counted from the Unix epoch. */
export type AccountEarnings = {
  /** The nodes of the account, ejected ones included: what they earned stays theirs. */
  nodes: number;
  /** Oldest first, days of nothing included, today last. */
  days: readonly { day: number; earned: bigint; receipts: number }[];
  /** `outside` is null where there are more nodes than `each` has. */
  total: Omit<EarningsNow, "outside"> & { outside: bigint | null };
  /** Those that earned most in these days, at most `MOST_NODES`. */
  each: readonly (NodeEarnings & EarningsNow)[];
};
export type NodeEarnings = {
  pubkey: string;
  name: string;
  today: bigint;
  /** In all of the days. */
  earned: bigint;
  receipts: number;
};
export type EarningsNow = {
  /** Owed, and in no payout. */
  unpaid: bigint;
  /** In payouts that are not final yet. */
  inPayout: bigint;
  /** On the chain. */
  paid: bigint;
  /** As an admin noted, in another way. */
  outside: bigint;
};

/** More nodes than people look through: of an account with more, those that earn most. */
export const MOST_NODES = 100;

/** With a plus, so that it is the account's index that is read: most nodes of all have this role. */
const MINE = "n.account_id = ? and +n.role = 'provider'";
const big = (value: unknown): bigint => BigInt((value ?? 0) as number);

/** Of the last `days` days. All of one moment, and off the event loop: an account may have thousands of nodes. */
export async function accountEarnings(
  db: Pick<Db, "snapshot">,
  accountId: string,
  { today, days }: { today: number; days: number },
): Promise<AccountEarnings> {
  return await db.snapshot(async (execute) => {
    const fromDay = today - days + 1;
    const each = await eachOf(execute, accountId, fromDay, today);
    const [counted] = await execute(`select count(*) from nodes n where ${MINE}`, [accountId]);
    const nodes = Number(counted?.[0] ?? 0);
    const outside = nodes > each.length ? null : each.reduce((sum, node) => sum + node.outside, 0n);
    return {
      nodes,
      days: await daysOf(execute, accountId, fromDay, days),
      total: { ...(await totalOf(execute, accountId)), outside },
      each,
    };
  });
}

async function daysOf(execute: Execute, accountId: string, fromDay: number, days: number) {
  const rows = await execute(
    `select d.day, sum(d.node_amount), sum(d.receipts) from nodes n join earning_days d on d.node = n.pubkey
     where ${MINE} and d.day >= ? group by d.day`,
    [accountId, fromDay],
  );
  const byDay = new Map(rows.map(([day, earned, receipts]) => [Number(day), { earned, receipts }]));
  return Array.from({ length: days }, (_, i) => {
    const found = byDay.get(fromDay + i);
    return { day: fromDay + i, earned: big(found?.earned), receipts: Number(found?.receipts ?? 0) };
  });
}

async function totalOf(execute: Execute, accountId: string): Promise<Omit<EarningsNow, "outside">> {
  const [books] = await execute(
    `select sum(l.balance), sum(l.held) from nodes n join ledger_accounts l on l.id = 'node/' || n.pubkey where ${MINE}`,
    [accountId],
  );
  const [paid] = await execute(
    `select sum(p.node_amount) from nodes n join payouts p on p.node = n.pubkey and +p.state = 'paid' where ${MINE}`,
    [accountId],
  );
  return { unpaid: big(books?.[0]) - big(books?.[1]), inPayout: big(books?.[1]), paid: big(paid?.[0]) };
}

/** Few statements for all of them: each is a way to another thread and back. */
async function eachOf(execute: Execute, accountId: string, fromDay: number, today: number) {
  const rows = await execute(
    `select n.pubkey, n.name, coalesce(sum(case when d.day = ? then d.node_amount end), 0), coalesce(sum(d.node_amount), 0),
       coalesce(sum(d.receipts), 0) from nodes n left join earning_days d on d.node = n.pubkey and d.day >= ?
     where ${MINE} group by n.pubkey order by 4 desc, n.first_seen_ms, n.pubkey limit ${MOST_NODES}`,
    [today, fromDay, accountId],
  );
  const keys = JSON.stringify(rows.map(([pubkey]) => pubkey));
  const now = new Map((await execute(NOW, [keys])).map(([pubkey, ...amounts]) => [pubkey, amounts.map(big)]));
  const outside = new Map((await execute(OUTSIDE, [keys])).map(([pubkey, amount]) => [pubkey, big(amount)]));
  return rows.map((row: SqlRow): NodeEarnings & EarningsNow => {
    const [pubkey, name, earnedToday, earned, receipts] = row;
    const [balance = 0n, held = 0n, paid = 0n] = now.get(pubkey) ?? [];
    return {
      ...{ pubkey: String(pubkey), name: String(name), today: big(earnedToday), earned: big(earned) },
      ...{ receipts: Number(receipts), unpaid: balance - held, inPayout: held, paid },
      outside: outside.get(pubkey) ?? 0n,
    };
  });
}

const NOW = `select n.value, l.balance, l.held, (select sum(node_amount) from payouts where node = n.value and state = 'paid')
  from json_each(?) n left join ledger_accounts l on l.id = 'node/' || n.value`;

/** Through the few movements that admins made, not through all of the nodes'. */
const OUTSIDE = `with moved as materialized (select t.id from ledger_entries e
    join ledger_transactions t on t.id = e.transaction_id and t.kind = 'payout'
    where e.account = '${SYSTEM_ACCOUNTS.adjustments}')
  select n.value, sum(-m.amount) from json_each(?) n cross join moved
    join ledger_entries m on m.account = 'node/' || n.value and m.transaction_id = moved.id group by n.value`;
