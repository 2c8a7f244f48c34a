// Check of the ledger: proves on a live database that no money was made or lost, and that what tells of it holds.
import { verifyAudit } from "../accounts/audit-check.ts";
import { drizzleOver } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { LedgerCheck, LedgerLook } from "../ledger/check.ts";
import { bookLooks } from "../ledger/check-books.ts";
import { receiptLooks } from "../ledger/check-receipts.ts";
import { payoutLooks } from "../settlement/check-payouts.ts";
import { jobLooks } from "./check-jobs.ts";

export type CheckedLedger = {
  /** Nothing is wrong. */
  clean: boolean;
  checks: LedgerCheck[];
};
/** How many of the checks are done. */
export type TellProgress = (done: number, of: number) => void;

/**
 * Looks at everything on one snapshot, while others go on writing. `nowMs` tells what is too new to be complete; `tell`
 * is called before the first check and after each.
 */
export async function checkLedger(
  db: Pick<Db, "snapshot">,
  nowMs: number = Date.now(),
  tell: TellProgress = () => undefined,
): Promise<CheckedLedger> {
  const looks = [...bookLooks(), ...receiptLooks(), ...payoutLooks(), ...jobLooks(), checkAudit];
  const checks = await db.snapshot(async (execute) => {
    const done: LedgerCheck[] = [];
    for (const look of looks) {
      tell(done.length, looks.length);
      done.push(await look(execute, nowMs));
    }
    tell(done.length, looks.length);
    return done;
  });
  return { clean: checks.every(({ faults }) => faults.length === 0), checks };
}

const checkAudit: LedgerLook = async (execute) => {
  const { entries, broken } = await verifyAudit({ read: drizzleOver(execute) });
  const faults = broken === null ? [] : [{ row: `audit log, row ${broken.seq}`, message: broken.message }];
  return { name: "the audit log holds, row after row", looked: entries, faults, more: 0 };
};
