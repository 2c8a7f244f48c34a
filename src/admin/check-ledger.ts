// Check of the ledger: proves on a live database that no money was made or lost, and that what tells of it holds.
import { verifyAudit } from "../accounts/audit-check.ts";
import { drizzleOver } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { LedgerCheck } from "../ledger/check.ts";
import { checkBooks } from "../ledger/check-books.ts";
import { checkReceipts } from "../ledger/check-receipts.ts";
import { checkPayouts } from "../settlement/check-payouts.ts";
import { checkJobs } from "./check-jobs.ts";

export type CheckedLedger = {
  /** Nothing is wrong. */
  clean: boolean;
  checks: LedgerCheck[];
};

/** Looks at everything on one snapshot, while others go on writing. `nowMs` tells what is too new to be complete. */
export async function checkLedger(db: Pick<Db, "snapshot">, nowMs: number = Date.now()): Promise<CheckedLedger> {
  const checks = await db.snapshot(async (execute) => [
    ...(await checkBooks(execute)),
    ...(await checkReceipts(execute)),
    ...(await checkPayouts(execute)),
    ...(await checkJobs(execute, nowMs)),
    await checkAudit({ read: drizzleOver(execute) }),
  ]);
  return { clean: checks.every(({ faults }) => faults.length === 0), checks };
}

async function checkAudit(db: Pick<Db, "read">): Promise<LedgerCheck> {
  const { entries, broken } = await verifyAudit(db);
  const faults = broken === null ? [] : [{ row: `audit log, row ${broken.seq}`, message: broken.message }];
  return { name: "the audit log holds, row after row", looked: entries, faults, more: 0 };
}
