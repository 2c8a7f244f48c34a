// infernet doctor --ledger: proves on a live database that no money was made or lost. Changes nothing.
import type { LedgerCheck } from "../../ledger/check.ts";
import { bad, type Check, good } from "../checks/check.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { readDatabase } from "../read-database.ts";
import { printCheck } from "./doctor.ts";

/** Exits with 1 where something is wrong. Works while an instance runs, and while none does. */
export async function doctorLedger(
  context: Context,
  options: GlobalOptions,
  flags: { json?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { clean, checks } = await readDatabase(config, async (db) => {
    const { checkLedger } = await import("../../admin/check-ledger.ts");
    return await checkLedger(db, context.nowMs());
  });
  if (flags.json) printJson(context, { good: clean, checks });
  else for (const check of checks.flatMap(lines)) printCheck(context, check);
  return clean ? EXIT.good : EXIT.failed;
}

const MEND = "stop the instance, keep a copy of the database, and compare it with the last good backup";

function lines({ name, looked, faults, more }: LedgerCheck): Check[] {
  if (faults.length === 0) return [good(name, `${looked} looked at`)];
  const told = faults.map(({ row, message }) => bad(name, `${row}: ${message}`, MEND));
  return more === 0 ? told : [...told, bad(name, `and ${more} more`, MEND)];
}
