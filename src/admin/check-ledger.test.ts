import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { migrateDatabase } from "../db/migrate.ts";
import { openDatabase } from "../db/open.ts";
import { testDatabase } from "../db/test-database.ts";
import { sqldPath, testServer } from "../db/test-server.ts";
import { usagePage } from "../jobs/usage.ts";
import { statementPage } from "../ledger/statement.ts";
import { manualClock } from "../lib/clock.ts";
import { endPaid, persistAttempt } from "../settlement/moves.ts";
import { settleOutside } from "../settlement/outside.ts";
import { getPayout } from "../settlement/payouts.ts";
import { planPayouts } from "../settlement/plan.ts";
import { checkLedger } from "./check-ledger.ts";
import { booksOf, NOON_MS, testNode } from "./testing/books.ts";

const nowMs = NOON_MS + 3_600_000;
const [first, second] = [testNode(1), testNode(2)];
const folder = mkdtempSync(join(tmpdir(), "infernet-ledger-"));
const template = join(folder, "books.db");
const DAY = "key/key_a/2026-03-04";

/** Two accounts, two nodes, five receipts, a hold that is open and one against budgets. */
beforeAll(async () => {
  const database = await testDatabase();
  const { db } = database;
  const books = booksOf(db);
  await books.account("anna");
  await books.account("bert");
  await books.grant("anna", 1_000_000n);
  await books.grant("bert", 5_000n);
  const budgets = [
    { id: DAY, limit: 100_000n },
    { id: "key/key_a", limit: 200_000n },
  ];
  const begun = async (...args: Parameters<typeof books.begin>) => {
    const job = await books.begin(...args);
    if (job === null) throw new Error("not covered");
    return job;
  };
  await books.end(await begun("anna", 900n, { keyId: "key_a", budgets }), [
    { node: first.pubkey, gross: 400n },
    { node: second.pubkey, gross: 111n },
  ]);
  await books.end(await begun("anna", 900n), [{ node: first.pubkey, gross: 900n }]);
  await books.end(await begun("bert", 50n), [{ node: first.pubkey, gross: 0n }]);
  await books.cancel(await begun("bert", 4_000n));
  await begun("anna", 700n, { keyId: "key_a", budgets });
  await begun("bert", 70n, { owner: "coordinator" });
  await books.vouch(first);
  const deps = {
    db,
    clock: manualClock(),
    random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
    addressText: () => "",
  };
  await settleOutside({ ...deps, by: LOCAL_CALLER }, { id: "cash", node: first.pubkey, most: 400n, reason: "cash" });
  const plan = async () => {
    const rules = { minimum: 1n, maxTransfers: 9, maxReceipts: 99, treasury: true };
    const planned = await planPayouts(deps, rules, { node: second.pubkey, wallet: "w", state: "due" });
    const payout = planned.ok ? await getPayout(deps, planned.value[0]?.id ?? "") : undefined;
    if (payout === undefined) throw new Error("nothing planned");
    return payout;
  };
  const paid = await plan();
  const signed = { outcome: "signed", signature: "sig", wire: "", lastValidHeight: 9 } as const;
  await persistAttempt(deps, paid, signed);
  await endPaid(deps, paid, "sig");
  await books.end(await begun("anna", 300n), [{ node: second.pubkey, gross: 300n }]);
  await plan();
  await db.writer.exclusive((connection) => connection.script(`VACUUM INTO '${template}'`));
  await database[Symbol.asyncDispose]();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function booksWith(script: string) {
  const file = join(folder, `${crypto.randomUUID()}.db`);
  copyFileSync(template, file);
  const db = await openDatabase({ path: file });
  try {
    await db.writer.exclusive((connection) => connection.script(script));
    return await checkLedger(db, nowMs);
  } finally {
    await db.close();
  }
}

test("books that were only worked with are clean, and each check looked at something", async () => {
  const { clean, checks } = await booksWith("");
  expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
  expect(clean).toBe(true);
  expect(checks.filter(({ looked }) => looked === 0)).toEqual([]);
});

const UNGUARDED = `PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;
  DROP TRIGGER ledger_transactions_kept; DROP TRIGGER ledger_transactions_fixed; DROP TRIGGER ledger_entries_kept;
  DROP TRIGGER ledger_entries_fixed; DROP TRIGGER receipts_kept; DROP TRIGGER receipts_fixed;
  DROP TRIGGER audit_log_in_order; DROP TRIGGER audit_log_not_changed; DROP TRIGGER audit_log_not_deleted;`;
const [N1, N2] = [first.pubkey, second.pubkey];
const SETTLED = "(select transaction_id from receipts where node = 'N1' and seq = 1)".replace("N1", N1);

test.each([
  ["guards", "receipts_fixed", "SELECT 1"],
  [
    "entries sum",
    "sum to 5 µ$",
    `UPDATE ledger_entries SET amount = amount + 5 WHERE account = 'node/${N1}' AND transaction_id = ${SETTLED}`,
  ],
  ["entries sum", "has no entries", `DELETE FROM ledger_entries WHERE transaction_id = ${SETTLED}`],
  ["entries sum", "4 entries", `INSERT INTO ledger_entries VALUES ('account/bert', ${SETTLED}, 0)`],
  ["entry belongs", "for no transaction", "INSERT INTO ledger_entries VALUES ('account/anna', 999, 5)"],
  ["entry belongs", "not there", "INSERT INTO ledger_entries VALUES ('account/ghost', 1, 5)"],
  ["entry belongs", "moves nothing", "UPDATE ledger_entries SET amount = 0 WHERE account = 'account/bert'"],
  ["balance is", "account account/anna", "UPDATE ledger_accounts SET balance = balance + 1 WHERE id = 'account/anna'"],
  ["together", "sum to 1 µ$", "UPDATE ledger_accounts SET balance = balance + 1 WHERE id = 'platform/fees'"],
  ["below zero", "account/bert", "UPDATE ledger_accounts SET balance = -1, held = 0 WHERE id = 'account/bert'"],
  ["below zero", "account/bert", "UPDATE ledger_accounts SET held = 1000000 WHERE id = 'account/bert'"],
  ["below zero", "kind system", "UPDATE ledger_accounts SET kind = 'system' WHERE id = 'account/bert'"],
  ["sum of its holds", "too much", "UPDATE ledger_accounts SET held = held - 1 WHERE id = 'account/anna'"],
  ["sum of its holds", "too little", "DELETE FROM holds WHERE account = 'account/anna'"],
  ["sum of its holds", "not there", "UPDATE holds SET account = 'account/ghost' WHERE account = 'account/bert'"],
  [
    "under way",
    "is completed",
    "UPDATE jobs SET state = 'completed' WHERE id IN (SELECT job_id FROM holds WHERE owner IS NULL)",
  ],
  ["under way", "next start", "DELETE FROM jobs WHERE id IN (SELECT job_id FROM holds WHERE owner IS NOT NULL)"],
  ["follows the one before", "byte 81 follows 1", `DELETE FROM receipts WHERE node = '${N1}' AND seq = 2`],
  ["follows the one before", "follows 0", `DELETE FROM receipts WHERE node = '${N1}' AND seq = 1`],
  ["follows the one before", "signature", `UPDATE receipts SET signature = zeroblob(64) WHERE node = '${N2}'`],
  [
    "follows the one before",
    "signature",
    `UPDATE receipts SET bytes = cast(substr(bytes, 1, 386) || x'ff' as blob) WHERE node = '${N2}'`,
  ],
  ["follows the one before", "0 bytes", `UPDATE receipts SET bytes = 'text' WHERE node = '${N2}'`],
  ["follows the one before", "byte 89", `UPDATE receipts SET digest = zeroblob(32) WHERE node = '${N1}' AND seq = 1`],
  ["follows the one before", "kept as 401", `UPDATE receipts SET gross = 401 WHERE node = '${N1}' AND seq = 1`],
  ["follows the one before", "fee is kept", `UPDATE receipts SET fee = fee + 1 WHERE node = '${N1}' AND seq = 2`],
  ["follows the one before", "nothing was moved", `UPDATE receipts SET transaction_id = NULL WHERE node = '${N2}'`],
  ["follows the one before", "no settlement", `UPDATE receipts SET transaction_id = 1 WHERE node = '${N2}'`],
  ["follows the one before", "was for", `UPDATE ledger_transactions SET cause = 'x' WHERE id = ${SETTLED}`],
  [
    "follows the one before",
    "it says 400, 352 and 48",
    `UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'node/${N1}' AND transaction_id = ${SETTLED}`,
  ],
  ["follows the one before", "took 0 µ$", `UPDATE receipts SET account = 'account/bert' WHERE node = '${N2}'`],
  ["has its receipt", "cannot prove", `DELETE FROM receipts WHERE node = '${N2}'`],
  ["head says", "cut off", `DELETE FROM receipts WHERE node = '${N1}' AND seq = 3`],
  ["head says", "its head is nowhere", `DELETE FROM node_chains WHERE node = '${N2}'`],
  ["head says", "not the receipt", `UPDATE node_chains SET digest = zeroblob(32) WHERE node = '${N2}'`],
  ["head says", "signed for up to 9", `UPDATE node_chains SET countersigned_seq = 9 WHERE node = '${N1}'`],
  [
    "word for its receipts",
    "not that node's",
    `UPDATE node_chains SET countersigned_sig = zeroblob(64) WHERE node = '${N1}'`,
  ],
  ["word for its receipts", "receipt 2", `UPDATE node_chains SET countersigned_seq = 2 WHERE node = '${N1}'`],
  ["was charged", "512 µ$ were charged", "UPDATE jobs SET charged_micro_usd = 512 WHERE charged_micro_usd = 511"],
  ["was charged", "0 µ$ were charged", "UPDATE jobs SET charged_micro_usd = NULL WHERE charged_micro_usd = 900"],
  ["payout pays", "fee of 14", "UPDATE payouts SET fee = fee + 1 WHERE state = 'paid'"],
  [
    "payout pays",
    "pays 264",
    "UPDATE payout_legs SET node_amount = 1 WHERE payout_id IN (SELECT id FROM payouts WHERE state = 'due')",
  ],
  [
    "payout pays",
    "its 0 receipts",
    "UPDATE receipts SET payout_id = NULL WHERE payout_id IN (SELECT id FROM payouts WHERE state = 'paid')",
  ],
  ["payout pays", "another node's", "UPDATE payouts SET node = 'other' WHERE state = 'paid'"],
  ["one that is there", "ever pay it", `UPDATE receipts SET payout_id = 'ghost' WHERE node = '${N1}' AND seq = 2`],
  ["open payouts pay is held", "nothing is held", "DELETE FROM holds WHERE job_id LIKE 'payout/%'"],
  ["open payouts pay is held", "265 is held", "UPDATE holds SET amount = 265 WHERE job_id LIKE 'payout/%'"],
  ["open payouts pay is held", "is not open", "UPDATE payouts SET state = 'written_off' WHERE state = 'due'"],
  ["moved its money once", "took 0 from", "UPDATE ledger_transactions SET cause = 'x' WHERE cause LIKE 'payout/%'"],
  ["moved its money once", "(due)", "UPDATE payouts SET state = 'due' WHERE state = 'paid'"],
  ["settled outside", "the books moved 0", "UPDATE ledger_transactions SET cause = 'x' WHERE cause LIKE 'outside/%'"],
  ["settled outside", "say 0 µ$", "UPDATE receipts SET payout_id = NULL WHERE payout_id LIKE 'outside/%'"],
  ["budget counts", "1212 µ$ are counted", "UPDATE budgets SET used = used + 1 WHERE id = 'key/key_a'"],
  ["budget counts", "699 µ$ are counted", `UPDATE budgets SET used = 699 WHERE id = '${DAY}'`],
  ["budget counts", "not there", "DELETE FROM budgets WHERE id = 'key/key_a'"],
  ["audit log", "row 1", "UPDATE audit_log SET subject = 'x' WHERE seq = 1"],
])("%s: a fault shows (%s)", async (check, words, corruption) => {
  const { clean, checks } = await booksWith(`${UNGUARDED} ${corruption};`);
  expect(clean).toBe(false);
  const found = checks.find(({ name }) => name.includes(check));
  const told = (found?.faults ?? []).map(({ row, message }) => `${row}: ${message}`);
  expect(told.filter((text) => text.includes(words))).not.toEqual([]);
});

test("many faults are counted, and some named", async () => {
  const script = `${UNGUARDED} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
    INSERT INTO ledger_entries SELECT 'account/ghost' || i, 1, 5 FROM n;`;
  const { checks } = await booksWith(script);
  const found = checks.find(({ name }) => name.includes("entry belongs"));
  expect(found).toMatchObject({ more: 30 });
  expect(found?.faults).toHaveLength(20);
});

test("a chat's hold may be there before its record is", async () => {
  await using database = await testDatabase();
  const books = booksOf(database.db);
  await books.grant("local", 100n);
  await books.begin("local", 10n, { owner: "coordinator" });
  await database.db.writer.batch("DELETE FROM jobs", [[]]);
  expect((await checkLedger(database.db, NOON_MS + 1_000)).clean).toBe(true);
  expect((await checkLedger(database.db, nowMs)).clean).toBe(false);
});

test.skipIf(sqldPath === null)("books on a libSQL server are looked at in the same way", async () => {
  await using server = await testServer(sqldPath ?? "");
  const db = await openDatabase({ url: server.url });
  await migrateDatabase({ db, clock: manualClock() });
  const books = booksOf(db);
  await books.grant("local", 1_000n);
  await books.end((await books.begin("local", 500n)) ?? "", [{ node: first.pubkey, gross: 400n }]);
  await books.begin("local", 100n, { budgets: [{ id: "key/k", limit: 900n }], keyId: "k" });
  await books.vouch(first);
  const { checks } = await checkLedger(db, nowMs);
  expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
  expect(await statementPage(db, "account/local", { fromMs: 0, toMs: nowMs }, null)).toMatchObject({ closing: 600n });
  const usage = await usagePage(db, { period: { fromMs: NOON_MS, toMs: nowMs }, by: ["day", "key", "model"] }, null);
  expect(usage.rows).toMatchObject([{ day: "2026-03-04", model: "tiny", requests: 1, charged_micro_usd: 400 }]);
  await db.close();
});

type Step =
  | { do: "grant"; account: string; amount: number }
  | { do: "begin"; account: string; amount: number; limit: number | null }
  | { do: "end"; job: number; parts: { node: number; share: number }[] }
  | { do: "cancel"; job: number };

const account = fc.constantFrom("anna", "bert");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("grant" as const), account, amount: fc.integer({ min: -300, max: 500 }) }),
  fc.record({
    do: fc.constant("begin" as const),
    account,
    amount: fc.nat(400),
    limit: fc.option(fc.integer({ min: 100, max: 900 })),
  }),
  fc.record({
    do: fc.constant("end" as const),
    job: fc.nat(9),
    parts: fc.array(fc.record({ node: fc.nat(2), share: fc.nat(50) }), { maxLength: 3 }),
  }),
  fc.record({ do: fc.constant("cancel" as const), job: fc.nat(9) }),
);

test("whatever is granted, held, settled and released in whatever order, the books are clean", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const books = booksOf(db);
  for (const id of ["anna", "bert"]) await books.account(id);
  const nodes = [testNode(1), testNode(2), testNode(3)].map(({ pubkey }) => pubkey);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const open: { job: string; amount: number }[] = [];
      for (const one of steps) {
        if (one.do === "grant") await books.grant(one.account, BigInt(one.amount));
        else if (one.do === "begin") {
          const budgets = one.limit === null ? [] : [{ id: "key/k", limit: BigInt(one.limit) }];
          const job = await books.begin(one.account, BigInt(one.amount), {
            keyId: one.limit === null ? null : "k",
            budgets,
          });
          if (job !== null) open.push({ job, amount: one.amount });
        } else {
          const [taken] = open.splice(one.job, 1);
          if (taken === undefined) continue;
          if (one.do === "cancel") await books.cancel(taken.job);
          else {
            const each = Math.floor(taken.amount / Math.max(1, one.parts.length));
            const parts = one.parts.map(({ node, share }) => ({
              node: nodes[node] ?? "",
              gross: BigInt(Math.floor((each * share) / 50)),
            }));
            await books.end(taken.job, parts);
          }
        }
      }
      const { checks } = await checkLedger(db, nowMs);
      expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
      for (const { job } of open) await books.cancel(job);
    }),
    { numRuns: 30 },
  );
});
