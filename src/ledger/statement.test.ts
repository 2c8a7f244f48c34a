import { expect, test } from "bun:test";
import fc from "fast-check";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { adjustLedger, grantCredits } from "../accounts/credits.ts";
import { booksOf, testNode } from "../admin/testing/books.ts";
import type { Db } from "../db/open.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { clientLedger, nodeLedger } from "./ledger.ts";
import { type StatementRow, statementPage } from "./statement.ts";

const MARCH = { fromMs: Date.UTC(2026, 2, 1), toMs: Date.UTC(2026, 3, 1) };
const at = (day: number) => Date.UTC(2026, 2, day, 12);
const node = testNode(1).pubkey;

async function whole(db: Db, account: string, period: { fromMs: number; toMs: number }) {
  let page = await statementPage(db, account, period, null);
  const { opening } = page;
  const rows: StatementRow[] = [...page.rows];
  while (page.next) {
    page = await statementPage(db, account, period, page.next);
    rows.push(...page.rows);
  }
  return { opening, rows, closing: page.closing };
}

test("opening balance, each movement with its cause, reason and other side, closing balance", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const deps = (day: number) => ({ db, clock: manualClock(at(day)), by: LOCAL_CALLER });
  await booksOf(db).account("acme");
  const acme = clientLedger("acme");
  await grantCredits(deps(-3), "acme", { id: "feb", amount: 1_000n, reason: "February" });
  await grantCredits(deps(2), "acme", { id: "mar", amount: 500n, reason: "March" });
  const books = booksOf(db, at(3));
  const job = (await books.begin("acme", 300n)) ?? "";
  await books.end(job, [{ node, gross: 250n }]);
  await adjustLedger(deps(4), acme, { id: "oops", amount: -50n, reason: "a mistake" });
  await grantCredits(deps(40), "acme", { id: "apr", amount: 7n, reason: "April" });
  const { opening, rows, closing } = await whole(db, acme, MARCH);
  expect([opening, closing]).toEqual([1_000n, 1_200n]);
  expect(
    rows.map(({ kind, cause, reason, counterparts, model, amount, balance }) => [
      kind,
      cause,
      reason,
      counterparts,
      model,
      amount,
      balance,
    ]),
  ).toEqual([
    ["grant", "grant/mar", "March", ["platform/grants"], null, 500n, 1_500n],
    ["settlement", `${job}.1`, null, [`node/${node}`, "platform/fees"], "tiny", -250n, 1_250n],
    ["adjustment", "adjustment/oops", "a mistake", ["platform/adjustments"], null, -50n, 1_200n],
  ]);
  const earned = await whole(db, nodeLedger(node), MARCH);
  expect(earned.rows.map(({ amount, counterparts }) => [amount, counterparts])).toEqual([
    [220n, ["account/acme", "platform/fees"]],
  ]);
  const fees = await whole(db, "platform/fees", MARCH);
  expect(fees.rows.map(({ amount, counterparts }) => [amount, counterparts])).toEqual([
    [30n, [`node/${node}`, "account/acme"]],
  ]);
  expect(await whole(db, acme, { fromMs: at(50), toMs: at(60) })).toEqual({
    opening: 1_207n,
    rows: [],
    closing: 1_207n,
  });
  expect(await whole(db, "account/nobody", MARCH)).toEqual({ opening: 0n, rows: [], closing: 0n });
});

test("pages of a long statement agree, although more is booked while they are read", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const deps = { db, clock: manualClock(at(2)), by: LOCAL_CALLER };
  await booksOf(db).account("acme");
  const grant = (n: number) => grantCredits(deps, "acme", { id: `n${n}`, amount: BigInt(n + 1), reason: "r" });
  await Promise.all(Array.from({ length: 1_200 }, (_, n) => grant(n)));
  const first = await statementPage(db, clientLedger("acme"), MARCH, null);
  await grant(5_000);
  const second = first.next && (await statementPage(db, clientLedger("acme"), MARCH, first.next));
  const third = second?.next ? await statementPage(db, clientLedger("acme"), MARCH, second.next) : null;
  expect([first, second, third].map((page) => page?.rows.length)).toEqual([500, 500, 200]);
  expect(third).toMatchObject({ closing: 720_600n, next: null });
  expect(third?.opening).toBe(second?.closing);
});

test("whatever the period: the opening balance and the movements give the closing balance, and months join up", async () => {
  await using database = await testDatabase();
  const { db } = database;
  await booksOf(db).account("acme");
  const days = [3, 9, 3, 20, 1, 15, 28];
  for (const [n, day] of days.entries()) {
    const deps = { db, clock: manualClock(at(day)), by: LOCAL_CALLER };
    await grantCredits(deps, "acme", { id: `g${n}`, amount: BigInt(10 ** n), reason: "r" });
  }
  const day = fc.nat(31);
  await fc.assert(
    fc.asyncProperty(day, day, day, async (...cuts) => {
      const [a = 0, b = 0, c = 0] = cuts.sort((x, y) => x - y);
      const [one, two] = [
        await whole(db, "account/acme", { fromMs: at(a), toMs: at(b) }),
        await whole(db, "account/acme", { fromMs: at(b), toMs: at(c) }),
      ];
      for (const { opening, rows, closing } of [one, two]) {
        expect(opening + rows.reduce((sum, { amount }) => sum + amount, 0n)).toBe(closing);
        expect(rows.at(-1)?.balance ?? opening).toBe(closing);
      }
      expect(one.closing).toBe(two.opening);
    }),
    { numRuns: 25 },
  );
});
