// The look at the books that a running instance takes: one for all who ask.
import { expect, test } from "bun:test";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { ledgerChecker } from "./ledger-check.ts";
import { booksOf } from "./testing/books.ts";

/** Resolves when none is under way. */
async function ended(checker: ReturnType<typeof ledgerChecker>) {
  while (checker.state().running !== null) await new Promise<void>((resolve) => setImmediate(resolve));
  return checker.state();
}

test("who asks while one is under way shares it; the result is kept until the next one", async () => {
  await using database = await testDatabase();
  const books = booksOf(database.db);
  await books.account("anna");
  await books.grant("anna", 5_000n);
  const clock = manualClock();
  let looks = 0;
  const { db } = database;
  const snapshot: typeof db.snapshot = (act) => {
    looks++;
    return db.snapshot(act);
  };
  const checker = ledgerChecker({ db: { snapshot }, clock });
  expect(checker.state()).toEqual({ running: null, last: null, failed: null });
  const first = checker.begin();
  expect(first.running).toMatchObject({ started_ms: clock.nowMs() });
  expect(checker.begin().running?.started_ms).toBe(first.running?.started_ms ?? -1);
  const { last } = await ended(checker);
  expect(looks).toBe(1);
  expect(last?.clean).toBe(true);
  expect(last?.checks.length).toBe(20);
  checker.begin();
  expect(checker.state().last).toEqual(last);
  await ended(checker);
  expect(looks).toBe(2);
});

test("one that comes to no end says why, and the next may", async () => {
  await using database = await testDatabase();
  const { db } = database;
  let isThere = false;
  const snapshot: typeof db.snapshot = (act) => (isThere ? db.snapshot(act) : Promise.reject(new Error("disk full")));
  const checker = ledgerChecker({ db: { snapshot }, clock: manualClock() });
  checker.begin();
  expect(await ended(checker)).toEqual({ running: null, last: null, failed: "disk full" });
  isThere = true;
  checker.begin();
  expect((await ended(checker)).last?.clean).toBe(true);
});
