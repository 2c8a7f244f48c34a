import { expect, test } from "bun:test";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { adjustLedger } from "../accounts/credits.ts";
import { booksOf, NOON_MS, testNode } from "../admin/testing/books.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { settleOutside } from "../settlement/outside.ts";
import { moneyFlows } from "./flows.ts";
import { clientLedger } from "./ledger.ts";

const DAY_MS = 86_400_000;
const today = Math.floor(NOON_MS / DAY_MS);

test("what came in and went out is told by day and kind; what clients paid nodes is neither", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const node = testNode(1).pubkey;
  const [monday, tuesday] = [booksOf(db, NOON_MS - DAY_MS), booksOf(db)];
  await monday.account("anna");
  await monday.grant("anna", 1_000n);
  await monday.grant("anna", 500n);
  const job = (await tuesday.begin("anna", 400n)) ?? "";
  await tuesday.end(job, [{ node, gross: 300n }]);
  const deps = { db, clock: manualClock(NOON_MS), by: LOCAL_CALLER };
  await adjustLedger(deps, clientLedger("anna"), { id: "a", amount: -40n, reason: "too much" });
  await adjustLedger(deps, clientLedger("anna"), { id: "b", amount: 7n, reason: "too little" });
  await settleOutside(deps, { id: "c", node, reason: "transfer 1" });
  const flows = await moneyFlows(db, today - 1);
  expect(flows).toEqual([
    { day: today - 1, kind: "grant", outside: false, into: 1_500n, out: 0n },
    { day: today, kind: "adjustment", outside: false, into: 7n, out: 40n },
    { day: today, kind: "payout", outside: true, into: 0n, out: 264n },
  ]);
  expect((await moneyFlows(db, today)).map(({ day }) => day)).toEqual([today, today]);
  expect(await moneyFlows(db, today + 1)).toEqual([]);
});
