import { expect, test } from "bun:test";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { checkLedger } from "../admin/check-ledger.ts";
import { booksOf, NOON_MS, testNode } from "../admin/testing/books.ts";
import { testDatabase } from "../db/test-database.ts";
import { balanceOf, nodeLedger } from "../ledger/ledger.ts";
import { manualClock } from "../lib/clock.ts";
import { settleOutside } from "./outside.ts";
import { planPayouts } from "./plan.ts";

const node = testNode(1).pubkey;

/** A node that earned 88, 176 and 264 µ$. */
async function instance() {
  const database = await testDatabase();
  const { db } = database;
  const books = booksOf(db);
  await books.grant("local", 10_000n);
  for (const gross of [100n, 200n, 300n]) {
    const job = await books.begin("local", gross);
    await books.end(job ?? "", [{ node, gross }]);
  }
  const deps = { db, clock: manualClock(), by: LOCAL_CALLER };
  return {
    db,
    books,
    settle: (id: string, most?: bigint) =>
      settleOutside(deps, { id, node, reason: "by bank", ...(most === undefined ? {} : { most }) }),
    plan: () => {
      const rules = { minimum: 1n, maxTransfers: 9, maxReceipts: 99, treasury: true };
      const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
      const planning = { ...deps, random, addressText: () => "" };
      return planPayouts(planning, rules, { node, wallet: "w", state: "due" });
    },
    balance: async () => (await balanceOf(db, nodeLedger(node))).balance,
    async [Symbol.asyncDispose]() {
      expect((await checkLedger(db, NOON_MS)).checks.flatMap(({ faults }) => faults)).toEqual([]);
      await database[Symbol.asyncDispose]();
    },
  };
}

test("all that is owed is settled, and no payout pays it again", async () => {
  await using on = await instance();
  expect(await on.settle("one")).toEqual({
    ok: true,
    value: { id: "one", amount: 528n, receipts: 3, repeated: false },
  });
  expect(await on.balance()).toBe(0n);
  expect(await on.plan()).toEqual({ ok: false, error: { code: "nothing_unpaid" } });
  expect(await on.settle("two")).toEqual({ ok: false, error: "nothing_owed" });
});

test("the oldest receipts are settled as far as the amount goes; the rest is paid on the chain", async () => {
  await using on = await instance();
  expect(await on.settle("one", 87n)).toEqual({ ok: false, error: "too_little" });
  expect(await on.settle("one", 300n)).toMatchObject({ ok: true, value: { amount: 264n, receipts: 2 } });
  expect(await on.plan()).toMatchObject({ ok: true, value: [{ nodeAmount: 264n, receipts: 1 }] });
  expect(await on.settle("two")).toEqual({ ok: false, error: "nothing_owed" });
});

test("the same id settles once", async () => {
  await using on = await instance();
  const all = await Promise.all([on.settle("one", 88n), on.settle("one", 88n), on.settle("one")]);
  expect(all.map((one) => one.ok && [one.value.amount, one.value.repeated])).toEqual([
    [88n, false],
    [88n, true],
    [88n, true],
  ]);
  expect(await on.balance()).toBe(440n);
});
