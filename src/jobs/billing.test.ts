// Billing: what jobs hold, what they cost, who earns, and what is left when something goes wrong in between.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { checkLedger } from "../admin/check-ledger.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { balanceOf, clientLedger, nodeLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { holds, receipts } from "../ledger/schema.ts";
import { manualClock } from "../lib/clock.ts";
import type { JobId } from "../protocol/primitives.ts";
import { openReceipt, receiptSigner } from "../protocol/receipt-signing.ts";
import { saltedHasher, ZERO_32 } from "../protocol/receipts.ts";
import type { Job, JobSpec } from "./job.ts";
import { outputLog } from "./output-log.ts";
import { failInterruptedChats, type NewAsyncJob, unfinishedJobs } from "./records.ts";
import { NO_EXTRA, recorder, SimNode, type Stage, type StageOptions, spec, stage } from "./testing/stage.ts";
import { createTill, type Till } from "./till.ts";

/** µ$ per million tokens: so many µ$ a token. */
const A_TOKEN = 1_000_000;
const PRICES = { input: 2 * A_TOKEN, output: 5 * A_TOKEN };
const FEE_BPS = 1_200;
const signer = receiptSigner(new Uint8Array(32).fill(7));
/** `hello`, of the stage's request: 48 bytes, and 64 of slack. */
const PROMPT_BOUND = Buffer.byteLength(spec().bodyJson) + 64;

let database: TestDatabase;
let till: Till;
let on: Stage;
beforeEach(async () => {
  database = await testDatabase();
  till = createTill({
    db: database.db,
    issuer: {
      genesis: ZERO_32,
      mint: ZERO_32,
      coordinator: signer.publicKey,
      feeBps: FEE_BPS,
      sign: signer.sign,
      addressBytes: () => ZERO_32,
      payoutCoin: { coin: "USDC", network: "solana" },
    },
    saltKey: new Uint8Array(32).fill(9),
    highestPrice: { input: 1_000 * A_TOKEN, output: 1_000 * A_TOKEN },
    owner: "me",
    recordOwner: null,
  });
  on = stage(database, { till });
});
afterEach(async () => {
  await on.settle();
  const { checks } = await checkLedger(database.db, on.clock.nowMs());
  await database[Symbol.asyncDispose]();
  expect(checks.flatMap(({ name, faults }) => faults.map((fault) => ({ name, ...fault })))).toEqual([]);
});

const restarted = (options: StageOptions = {}) =>
  stage(database, { till, clock: manualClock(on.clock.nowMs()), ...options });
const grant = (amount: bigint, account = "local") =>
  database.db.writer.transact((_, execute) =>
    post(execute, {
      kind: "grant",
      cause: `grant/${crypto.randomUUID()}`,
      atMs: 1,
      entries: [
        { account: SYSTEM_ACCOUNTS.grants, amount: -amount },
        { account: clientLedger(account), amount },
      ],
    }),
  );
const mine = () => balanceOf(database.db, clientLedger("local"));
const earned = async (node: SimNode) => (await balanceOf(database.db, nodeLedger(node.pubkey))).balance;
const issued = () => database.db.read.select().from(receipts).orderBy(receipts.node, receipts.seq);
const held = () => database.db.read.select().from(holds);

async function taken(over: Partial<JobSpec> = {}, output = recorder()): Promise<Job> {
  const job = await on.jobs.take(spec({ maxTokens: 10, ...over }), output);
  if (!job.ok) throw new Error(job.error.code);
  return job.value;
}
/** The most that such a job may cost. */
const bound = (maxTokens = 10) => BigInt(2 * PROMPT_BOUND + 5 * maxTokens);
const over = async (job: Job): Promise<void> => {
  while (
    !(
      await database.db.read
        .select({ n: sql<number>`1` })
        .from(sql`jobs`)
        .where(sql`id = ${job.id} and ended_ms is not null`)
    ).length
  )
    await on.settle();
};

describe("a chat", () => {
  test("holds the most it may cost, and pays what it used: node, platform and client to the unit", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken();
    expect(await mine()).toEqual({ balance: 10_000n, held: bound(), available: 10_000n - bound() });
    node.stream(node.last, 3);
    node.end(node.last, { usage: { prompt_tokens: 11, completion_tokens: 3 } });
    await over(job);
    expect(job.charged).toBe(37n);
    expect(await mine()).toEqual({ balance: 9_963n, held: 0n, available: 9_963n });
    // 12 % of 37, rounded down, is 4.
    expect(await earned(node)).toBe(33n);
    expect((await balanceOf(database.db, SYSTEM_ACCOUNTS.fees)).balance).toBe(4n);
    expect(await held()).toEqual([]);
  });

  test("its receipt is signed, and its hashes are those of request and answer with the job's salt", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken();
    node.stream(node.last, 2);
    node.end(node.last, { usage: { prompt_tokens: 1, completion_tokens: 2 } });
    await over(job);
    const [row] = await issued();
    if (!row) throw new Error("there is no receipt");
    const opened = openReceipt(new Uint8Array(row.bytes), new Uint8Array(row.signature));
    if (!opened.ok) throw new Error(opened.error);
    const salted = (text: string) => new Uint8Array(saltedHasher(till.saltOf(job.id)).update(text).digest());
    expect(opened.value.receipt).toMatchObject({
      seq: 1n,
      gross: 12n,
      promptTokens: 1,
      completionTokens: 2,
      requestHash: salted(job.bodyJson),
      outputHash: salted("0;1;"),
      previous: ZERO_32,
    });
  });

  test("is not begun where the account has less than it may cost", async () => {
    await grant(bound() - 1n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const refused = await on.jobs.take(spec({ maxTokens: 10 }), recorder());
    expect(refused).toMatchObject({ ok: false, error: { code: "insufficient_credit" } });
    expect(node.heard).toEqual([]);
    expect(await mine()).toMatchObject({ held: 0n });
  });

  test("a key's limit is counted apart from the account, and what was not used is given back", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const budgets = [{ id: "key/k", limit: bound() + 20n }];
    const job = await taken({ budgets, keyId: "k" });
    expect(await on.jobs.take(spec({ maxTokens: 10, budgets, keyId: "k" }), recorder())).toMatchObject({
      error: { code: "spend_limit" },
    });
    node.stream(node.last, 1);
    node.end(node.last, { usage: { prompt_tokens: 1, completion_tokens: 1 } });
    await over(job);
    expect((await on.jobs.take(spec({ maxTokens: 10, budgets, keyId: "k" }), recorder())).ok).toBe(true);
    for (const live of [...on.jobs.live.values()]) on.jobs.cancel(live, { code: "client_gone", message: "" });
  });

  test("a thousand at once against a balance good for ten: ten are taken on", async () => {
    await grant(bound() * 10n);
    on = restarted({ limits: { queueLimit: 1_000 } });
    new SimNode(on, 1, { prices: PRICES, slots: 4 }).join();
    const all = await Promise.all(
      Array.from({ length: 1_000 }, () => on.jobs.take(spec({ maxTokens: 10 }), recorder())),
    );
    expect(all.filter(({ ok }) => ok)).toHaveLength(10);
    expect(await mine()).toMatchObject({ available: 0n });
    for (const job of [...on.jobs.live.values()]) on.jobs.cancel(job, { code: "client_gone", message: "" });
    await on.settle();
    expect(await mine()).toMatchObject({ balance: bound() * 10n, held: 0n });
  });

  test("costs nothing where nodes ask for nothing, and has its receipt all the same", async () => {
    const node = new SimNode(on, 1).join();
    const job = await taken();
    node.stream(node.last, 1);
    node.end(node.last);
    await over(job);
    expect(await issued()).toMatchObject([{ gross: 0, transaction: null, seq: 1 }]);
  });
});

describe("what is paid for", () => {
  test("of a cancelled answer: what came before the cancel", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken();
    node.stream(node.last, 4);
    on.jobs.cancel(job, { code: "client_gone", message: "" });
    await over(job);
    expect(job.usage).toEqual({ prompt_tokens: 12, completion_tokens: 4 });
    expect(await earned(node)).toBe(39n);
    expect(job.charged).toBe(44n);
  });

  test("of an answer that never began: nothing", async () => {
    await grant(10_000n);
    new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken();
    on.jobs.cancel(job, { code: "client_gone", message: "" });
    await over(job);
    expect(job.charged).toBe(0n);
    expect(await issued()).toEqual([]);
    expect(await mine()).toMatchObject({ balance: 10_000n, held: 0n });
  });

  test("after a failover in mid-stream: one run, the first node has the prompt, each its own output", async () => {
    await grant(10_000n);
    const first = new SimNode(on, 1, { prices: PRICES, continues: true }).join();
    const job = await taken();
    first.stream(first.last, 3);
    const second = new SimNode(on, 2, { prices: PRICES, continues: true }).join();
    first.crash();
    second.stream(second.last, 2);
    second.end(second.last, { usage: { prompt_tokens: 11 + 3, completion_tokens: 2 } });
    await over(job);
    expect(job.usage).toEqual({ prompt_tokens: 11, completion_tokens: 5 });
    expect((await issued()).map(({ gross, attempt }) => ({ gross, attempt }))).toEqual([
      { gross: 2 * 11 + 5 * 3, attempt: `${job.id}.1` },
      { gross: 5 * 2, attempt: `${job.id}.2` },
    ]);
    expect(job.charged).toBe(47n);
  });

  test("of a whole answer that started over: only what was given", async () => {
    await grant(10_000n);
    const first = new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken({ stream: false }, recorder(true));
    first.stream(first.last, 3);
    const second = new SimNode(on, 2, { prices: PRICES }).join();
    first.crash();
    for (let waited = 0; second.attempts.size === 0 && waited < 30; waited++) on.clock.advance(1_000);
    second.stream(second.last, 2);
    second.end(second.last, { usage: { prompt_tokens: 11, completion_tokens: 2 } });
    await over(job);
    expect(await issued()).toMatchObject([{ node: second.pubkey, gross: 32 }]);
  });

  test("of a failed answer that was shown: what was shown; of one that was not: nothing", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const shown = await taken();
    node.stream(node.last, 2);
    node.fail(node.last, "invalid_request");
    await over(shown);
    expect(shown.charged).toBe(34n);
    const unseen = await taken({ stream: false }, recorder(true));
    node.stream(node.last, 2);
    node.fail(node.last, "invalid_request");
    await over(unseen);
    expect(unseen.charged).toBe(0n);
  });

  test("what of a failed job nobody had read is nobody's to read afterwards", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const output = outputLog();
    const submitted = await on.jobs.submitAsync(spec({ kind: "async", maxTokens: 10 }), output, NO_EXTRA, () => {});
    if (!submitted.ok) throw new Error(submitted.error.code);
    await on.settle();
    node.stream(node.last, 2);
    node.fail(node.last, "invalid_request");
    await over(submitted.value);
    expect(submitted.value.charged).toBe(0n);
    expect(await output.read(null).next()).toBeNull();
    expect(JSON.parse(output.stored(submitted.value))).toMatchObject({ pieces: [] });
  });

  test("a node that does not stop at the bound is stopped there, and what it claims beyond is not paid", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const output = recorder();
    const job = await taken({ maxTokens: 4 }, output);
    node.stream(node.last, 9);
    await over(job);
    expect(output.text).toBe("0;1;2;3;");
    expect(job).toMatchObject({ state: "completed", finish: [{ reason: "length" }], usage: { completion_tokens: 4 } });
    expect(node.heard.map(({ type }) => type)).toContain("cancel");
    expect(job.charged).toBe(44n);
  });

  test("claims past what can be true are clamped, and said so", async () => {
    await grant(100_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken({ choices: 3 });
    node.stream(node.last, 2);
    node.end(node.last, { usage: { prompt_tokens: 1_000_000, completion_tokens: 1_000_000 } });
    await over(job);
    expect(job.usage).toEqual({ prompt_tokens: PROMPT_BOUND, completion_tokens: 4 });
    expect(job.attempts).toMatchObject([{ clamped: true }]);
  });

  test("a node is held to its price of when the job was taken on", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES, slots: 1 }).join();
    const first = await taken();
    const queued = await taken();
    on.clock.advance(10);
    node.reprice({ input: 50 * A_TOKEN, output: 50 * A_TOKEN });
    node.end(node.last, { usage: { prompt_tokens: 1, completion_tokens: 0 } });
    await over(first);
    node.stream(node.last, 1);
    node.end(node.last, { usage: { prompt_tokens: 1, completion_tokens: 1 } });
    await over(queued);
    expect(queued.charged).toBe(7n);
  });

  test("one that is dearer than what is held has no part in it", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken({ stream: false }, recorder(true));
    on.clock.advance(10);
    const dear = new SimNode(on, 2, { prices: { input: PRICES.input, output: PRICES.output + 1 } }).join();
    node.crash();
    on.clock.advance(1_000);
    expect(dear.heard).toEqual([]);
    on.jobs.cancel(job, { code: "client_gone", message: "" });
  });
});

describe("a crash", () => {
  test("of the coordinator lets go of what its chats held, once", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    await taken();
    node.stream(node.last, 2);
    await on.records.flush();
    await failInterruptedChats(database.db, on.clock.nowMs(), "me");
    await failInterruptedChats(database.db, on.clock.nowMs(), "me");
    expect(await mine()).toMatchObject({ balance: 10_000n, held: 0n });
    expect(await held()).toEqual([]);
    on = restarted();
  });

  test("of another coordinator on the same database is its own matter", async () => {
    await grant(10_000n);
    new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken();
    await failInterruptedChats(database.db, on.clock.nowMs(), "another");
    expect(await mine()).toMatchObject({ held: bound() });
    on.jobs.cancel(job, { code: "client_gone", message: "" });
  });

  test("leaves an asynchronous job's hold, which settles once however often its end comes", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const submitted = await on.jobs.submitAsync(
      spec({ kind: "async", maxTokens: 10 }),
      recorder(true),
      NO_EXTRA,
      () => {},
    );
    if (!submitted.ok) throw new Error(submitted.error.code);
    await on.settle();
    node.stream(node.last, 2);
    const attempts = new Map(node.attempts);
    on = restarted();
    const [found] = await unfinishedJobs(database.db, "me");
    if (!found) throw new Error("the job is gone");
    const job = on.jobs.recover(found.job, spec({ kind: "async", maxTokens: 10 }), recorder(true), found.hold);
    expect(job.held).toMatchObject({ amount: bound(), price: PRICES });
    const back = new SimNode(on, 1, { prices: PRICES });
    for (const [id, attempt] of attempts) back.attempts.set(id, attempt);
    back.join();
    back.send(back.last, 0);
    back.end(back.last, { usage: { prompt_tokens: 11, completion_tokens: 2 } });
    await over(job);
    expect(await on.records.end(job, { state: "completed", shares: [] })).toBe(false);
    expect(job.charged).toBe(32n);
    expect(await mine()).toEqual({ balance: 10_000n - 32n, held: 0n, available: 10_000n - 32n });
    expect(await issued()).toHaveLength(1);
  });

  test("of the storage at the end is waited out, and settles once", async () => {
    await grant(10_000n);
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const job = await taken();
    node.stream(node.last, 1);
    on.storage.broken = true;
    node.end(node.last, { usage: { prompt_tokens: 1, completion_tokens: 1 } });
    await on.settle();
    expect(await mine()).toMatchObject({ held: bound() });
    on.storage.broken = false;
    on.clock.advance(1_000);
    await over(job);
    expect(await mine()).toMatchObject({ balance: 9_993n, held: 0n });
  });
});

test("a chat that is turned away while its hold cannot be let go holds nothing later on", async () => {
  on = restarted({ limits: { queueLimit: 0 } });
  await grant(10_000n);
  const node = new SimNode(on, 1, { prices: PRICES, slots: 1 }).join();
  const job = await taken();
  on.storage.broken = true;
  const refused = await on.jobs.take(spec({ maxTokens: 10 }), recorder());
  expect(refused).toMatchObject({ ok: false, error: { code: "queue_full" } });
  expect(await held()).toHaveLength(2);
  on.storage.broken = false;
  on.clock.advance(1_000);
  await on.settle();
  expect(await held()).toHaveLength(1);
  node.end(node.last);
  await over(job);
});

describe("a request that the database took, and its answer was lost", () => {
  let node: SimNode;
  beforeEach(async () => {
    await grant(10_000n);
    node = new SimNode(on, 1, { prices: PRICES }).join();
    on.storage.unanswered = true;
  });
  const laterOn = async () => {
    on.storage.unanswered = false;
    on.clock.advance(1_000);
    await on.settle();
  };

  test("holds nothing of a chat once the database answers again", async () => {
    const refused = await on.jobs.take(spec({ maxTokens: 10 }), recorder());
    expect(refused).toMatchObject({ ok: false, error: { code: "storage_failed" } });
    expect(await held()).toHaveLength(1);
    await laterOn();
    expect(await held()).toEqual([]);
    expect(await mine()).toMatchObject({ held: 0n });
  });

  const submit = (extra: NewAsyncJob = NO_EXTRA) =>
    on.jobs.submitAsync(spec({ kind: "async", maxTokens: 10 }), recorder(true), extra, () => {});

  test("leaves nothing of an asynchronous job that nobody knows of", async () => {
    expect(await submit()).toMatchObject({ ok: false, error: { code: "storage_failed" } });
    expect(await held()).toHaveLength(1);
    on.storage.broken = true;
    await laterOn();
    on.storage.broken = false;
    await laterOn();
    expect(await held()).toEqual([]);
    expect(await unfinishedJobs(database.db, "me")).toEqual([]);
  });

  test("goes on with one that its client finds by its idempotency key", async () => {
    const extra = { ...NO_EXTRA, idempotencyKey: "once", requestHash: "r" };
    expect(await submit(extra)).toMatchObject({ ok: false, error: { code: "storage_failed" } });
    on.storage.unanswered = false;
    const again = await submit(extra);
    if (again.ok || again.error.code !== "idempotency_key_used") throw new Error("it was taken on twice");
    await laterOn();
    const [job] = [...on.jobs.live.values()];
    if (!job) throw new Error("nobody has it");
    expect(job.id).toBe(again.error.row.id as JobId);
    node.stream(node.last, 1);
    node.end(node.last, { usage: { prompt_tokens: 1, completion_tokens: 1 } });
    await over(job);
    expect(job.charged).toBe(7n);
  });
});

describe("an asynchronous job under way while the configuration changes", () => {
  /** A job with one attempt at a node, which `next` then takes up with that node. */
  async function carriedOver(next: StageOptions, kept = restarted): Promise<{ job: Job; node: SimNode }> {
    const node = new SimNode(on, 1, { prices: PRICES }).join();
    const wanted = spec({ kind: "async", maxTokens: 10, defaultMaxTokens: true });
    const submitted = await on.jobs.submitAsync(wanted, recorder(true), NO_EXTRA, () => {});
    if (!submitted.ok) throw new Error(submitted.error.code);
    await on.settle();
    const attempts = new Map(node.attempts);
    on = kept(next);
    const [found] = await unfinishedJobs(database.db, "me");
    if (!found) throw new Error("the job is gone");
    const job = on.jobs.recover(found.job, { ...wanted, maxTokens: 1000 }, recorder(true), found.hold);
    const back = new SimNode(on, 1, { prices: PRICES });
    for (const [id, attempt] of attempts) back.attempts.set(id, attempt);
    return { job, node: back.join() };
  }
  const unbilled = () => stage(database, { clock: manualClock(on.clock.nowMs()) });

  test("holds nothing any more once it ended with billing off", async () => {
    await grant(10_000n);
    const { job, node } = await carriedOver({}, unbilled);
    node.stream(node.last, 2);
    node.end(node.last, { usage: { prompt_tokens: 11, completion_tokens: 2 } });
    await over(job);
    expect(await held()).toEqual([]);
    expect(await mine()).toEqual({ balance: 10_000n, held: 0n, available: 10_000n });
  });

  test("has no receipt where it was given out with billing off: the node asked for something", async () => {
    await grant(10_000n);
    on = unbilled();
    const { job, node } = await carriedOver({});
    node.stream(node.last, 2);
    node.end(node.last, { usage: { prompt_tokens: 11, completion_tokens: 2 } });
    await over(job);
    expect([job.state, job.charged]).toEqual(["completed", 0n]);
    expect(await issued()).toEqual([]);
  });

  test("keeps the bound that it holds for, though the default was raised", async () => {
    await grant(10_000n);
    const { job, node } = await carriedOver({});
    node.stream(node.last, 12);
    await over(job);
    expect(job).toMatchObject({ state: "completed", finish: [{ index: 0, reason: "length" }] });
    expect(job.usage?.completion_tokens).toBe(10);
  });
});

test("an asynchronous job that cannot be paid for is not stored", async () => {
  await grant(5n);
  new SimNode(on, 1, { prices: PRICES }).join();
  const refused = await on.jobs.submitAsync(spec({ kind: "async" }), recorder(true), NO_EXTRA, () => {});
  expect(refused).toMatchObject({ error: { code: "insufficient_credit" } });
  expect(await unfinishedJobs(database.db, "me")).toEqual([]);
});

test("jobs that end together each have their receipt, in one chain without a gap", async () => {
  await grant(1_000_000n);
  const node = new SimNode(on, 1, { prices: PRICES, slots: 50 }).join();
  const jobs = await Promise.all(Array.from({ length: 50 }, () => taken()));
  for (const attempt of [...node.attempts.values()]) {
    node.stream(attempt, 1);
    node.end(attempt, { usage: { prompt_tokens: 1, completion_tokens: 1 } });
  }
  await Promise.all(jobs.map(over));
  const rows = await issued();
  expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  expect(await earned(node)).toBe(BigInt(rows.reduce((sum, { nodeAmount }) => sum + nodeAmount, 0)));
  expect(await mine()).toMatchObject({ balance: 1_000_000n - 350n, held: 0n });
});
