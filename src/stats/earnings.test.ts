import { expect, test } from "bun:test";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { booksOf, NOON_MS, testNode } from "../admin/testing/books.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { nodes } from "../registry/schema.ts";
import { settleOutside } from "../settlement/outside.ts";
import { accountEarnings } from "./earnings.ts";

const DAY_MS = 86_400_000;
const today = Math.floor(NOON_MS / DAY_MS);

test("an account's nodes are added up by day and in all, and nobody else's", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const [mine, idle, other] = [testNode(1).pubkey, testNode(2).pubkey, testNode(3).pubkey];
  const start = booksOf(db);
  for (const account of ["anna", "bert", "client"]) await start.account(account);
  await start.grant("client", 1_000_000n);
  const row = { role: "provider", status: "approved", specs: {}, slots: 1, firstSeenMs: 0, authV2Seen: true } as const;
  await db.writer.transact((tx) =>
    tx.insert(nodes).values([
      { ...row, pubkey: mine, name: "dune", accountId: "anna" },
      { ...row, pubkey: idle, name: "mesa", accountId: "anna" },
      { ...row, pubkey: other, name: "fjord", accountId: "bert" },
    ]),
  );
  for (const [daysAgo, gross] of [
    [40, 1_000n],
    [2, 200n],
    [0, 100n],
    [0, 50n],
  ] as const) {
    const books = booksOf(db, NOON_MS - daysAgo * DAY_MS);
    await books.end((await books.begin("client", 2_000n)) ?? "", [
      { node: mine, gross },
      { node: other, gross: 900n },
    ]);
  }
  const deps = { db, clock: manualClock(NOON_MS), by: LOCAL_CALLER };
  await settleOutside(deps, { id: "t", node: mine, most: 900n, reason: "transfer" });
  const found = await accountEarnings(db, "anna", { today, days: 30 });
  // The fee is 12 %, rounded down.
  expect(found.nodes).toBe(2);
  expect(found.days.length).toBe(30);
  expect(found.days.filter(({ receipts }) => receipts > 0)).toEqual([
    { day: today - 2, earned: 176n, receipts: 1 },
    { day: today, earned: 132n, receipts: 2 },
  ]);
  expect(found.total).toEqual({ unpaid: 308n, inPayout: 0n, paid: 0n, outside: 880n });
  expect(found.each).toMatchObject([
    { pubkey: mine, name: "dune", today: 132n, earned: 308n, receipts: 3, unpaid: 308n, outside: 880n },
    { pubkey: idle, name: "mesa", today: 0n, earned: 0n, receipts: 0, unpaid: 0n, paid: 0n, outside: 0n },
  ]);
  expect((await accountEarnings(db, "nobody", { today, days: 14 })).nodes).toBe(0);
});
