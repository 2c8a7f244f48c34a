import { expect, test } from "bun:test";
import fc from "fast-check";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { adjustLedger } from "../accounts/credits.ts";
import { booksOf, NOON_MS, testNode } from "../admin/testing/books.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { clientLedger, nodeLedger } from "./ledger.ts";
import { type MovementPage, movementCursorText, movementPage, readMovementCursor } from "./movements.ts";
import { statementPage } from "./statement.ts";

const DAY_MS = 86_400_000;
const node = testNode(1).pubkey;

test("newest first, up and down the pages, it says what the statement says, whatever the period", async () => {
  await using database = await testDatabase();
  const { db } = database;
  await booksOf(db).account("acme");
  const acme = clientLedger("acme");
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ day: fc.integer({ min: 0, max: 9 }), up: fc.boolean(), amount: fc.integer({ min: 1, max: 99 }) }),
      ),
      fc.option(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 12 }))),
      fc.integer({ min: 1, max: 7 }),
      async (moves, span, limit) => {
        for (const { day, up, amount } of moves) {
          const deps = { db, clock: manualClock(NOON_MS + day * DAY_MS), by: LOCAL_CALLER };
          // What is not covered moves nothing.
          await adjustLedger(deps, acme, { id: `m${n++}`, amount: BigInt(up ? amount : -amount), reason: "x" });
        }
        const period = span && { fromMs: NOON_MS + span[0] * DAY_MS, toMs: NOON_MS + (span[0] + span[1]) * DAY_MS };
        const all = period ?? { fromMs: 0, toMs: NOON_MS * 2 };
        const { rows } = await statementPage(db, acme, all, null);
        const query = { account: acme, period, limit };
        const pages: MovementPage[] = [await movementPage(db, query, null)];
        for (let older = pages[0]?.older ?? null; older !== null; older = pages.at(-1)?.older ?? null)
          pages.push(await movementPage(db, query, readMovementCursor(movementCursorText(older))));
        expect(pages.flatMap((page) => page.rows)).toEqual(rows.toReversed());
        expect(pages[0]?.newer).toBeNull();
        for (const [i, page] of pages.entries()) {
          if (page.newer === null || i === 0) continue;
          const back = await movementPage(db, query, page.newer);
          expect(back.rows).toEqual(pages[i - 1]?.rows ?? []);
          expect(back.newer === null).toBe(i === 1);
        }
      },
    ),
    { numRuns: 25 },
  );
});

test("a settlement names its node to the client, and the client's account to the node", async () => {
  await using database = await testDatabase();
  const books = booksOf(database.db);
  await books.account("acme");
  await books.grant("acme", 500n);
  const job = (await books.begin("acme", 300n)) ?? "";
  await books.end(job, [{ node, gross: 250n }]);
  const query = { period: null, limit: 10 };
  const spent = await movementPage(database.db, { ...query, account: clientLedger("acme") }, null);
  expect(spent.rows[0]).toMatchObject({
    kind: "settlement",
    cause: `${job}.1`,
    amount: -250n,
    balance: 250n,
    model: "tiny",
  });
  expect(spent.rows[0]?.counterparts).toEqual([`node/${node}`, "platform/fees"]);
  const earned = await movementPage(database.db, { ...query, account: nodeLedger(node) }, null);
  expect(earned.rows).toMatchObject([{ amount: 220n, balance: 220n, counterparts: ["account/acme", "platform/fees"] }]);
});

test("a cursor that no page gave is none", () => {
  for (const text of ["", "older", "older:1", "older:1:x", "sideways:1:2", "older:1:2:3", "older:-1:2"])
    expect(readMovementCursor(text)).toBeNull();
});
