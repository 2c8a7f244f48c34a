// The sums by day, after whatever happened to jobs: the same as adding up jobs and receipts.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { accounts, apiKeys } from "../accounts/schema.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import type { Job } from "../jobs/job.ts";
import { failInterruptedChats } from "../jobs/records.ts";
import { NO_EXTRA, recorder, SimNode, type Stage, spec, stage } from "../jobs/testing/stage.ts";
import { createTill, type Till } from "../jobs/till.ts";
import { type UsageRow, usagePage } from "../jobs/usage.ts";
import { clientLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { manualClock } from "../lib/clock.ts";
import { receiptSigner } from "../protocol/receipt-signing.ts";
import { ZERO_32 } from "../protocol/receipts.ts";
import { dayOf } from "./node-days.ts";
import { MOST_GROUPS, type UsageDay, usageDays } from "./usage.ts";

const ACCOUNTS = ["local", "acme"];
const KEYS = [null, "key_a", "key_b"];
const MODELS = ["m", "n"];
const PRICES = { input: 2_000_000, output: 5_000_000 };
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const pick = fc.nat({ max: 100 });
const op = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("chat", "async"), pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("complete", "complete", "fail", "stream"), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("cancel", "lose", "join"), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("hours", "restart"), pick }) },
);
type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;
const oneOf = <T>(from: readonly T[], at: number): T | undefined => from[at % Math.max(1, from.length)];

/** Jobs of several accounts, keys and models, on a coordinator that is killed now and then. */
class World {
  readonly database: TestDatabase;
  readonly till: Till | null;
  on: Stage;
  nodes: SimNode[];
  private jobs: Job[] = [];

  constructor(database: TestDatabase, till: Till | null) {
    this.database = database;
    this.till = till;
    // Ids are of the real time, and reading jobs by their day relies on it to within a day.
    this.on = this.start(Date.now() - DAY_MS / 2);
    this.nodes = this.join();
  }
  private start = (nowMs: number): Stage =>
    stage(this.database, { clock: manualClock(nowMs), ...(this.till ? { till: this.till } : {}) });
  private hoursLeft = () => Math.max(0, Math.floor((Date.now() + DAY_MS * 0.75 - this.on.clock.nowMs()) / HOUR_MS));
  private join = () => [1, 2].map((n) => new SimNode(this.on, n, { models: MODELS, prices: PRICES, slots: 4 }).join());
  private attempts = () =>
    this.nodes.flatMap((node) => [...node.attempts.values()].map((attempt) => ({ node, attempt })));

  async act({ do: what, pick: n }: Op): Promise<void> {
    const asked = {
      accountId: oneOf(ACCOUNTS, n) ?? "",
      keyId: oneOf(KEYS, n >> 1) ?? null,
      model: oneOf(MODELS, n >> 2) ?? "",
      ...{ maxTokens: 10, stream: n % 3 > 0 },
    };
    const at = oneOf(
      this.attempts().filter(({ attempt }) => !attempt.end),
      n,
    );
    if (what === "chat") {
      const taken = await this.on.jobs.take(spec(asked), recorder(n % 3 === 0));
      if (taken.ok) this.jobs.push(taken.value);
    } else if (what === "async") {
      const taken = await this.on.jobs.submitAsync(
        spec({ ...asked, kind: "async" }),
        recorder(true),
        NO_EXTRA,
        () => {},
      );
      if (taken.ok) this.jobs.push(taken.value);
    } else if (what === "stream") at?.node.stream(at.attempt, 1 + (n % 4));
    else if (what === "fail") at?.node.fail(at.attempt, n % 2 ? "backend_failed" : "invalid_request");
    else if (what === "complete" && at) {
      at.node.stream(at.attempt, 2);
      at.node.end(at.attempt);
    } else if (what === "cancel") {
      const job = oneOf(this.jobs, n);
      if (job) this.on.jobs.cancel(job, { code: "client_gone", message: "gone" });
    } else if (what === "lose") oneOf(this.nodes, n)?.crash();
    else if (what === "join") for (const node of this.nodes) if (!node.online) node.join();
    if (what === "hours") this.on.clock.advance(Math.min(n % 30, this.hoursLeft()) * HOUR_MS);
    if (what === "restart") await this.restart();
    await this.on.settle();
  }

  /** What was written is there; what was not is lost. */
  private async restart(): Promise<void> {
    await this.on.records.flush();
    await this.on.settle();
    this.on = this.start(this.on.clock.nowMs() + 1_000);
    await failInterruptedChats(this.database.db, this.on.clock.nowMs(), "me");
    this.jobs = [];
    this.nodes = this.join();
  }

  async rest(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      this.on.clock.advance(61_000);
      await this.on.settle();
    }
    await this.on.records.flush();
    await this.on.settle();
  }
}

async function world(billing: boolean): Promise<World> {
  const database = await testDatabase();
  const { db } = database;
  const signer = receiptSigner(new Uint8Array(32).fill(7));
  const till = createTill({
    ...{ db, owner: "me", recordOwner: null, saltKey: new Uint8Array(32).fill(9) },
    issuer: {
      ...{ genesis: ZERO_32, mint: ZERO_32, coordinator: signer.publicKey, feeBps: 1_200, sign: signer.sign },
      ...{ addressBytes: () => ZERO_32, payoutCoin: { coin: "USDC", network: "solana" } as const },
    },
    highestPrice: PRICES,
  });
  await db.writer.transact(async (tx, execute) => {
    await tx.insert(accounts).values({ id: "acme", kind: "user", name: "acme", createdMs: 0 });
    for (const id of KEYS) {
      if (id === null) continue;
      const key = { id, accountId: "local", name: `name of ${id}`, prefix: "", keyHash: id, scopes: [], createdMs: 0 };
      await tx.insert(apiKeys).values(key);
    }
    for (const account of ACCOUNTS) {
      const amount = 10_000_000n;
      const to = { account: clientLedger(account), amount };
      const entries = [{ account: SYSTEM_ACCOUNTS.grants, amount: -amount }, to];
      await post(execute, { kind: "grant", cause: `grant/${account}`, atMs: 1, entries });
    }
  });
  return new World(database, billing ? till : null);
}

/** What adding up the jobs gives, in the words of the sums by day. */
async function fromJobs({ database: { db } }: World, accountId?: string) {
  const rows: UsageRow[] = [];
  const period = { fromMs: Date.now() - 2 * DAY_MS, toMs: Date.now() + 2 * DAY_MS };
  const query = { period, by: ["key", "model", "day"] as const, ...(accountId === undefined ? {} : { accountId }) };
  for (let page = await usagePage(db, query, null); ; page = await usagePage(db, query, page.next)) {
    rows.push(...page.rows);
    if (!page.next) break;
  }
  return rows.map((row) => ({
    day: dayOf(Date.parse(row.day ?? "")),
    keyId: row.key ?? null,
    keyName: row.key_name ?? null,
    model: row.model ?? "",
    ...{ requests: row.requests, completed: row.completed, charged: row.charged_micro_usd },
    ...{ promptTokens: row.prompt_tokens, completionTokens: row.completion_tokens },
  }));
}

test.each([true, false])(
  "usage by day is what the jobs add up to, and earnings what the receipts do (billing: %p)",
  async (billing) => {
    let requests = 0;
    let receipts = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(op, { minLength: 20, maxLength: 60, size: "max" }), async (script) => {
        const on = await world(billing);
        await using _database = on.database;
        const { db } = on.database;
        for (const step of script) await on.act(step);
        await on.rest();
        const days = { fromDay: 0, toDay: 100_000 };
        const all = await usageDays(db, { accountId: null, ...days });
        expect(all).toEqual(await fromJobs(on));
        expect(await usageDays(db, { accountId: "acme", ...days })).toEqual(await fromJobs(on, "acme"));
        for (const by of ["day", "key", "model"] as const) {
          const some = await usageDays(db, { accountId: null, ...days, by });
          const sums = (rows: readonly UsageDay[], of: (row: UsageDay) => unknown) =>
            rows.reduce(
              (all, row) => all.set(of(row), (all.get(of(row)) ?? 0) + row.requests),
              new Map<unknown, number>(),
            );
          const name = (row: UsageDay) => `${row.day} ${by === "key" ? row.keyName : by === "model" ? row.model : ""}`;
          expect(sums(some, name)).toEqual(sums(all, name));
          expect(some.length).toBe(sums(all, name).size);
        }
        requests += all.reduce((sum, row) => sum + row.requests, 0);
        const earned = await db.query(
          "select node, day, receipts, gross, node_amount, fee from earning_days order by 1, 2",
        );
        const sums = "count(*), sum(gross), sum(node_amount), sum(fee)";
        expect(earned).toEqual(
          await db.query(`select node, finished_ms / ${DAY_MS}, ${sums} from receipts group by 1, 2 order by 1, 2`),
        );
        receipts += earned.reduce((sum, [, , count]) => sum + Number(count), 0);
      }),
      { numRuns: 12, endOnFailure: true },
    );
    expect(requests).toBeGreaterThan(50);
    expect(receipts > 10).toBe(billing);
  },
  120_000,
);

test("days outside of those asked for are left out, and one account sees nothing of another", async () => {
  await using database = await testDatabase();
  const { db } = database;
  await db.writer.batch("insert into accounts (id, kind, name, created_ms) values (?, 'user', 'x', 0)", [["acme"]]);
  const sql = "insert into usage_days values (?, ?, '', 'm', 1, 1, 2, 3, 4)";
  await db.writer.batch(
    sql,
    [9, 10, 11, 12].flatMap((day) => [
      ["local", day],
      ["acme", day],
    ]),
  );
  const rows = await usageDays(db, { accountId: "acme", fromDay: 10, toDay: 11 });
  expect(rows.map(({ day, requests }) => [day, requests])).toEqual([
    [10, 1],
    [11, 1],
  ]);
  const everybody = await usageDays(db, { accountId: null, fromDay: 10, toDay: 11 });
  expect(everybody.map(({ day, requests, charged }) => [day, requests, charged])).toEqual([
    [10, 2, 8],
    [11, 2, 8],
  ]);
});

test("however many keys and models there are, sums are whole: the largest are told apart, all others are one", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const [days, names] = [31, 700];
  const sql = "insert into usage_days values ('local', ?, ?, ?, ?, 1, 2, 3, 4)";
  for (let day = 0; day < days; day++) {
    await db.writer.batch(
      sql,
      Array.from({ length: names }, (_, i) => [day, i === 0 ? "" : `key_${i}`, `model-${i}`, i + 1]),
    );
  }
  for (const accountId of ["local", null]) {
    for (const by of ["day", "key", "model"] as const) {
      const rows = await usageDays(db, { accountId, fromDay: 0, toDay: days - 1, by });
      expect(rows.reduce((sum, { charged }) => sum + charged, 0)).toBe(4 * days * names);
      expect(new Set(rows.map(({ day }) => day)).size).toBe(days);
      if (by === "day") continue;
      const others = rows.filter((row) => row.others === true);
      expect(others.map(({ keyId, keyName, model }) => [keyId, keyName, model])).toEqual(
        others.map(() => [null, null, ""]),
      );
      expect([others.length, rows.length]).toEqual([days, days * (MOST_GROUPS + 1)]);
      const told = new Set(rows.flatMap(({ keyId, model, others }) => (others ? [] : [by === "key" ? keyId : model])));
      expect(told).toContain(by === "key" ? `key_${names - 1}` : `model-${names - 1}`);
      expect(told).not.toContain(by === "key" ? null : "model-0");
    }
  }
});
