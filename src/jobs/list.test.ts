// Lists of jobs: every page is what a look at all of them would give, along an index.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { accounts } from "../accounts/schema.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { idAt, type JobCursor, type JobFilter, jobsAfter, listJobs } from "./list.ts";
import { type JobRow, jobs } from "./schema.ts";
import { JOB_STATES } from "./states.ts";

const ACCOUNTS = ["local", "other"];
const NODES = [null, "a".repeat(64), "b".repeat(64)];
const MODELS = ["m", "n"];
const KINDS = ["chat", "async"] as const;
const COUNT = 120;
const MINUTE = 60_000;
let database: TestDatabase;
let all: JobRow[];

const at = <T>(values: readonly T[], n: number): T => values[n % values.length] as T;
beforeAll(async () => {
  database = await testDatabase();
  const { db } = database;
  const rows = Array.from({ length: COUNT }, (_, n) => ({
    id: `${idAt(n * MINUTE).slice(0, 24)}${`${n}`.padStart(12, "0")}`,
    accountId: at(ACCOUNTS, n % 3),
    keyId: n % 4 === 0 ? "key_1" : null,
    kind: at(KINDS, n % 5),
    model: at(MODELS, n % 7),
    nodePubkey: at(NODES, n % 11),
    state: at(JOB_STATES, n % 13),
    stream: true,
    createdMs: n * MINUTE,
  }));
  await db.writer.transact(async (tx) => {
    await tx.insert(accounts).values({ id: "other", kind: "user", name: "other", createdMs: 0 });
    for (const row of rows) await tx.insert(jobs).values(row);
  });
  all = (await db.read.select().from(jobs)).sort((a, b) => (a.id < b.id ? 1 : -1));
});
afterAll(() => database[Symbol.asyncDispose]());

const fits = (filter: JobFilter) => (row: JobRow) =>
  (filter.accountId === undefined || row.accountId === filter.accountId) &&
  (filter.keyId === undefined || row.keyId === filter.keyId) &&
  (filter.node === undefined || row.nodePubkey === filter.node) &&
  (filter.states === undefined || filter.states.includes(row.state)) &&
  (filter.model === undefined || row.model === filter.model) &&
  (filter.kind === undefined || row.kind === filter.kind) &&
  (filter.sinceMs === undefined || row.createdMs >= filter.sinceMs) &&
  (filter.idPrefix === undefined || row.id.startsWith(filter.idPrefix));

const maybe = <T>(values: readonly T[]) => fc.constantFrom<(T | undefined)[]>(undefined, ...values);
const filters: fc.Arbitrary<JobFilter> = fc.record({
  accountId: maybe(ACCOUNTS),
  keyId: maybe(["key_1"]),
  node: maybe(NODES.filter((node) => node !== null)),
  states: maybe([["failed"], ["failed", "expired"], ["queued"], ["queued", "dispatched", "running"], ["completed"]]),
  model: maybe(MODELS),
  kind: maybe(KINDS),
  sinceMs: maybe([0, 60 * MINUTE, 119 * MINUTE]),
  idPrefix: maybe(["0000", idAt(70 * MINUTE).slice(0, 12), "f"]),
}) as fc.Arbitrary<JobFilter>;

describe("pages", () => {
  test("to older ones and back again hold every job that fits, once, in order", async () => {
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 30 }), maybe([1, 7, 50]), async (filter, limit, window) => {
        const wanted = all.filter(fits(filter)).map(({ id }) => id);
        const walk = async (next: (page: { older: string | null; newer: string | null }) => JobCursor | null) => {
          const pages: string[][] = [];
          for (let cursor: JobCursor | null = {}; cursor; ) {
            const page = await listJobs(database.db, filter, { limit, ...(window ? { window } : {}), ...cursor });
            expect(page.rows.length).toBeLessThanOrEqual(limit);
            pages.push(page.rows.map(({ id }) => id));
            cursor = next(page);
            if (pages.length > 300) throw new Error("it has no end");
          }
          return pages;
        };
        const down = await walk(({ older }) => (older === null ? null : { before: older }));
        expect(down.flat()).toEqual(wanted);
        let first = true;
        const up = await walk(({ newer }) => {
          if (first) {
            first = false;
            return { after: "0" };
          }
          return newer === null ? null : { after: newer };
        });
        expect(up.slice(1).reverse().flat()).toEqual(wanted);
      }),
      { numRuns: 60 },
    );
  });

  test("where no index knows the filter they look through so many jobs, and say so", async () => {
    const page = await listJobs(database.db, { accountId: "local", model: "none" }, { limit: 10, window: 20 });
    expect([page.rows.length, page.looked]).toEqual([0, 20]);
    expect(page.older).toBe(all.filter(({ accountId }) => accountId === "local")[19]?.id ?? "");
    const whole = await listJobs(database.db, { accountId: "local", model: "none" }, { limit: 10, window: 500 });
    expect([whole.looked, whole.older]).toEqual([null, null]);
  });

  test("after a cursor of the last page there is a way back", async () => {
    const oldest = all.at(-1)?.id ?? "";
    const page = await listJobs(database.db, {}, { limit: 5, before: oldest });
    expect([page.rows, page.older, page.newer]).toEqual([[], null, oldest]);
  });
});

test("each goes along an index, whatever it is asked for", async () => {
  const asked: string[] = [];
  const db = {
    read: database.db.read,
    query: (sql: string, params: readonly (string | number)[] = []) => {
      asked.push(sql);
      return database.db.query(sql, params as string[]);
    },
  };
  const one = "a".repeat(64);
  const cases: [JobFilter, RegExp][] = [
    [{}, /sqlite_autoindex_jobs_1/],
    [{ model: "m", kind: "chat" }, /sqlite_autoindex_jobs_1/],
    [{ accountId: "local" }, /jobs_account \(account_id=\?/],
    [{ accountId: "local", node: one, model: "m", states: ["completed"] }, /jobs_account \(account_id=\?/],
    [{ accountId: "local", states: ["running"] }, /jobs_live/],
    [{ node: one, states: ["failed"] }, /jobs_node \(node_pubkey=\?/],
    [{ states: ["failed"] }, /jobs_failed/],
    [{ states: ["queued", "running"] }, /jobs_live/],
  ];
  for (const [filter, index] of cases) {
    for (const cursor of [{}, { before: "1" }, { after: "1" }] as JobCursor[]) {
      asked.length = 0;
      await listJobs(db as never, { ...filter, sinceMs: 5 }, { limit: 5, window: 10, ...cursor });
      await listJobs(db as never, filter, { limit: 5, window: 10, ...cursor });
      for (const sql of asked) {
        const plan = (await database.db.query(`explain query plan ${sql.replaceAll("?", "'x'")}`)).map((row) => row[3]);
        expect([filter, plan.join("; ")]).toEqual([filter, expect.stringMatching(index)]);
        expect(plan.join("; ")).toMatch(/^(SEARCH|SCAN) jobs USING (COVERING )?INDEX/);
        // Only those that want something still, which are few, are put in order.
        if (!index.source.includes("live")) expect(plan.join("; ")).not.toContain("TEMP B-TREE");
      }
    }
  }
});

test("what is newer is told in the order in which it came", async () => {
  const [newest, second] = all.map(({ id }) => id);
  expect(await jobsAfter(database.db, null, all[2]?.id ?? "", 10)).toEqual([second ?? "", newest ?? ""]);
  expect(await jobsAfter(database.db, "other", newest ?? "", 10)).toEqual([]);
});
