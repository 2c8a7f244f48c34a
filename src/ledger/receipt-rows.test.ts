import { afterAll, beforeAll, expect, test } from "bun:test";
import { booksOf, NOON_MS, testNode } from "../admin/testing/books.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { clientLedger } from "./ledger.ts";
import { accountReceiptRows, nodeReceiptRows } from "./receipt-rows.ts";

const DAY_MS = 86_400_000;
const DAYS = 9;
const [first, second] = [testNode(1), testNode(2)];
const ALL = { fromMs: null, toMs: null };
let database: TestDatabase;

/** Each day one job of two attempts, on two nodes. */
beforeAll(async () => {
  database = await testDatabase();
  const start = booksOf(database.db);
  await start.account("anna");
  await start.account("bert");
  await start.grant("anna", 1_000_000n);
  for (let day = 0; day < DAYS; day++) {
    const books = booksOf(database.db, NOON_MS + day * DAY_MS);
    const job = (await books.begin("anna", 1_000n)) ?? "";
    await books.end(job, [
      { node: first.pubkey, gross: BigInt(day) },
      { node: second.pubkey, gross: 100n },
    ]);
    if (day === 3) await books.vouch(first);
  }
});
afterAll(() => database[Symbol.asyncDispose]());

test("an account's come newest first, page by page, within days", async () => {
  const anna = clientLedger("anna");
  const whole = await accountReceiptRows(database.db, anna, { span: ALL, before: null, limit: 100 });
  expect(whole.length).toBe(2 * DAYS);
  expect(whole.map(({ attempt }) => attempt)).toEqual(
    whole
      .map(({ attempt }) => attempt)
      .toSorted()
      .toReversed(),
  );
  const page = await accountReceiptRows(database.db, anna, { span: ALL, before: whole[3]?.attempt ?? "", limit: 4 });
  expect(page).toEqual(whole.slice(4, 8));
  const span = { fromMs: NOON_MS + 2 * DAY_MS, toMs: NOON_MS + 4 * DAY_MS };
  const some = await accountReceiptRows(database.db, anna, { span, before: null, limit: 100 });
  expect(some.filter(({ node }) => node === first.pubkey).map(({ gross }) => gross)).toEqual([3, 2]);
  expect(await accountReceiptRows(database.db, clientLedger("bert"), { span: ALL, before: null, limit: 9 })).toEqual(
    [],
  );
});

test("a node's come by number, within days, and say how far it vouches", async () => {
  const list = (span: { fromMs: number | null; toMs: number | null }, below: number | null = null, limit = 100) =>
    nodeReceiptRows(database.db, first.pubkey, { span, below, limit });
  const whole = await list(ALL);
  expect(whole.map(({ seq, gross }) => [seq, gross])).toEqual(
    Array.from({ length: DAYS }, (_, i) => [DAYS - i, DAYS - i - 1]),
  );
  expect(whole.map(({ countersigned }) => countersigned)).toEqual(whole.map(({ seq }) => seq <= 4));
  expect(await list(ALL, 5, 2)).toEqual(whole.filter(({ seq }) => seq === 4 || seq === 3));
  for (let from = -1; from <= DAYS; from++) {
    for (let to = from; to <= DAYS + 1; to++) {
      const span = { fromMs: NOON_MS + from * DAY_MS, toMs: NOON_MS + to * DAY_MS };
      const within = whole.filter(({ finishedMs }) => finishedMs >= span.fromMs && finishedMs < span.toMs);
      expect(await list(span)).toEqual(within);
    }
  }
  expect(await nodeReceiptRows(database.db, testNode(9).pubkey, { span: ALL, below: null, limit: 9 })).toEqual([]);
});

test("lists are read by index", async () => {
  const plan = async (sql: string) =>
    (await database.db.query(`explain query plan ${sql}`)).map((row) => String(row.at(-1))).join("\n");
  const byAccount = await plan(
    "select 1 from receipts r where r.account = 'a' and r.attempt < 'b' order by r.attempt desc",
  );
  expect(byAccount).toContain("receipts_account (account=? AND attempt<?)");
  const byNode = await plan(
    "select 1 from receipts r where r.node = 'a' and r.seq >= 1 and r.seq < 9 order by r.seq desc",
  );
  expect(byNode).toContain("(node=? AND seq>? AND seq<?)");
  expect(byAccount + byNode).not.toMatch(/SCAN|TEMP B-TREE/);
});
