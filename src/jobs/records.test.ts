import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import type { SqlValue } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import type { JobId } from "../protocol/primitives.ts";
import { type Job, newJob } from "./job.ts";
import { jobRecords } from "./records.ts";
import { jobs as jobRows } from "./schema.ts";
import { NO_EXTRA, NO_LOG, recorder, spec, testSecrets } from "./testing/stage.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

function made({ broken = () => false }: { broken?: () => boolean } = {}) {
  const clock = manualClock();
  /** Ids of each write, in groups as they were written. */
  const writes: SqlValue[][] = [];
  const { writer } = database.db;
  const db: Db = {
    ...database.db,
    writer: {
      ...writer,
      async transact(op, options) {
        if (broken()) throw new Error("disk full");
        const ids: SqlValue[] = [];
        const isId = (value: SqlValue) => known.has(value);
        const done = await writer.transact(
          (tx, execute, many) =>
            op(tx, execute, (sql, rows) => {
              ids.push(...rows.flat().filter(isId));
              return many(sql, rows);
            }),
          options,
        );
        writes.push(ids);
        return done;
      },
    },
  };
  const records = jobRecords({
    db,
    secrets: testSecrets,
    clock,
    log: NO_LOG,
    answerOf: () => "{}",
    retainContentMs: 0,
    till: null,
    owner: null,
  });
  return { clock, records, writes };
}
const known = new Set<SqlValue>();
function job(over: Partial<Job> = {}): Job {
  const one = { ...newJob(Bun.randomUUIDv7() as JobId, spec(), recorder(), 1), ...over };
  known.add(one.id);
  return one;
}
const rowOf = async ({ id }: Job) => (await database.db.read.select().from(jobRows).where(eq(jobRows.id, id)))[0];

test("a chat that was short is written once, with its end", async () => {
  const { records, writes } = made();
  const short = job();
  records.touch(short);
  Object.assign(short, { state: "completed", endedMs: 7, usage: { prompt_tokens: 1, completion_tokens: 2 } });
  records.touch(short);
  await records.flush();
  expect(writes).toEqual([[short.id]]);
  expect(await rowOf(short)).toMatchObject({ state: "completed", endedMs: 7, completionTokens: 2 });
});

test("what was noted is written by itself, a moment later", async () => {
  const { records, clock, writes } = made();
  const [one, two] = [job(), job()];
  records.touch(one);
  records.touch(two);
  clock.advance(1_000);
  await records.close();
  expect(writes).toEqual([[one.id, two.id]]);
});

test("an end that is written stays: nothing older comes over it", async () => {
  const { records } = made();
  const ended = job({ state: "completed", endedMs: 7 });
  records.touch(ended);
  await records.flush();
  records.touch({ ...ended, state: "running", endedMs: null });
  await records.flush();
  expect(await rowOf(ended)).toMatchObject({ state: "completed", endedMs: 7 });
});

test("what the database did not take is written when it takes it again, as it is by then", async () => {
  let broken = true;
  const { records, clock } = made({ broken: () => broken });
  const first = job();
  records.touch(first);
  await records.flush();
  expect(await rowOf(first)).toBeUndefined();
  broken = false;
  first.state = "running";
  const second = job();
  records.touch(second);
  clock.advance(1_000);
  await records.close();
  expect([(await rowOf(first))?.state, (await rowOf(second))?.state]).toEqual(["running", "queued"]);
});

test("many are written in groups, none left out", async () => {
  const { records, writes } = made();
  const many = Array.from({ length: 300 }, () => job({ model: "many" }));
  for (const one of many) records.touch(one);
  await records.flush();
  expect(writes.flat()).toEqual(many.map(({ id }) => id));
  expect(writes.length).toBeGreaterThan(1);
  expect(await database.db.read.$count(jobRows, eq(jobRows.model, "many"))).toBe(300);
});

test("a lease is won once for each attempt, and never after the end", async () => {
  const { records } = made();
  const leased = job({ kind: "async" });
  await records.create(leased, NO_EXTRA);
  leased.attempt = 1;
  expect(await records.lease(leased)).toBe(true);
  expect(await records.lease(leased)).toBe(false);
  leased.attempt = 2;
  const [won, lost] = await Promise.all([records.lease(leased), records.lease({ ...leased })]);
  expect([won, lost]).toEqual([true, false]);
  expect(await records.end({ ...leased, endedMs: 9 }, { state: "completed", shares: [] })).toBe(true);
  expect(await records.end({ ...leased, endedMs: 10 }, { state: "failed", shares: [] })).toBe(false);
  leased.attempt = 3;
  expect(await records.lease(leased)).toBe(false);
  expect(await rowOf(leased)).toMatchObject({ state: "completed", attempt: 2, endedMs: 9 });
});

test("a lease that waits for its turn is for the attempt it was asked for, not for the next one", async () => {
  const { records } = made();
  const late = job({ kind: "async" });
  await records.create(late, NO_EXTRA);
  late.attempt = 1;
  const first = records.lease(late);
  late.attempt = 2;
  const second = records.lease(late);
  expect([await first, await second]).toEqual([true, true]);
});
