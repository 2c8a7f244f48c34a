import { expect, test } from "bun:test";
import { checkLedger } from "../admin/check-ledger.ts";
import { booksOf, NOON_MS, testNode } from "../admin/testing/books.ts";
import { testDatabase } from "../db/test-database.ts";
import { balanceOf, clientLedger, nodeLedger } from "../ledger/ledger.ts";
import { manualClock } from "../lib/clock.ts";
import { listAudit } from "./audit-list.ts";
import type { Caller } from "./caller.ts";
import { adjustLedger, grantCredits } from "./credits.ts";

const ANNA: Caller = { actor: "user/anna", from: "192.0.2.7" };

async function instance() {
  const database = await testDatabase();
  const { db } = database;
  const books = booksOf(db);
  await books.account("acme");
  const deps = { db, clock: manualClock(), by: ANNA };
  return {
    db,
    books,
    deps,
    acme: () => balanceOf(db, clientLedger("acme")),
    async [Symbol.asyncDispose]() {
      expect((await checkLedger(db, NOON_MS)).checks.flatMap(({ faults }) => faults)).toEqual([]);
      await database[Symbol.asyncDispose]();
    },
  };
}

test("a grant is there at once, and the audit log says who gave it and why", async () => {
  await using on = await instance();
  const granted = await grantCredits(on.deps, "acme", { id: "g1", amount: 25_000_000n, reason: "first month" });
  expect(granted).toMatchObject({ ok: true, value: { balance: 25_000_000n, held: 0n, repeated: false } });
  const [entry] = await listAudit(on, 1);
  expect(entry).toMatchObject({ actor: "user/anna", action: "credits.granted", subject: "account/acme" });
  expect(JSON.parse(entry?.before ?? "")).toEqual({ balance_micro_usd: 0 });
  expect(JSON.parse(entry?.after ?? "")).toEqual({
    balance_micro_usd: 25_000_000,
    amount_micro_usd: 25_000_000,
    id: "g1",
    reason: "first month",
  });
});

test("the same id grants once, however often and however many at a time", async () => {
  await using on = await instance();
  const grant = (amount: bigint) => grantCredits(on.deps, "acme", { id: "again", amount, reason: "r" });
  const all = await Promise.all(Array.from({ length: 20 }, () => grant(100n)));
  expect(all.filter(({ ok }) => ok)).toHaveLength(20);
  expect(all.filter((one) => one.ok && !one.value.repeated)).toHaveLength(1);
  expect((await on.acme()).balance).toBe(100n);
  expect(await listAudit(on, 10)).toHaveLength(1);
  expect(await grant(101n)).toEqual({ ok: false, error: "id_used" });
  await on.books.account("other");
  const other = await grantCredits(on.deps, "other", { id: "again", amount: 100n, reason: "r" });
  expect(other).toEqual({ ok: false, error: "id_used" });
});

test("an adjustment takes what is free, and never what is held", async () => {
  await using on = await instance();
  await grantCredits(on.deps, "acme", { id: "g", amount: 100n, reason: "r" });
  await on.books.begin("acme", 60n);
  const take = (id: string, amount: bigint) =>
    adjustLedger(on.deps, clientLedger("acme"), { id, amount: -amount, reason: "too much" });
  expect(await take("a", 41n)).toEqual({ ok: false, error: "not_covered" });
  expect(await take("b", 40n)).toMatchObject({ ok: true, value: { balance: 60n, held: 60n } });
  expect(await take("b", 40n)).toMatchObject({ ok: true, value: { balance: 60n, repeated: true } });
  expect(await take("c", 1n)).toEqual({ ok: false, error: "not_covered" });
  expect((await listAudit(on, 10)).map(({ action }) => action)).toEqual(["credits.adjusted", "credits.granted"]);
});

test("what a node earned can be corrected, too", async () => {
  await using on = await instance();
  const { pubkey } = testNode(1);
  const adjust = (id: string, amount: bigint) =>
    adjustLedger(on.deps, nodeLedger(pubkey), { id, amount, reason: "outage of ours" });
  expect(await adjust("a", 5n)).toMatchObject({ ok: true, value: { balance: 5n } });
  expect(await adjust("b", -6n)).toEqual({ ok: false, error: "not_covered" });
});

test("credits do not go to an account whose money comes from the chain", async () => {
  await using on = await instance();
  await grantCredits(on.deps, "acme", { id: "g", amount: 100n, reason: "r" });
  await on.db.writer.batch("UPDATE ledger_accounts SET funding = ? WHERE id = 'account/acme'", [["allowance"]]);
  const refused = { ok: false, error: "other_funding" } as const;
  expect(await grantCredits(on.deps, "acme", { id: "h", amount: 1n, reason: "r" })).toEqual(refused);
  expect(await adjustLedger(on.deps, clientLedger("acme"), { id: "h", amount: -1n, reason: "r" })).toEqual(refused);
  expect((await on.acme()).balance).toBe(100n);
});
