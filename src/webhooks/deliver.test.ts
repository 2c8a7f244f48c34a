// Deliver on a real database and a manual clock; only the receiver is scripted.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import fc from "fast-check";
import { accounts } from "../accounts/schema.ts";
import { storedSecrets } from "../accounts/stored-secrets.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { failInterruptedChats } from "../jobs/records.ts";
import { type JobRow, jobs, webhooks } from "../jobs/schema.ts";
import { NO_LOG, testSecrets } from "../jobs/testing/stage.ts";
import { addWebhook, sealAddress, webhookDue, webhookOf } from "../jobs/webhooks.ts";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type Deliveries, deliverWebhooks, MAX_TRIES, waitAfter } from "./deliver.ts";
import type { PostError } from "./post.ts";

const URL = "https://hooks.example/in";
type Posted = { url: string; headers: Record<string, string>; body: string; n: number };

let database: TestDatabase;
let clock: ManualClock;
let posted: Posted[];
let answer: (posted: Posted) => Result<void, PostError> | Promise<Result<void, PostError>>;
let deliveries: Deliveries[];
const refuse = (status: number) => () => err({ status, message: `the receiver answered ${status}` });

beforeEach(async () => {
  database = await testDatabase();
  clock = manualClock();
  posted = [];
  answer = () => ok(undefined);
  deliveries = [];
});
afterEach(async () => {
  for (const one of deliveries) await one.stop();
  await database[Symbol.asyncDispose]();
});

/** A coordinator's deliveries; a second one is another coordinator on the same database. */
function coordinator(): Deliveries {
  const { db } = database;
  const one = deliverWebhooks({
    db,
    secrets: testSecrets,
    clock,
    log: NO_LOG,
    random: () => 0.5,
    version: "test",
    keyOf: () => new Uint8Array(32),
    jobObject: async (accountId, id) => {
      const [row] = await db.read.select().from(jobs).where(eq(jobs.id, id));
      return row?.accountId === accountId ? { id, status: row.state } : null;
    },
    post: async (url, headers, body, n) => {
      const entry = { url, headers, body, n };
      posted.push(entry);
      return answer(entry);
    },
  });
  deliveries.push(one);
  return one;
}

/** Moves time on; what a look that was under way did not see, the next one does. */
async function later(one: Deliveries, ms: number): Promise<void> {
  clock.advance(ms);
  await one.look();
  await one.look();
}

async function job(over: Partial<JobRow> = {}, ended = true): Promise<string> {
  const id = Bun.randomUUIDv7();
  const nowMs = clock.nowMs();
  const state = ended ? "completed" : "running";
  await database.db.writer.transact(async (tx) => {
    await tx.insert(jobs).values({
      id,
      accountId: "local",
      kind: "async",
      model: "m",
      state,
      stream: false,
      createdMs: nowMs,
      webhook: URL,
      ...over,
    });
    await addWebhook(tx, id, sealAddress(testSecrets, id, URL));
    if (ended) await webhookDue(tx, id, nowMs);
  });
  return id;
}
const view = (id: string) => webhookOf({ db: database.db, secrets: testSecrets }, id, URL);

test("an address that was sealed under another master key is given up, and said so", async () => {
  const id = await job();
  const elsewhere = storedSecrets(new Uint8Array(32), (bytes) => new Uint8Array(bytes));
  const url = sealAddress(elsewhere, id, URL);
  await database.db.writer.transact((tx) => tx.update(webhooks).set({ url }).where(eq(webhooks.jobId, id)));
  await coordinator().look();
  expect(posted).toEqual([]);
  expect(await view(id)).toMatchObject({ status: "failed", error: expect.stringContaining("another master key") });
  expect(await webhookOf({ db: database.db, secrets: testSecrets }, id, url)).toMatchObject({ url: null });
});

test("an address from before they were sealed is told all the same", async () => {
  const id = await job();
  await database.db.writer.transact((tx) => tx.update(webhooks).set({ url: URL }).where(eq(webhooks.jobId, id)));
  await coordinator().look();
  expect(posted.map(({ url }) => url)).toEqual([URL]);
});

test("an ended job is told once, signed, under the job's id, and the row goes", async () => {
  const id = await job();
  const one = coordinator();
  await one.look();
  await one.look();
  expect(posted).toMatchObject([{ url: URL, n: 1, body: JSON.stringify({ id, status: "completed" }) }]);
  expect(posted[0]?.headers).toMatchObject({
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": `${Math.floor(clock.nowMs() / 1000)}`,
    "webhook-signature": expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
  });
  expect(await view(id)).toMatchObject({ status: "delivered" });
  expect(await database.db.read.select().from(webhooks)).toEqual([]);
});

test("a job that has not ended is not told", async () => {
  await job({}, false);
  await coordinator().look();
  expect(posted).toEqual([]);
});

test("a job that an earlier process left behind is told when it is found failed", async () => {
  const id = await job({}, false);
  await failInterruptedChats(database.db, clock.nowMs(), "me");
  await coordinator().look();
  expect(posted.map(({ body }) => JSON.parse(body))).toEqual([{ id, status: "failed" }]);
});

describe("a receiver that fails", () => {
  test("is tried again after ever longer waits, eight times within about a day, and then given up", async () => {
    answer = refuse(500);
    const id = await job();
    const one = coordinator();
    const startMs = clock.nowMs();
    await one.look();
    for (let n = 1; n < MAX_TRIES; n++) {
      expect(posted.length).toBe(n);
      const waitMs = waitAfter(n, 0.5) ?? 0;
      expect(await view(id)).toMatchObject({ status: "pending", tries: n, error: "the receiver answered 500" });
      await later(one, waitMs - 1);
      expect(posted.length).toBe(n);
      await later(one, 1);
    }
    expect(await view(id)).toMatchObject({ status: "failed", tries: MAX_TRIES, next_try_ms: null });
    const hours = (clock.nowMs() - startMs) / 3_600_000;
    expect([hours > 20, hours < 28]).toEqual([true, true]);
    await later(one, 3_600_000);
    expect(posted.length).toBe(MAX_TRIES);
    expect(new Set(posted.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([id]));
  });

  test("and then takes it has it", async () => {
    answer = ({ n }) => (n < 3 ? refuse(503)() : ok(undefined));
    const id = await job();
    const one = coordinator();
    await one.look();
    await later(one, 60_000);
    await later(one, 60_000);
    expect(posted.map(({ n }) => n)).toEqual([1, 2, 3]);
    expect(await view(id)).toMatchObject({ status: "delivered" });
  });

  test("with 410 wants to hear no more", async () => {
    answer = refuse(410);
    const id = await job();
    await coordinator().look();
    expect(await view(id)).toMatchObject({ status: "failed", tries: 1 });
  });

  test("the waits grow and differ by their jitter alone", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MAX_TRIES - 1 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (n, random) => {
          const [least, wait, most] = [waitAfter(n, 0), waitAfter(n, random), waitAfter(n, 0.999)] as [
            number,
            number,
            number,
          ];
          expect(least <= wait && wait <= most).toBe(true);
          if (n > 1) expect(least > (waitAfter(n - 1, 0.999) ?? 0)).toBe(true);
        },
      ),
    );
    expect(waitAfter(MAX_TRIES, 0)).toBeNull();
  });
});

describe("whatever happens in between", () => {
  test("of two coordinators on one database one makes the try", async () => {
    await job();
    const [one, two] = [coordinator(), coordinator()];
    await Promise.all([one.look(), two.look()]);
    expect(posted.length).toBe(1);
  });

  test("a process that dies between the try and its note is followed by one that tries again", async () => {
    const id = await job();
    answer = () => new Promise(() => undefined);
    void coordinator().look();
    while (posted.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    answer = () => ok(undefined);
    const next = coordinator();
    await next.look();
    expect(posted.length).toBe(1);
    await later(next, 30_000);
    expect(posted.map(({ n, headers }) => [n, headers["webhook-id"]])).toEqual([
      [1, id],
      [2, id],
    ]);
    expect(await view(id)).toMatchObject({ status: "delivered" });
    deliveries = [next];
  });

  test("a stop breaks off what is under way and counts it as neither told nor failed", async () => {
    const id = await job();
    const received = Promise.withResolvers<Result<void, PostError>>();
    answer = () => received.promise;
    const one = coordinator();
    void one.look();
    while (posted.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    const stopped = one.stop();
    received.resolve(err({ status: 0, message: "this instance stops" }));
    await stopped;
    expect(await view(id)).toMatchObject({ status: "pending", tries: 1, error: null });
  });
});

test("an account whose receiver is slow takes a share, and the others are told all the same", async () => {
  await database.db.writer.transact((tx) =>
    tx.insert(accounts).values({ id: "other", kind: "user", name: "other", createdMs: 0 }),
  );
  for (let i = 0; i < 100; i++) await job();
  clock.advance(1);
  const theirs = await job({ accountId: "other" });
  const held: ((result: Result<void, PostError>) => void)[] = [];
  answer = ({ headers }) =>
    headers["webhook-id"] === theirs ? ok(undefined) : new Promise((resolve) => held.push(resolve));
  const one = coordinator();
  const looking = one.look();
  while (posted.length < 9) await new Promise<void>((resolve) => setImmediate(resolve));
  expect([posted.length, held.length]).toEqual([9, 8]);
  for (const release of held) release(ok(undefined));
  await looking;
  expect((await database.db.read.select().from(webhooks)).length).toBe(92);
});
