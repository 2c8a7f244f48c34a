// infernet doctor --ledger: proves on a live database that no money was made or lost. Changes nothing.
import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "../../admin/operations.ts";
import type { Config } from "../../config.ts";
import type { LedgerCheck } from "../../ledger/check.ts";
import { bad, type Check, good } from "../checks/check.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { answerOrThrow, reachAdmin } from "../instance.ts";
import { readDatabase } from "../read-database.ts";
import { printCheck } from "./doctor.ts";

type Found = { clean: boolean; checks: LedgerCheck[] };

/** Exits with 1 where something is wrong. A running instance looks itself; where none runs, the database is opened. */
export async function doctorLedger(
  context: Context,
  options: GlobalOptions,
  flags: { json?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const admin = config.mode === "node" ? null : reachAdmin(context, config);
  const { clean, checks } = await (admin ? asked(admin) : opened(context, config));
  if (flags.json) printJson(context, { good: clean, checks });
  else for (const check of checks.flatMap(lines)) printCheck(context, check);
  return clean ? EXIT.good : EXIT.failed;
}

const opened = (context: Context, config: Config): Promise<Found> =>
  readDatabase(config, async (db) => {
    const { checkLedger } = await import("../../admin/check-ledger.ts");
    return await checkLedger(db, context.nowMs());
  });

/** Between two questions how far it is. */
const PAUSE_MS = 200;

async function asked(admin: Admin): Promise<Found> {
  let state = answerOrThrow(await admin.checkLedger({}));
  while (state.running !== null) {
    await sleep(PAUSE_MS);
    state = answerOrThrow(await admin.ledgerCheck({}));
  }
  if (state.failed === null && state.last !== null) return state.last;
  throw new CliError(`the books could not be looked at: ${state.failed ?? "the instance was started anew meanwhile"}`);
}

const MEND = "stop the instance, keep a copy of the database, and compare it with the last good backup";

function lines({ name, looked, faults, more }: LedgerCheck): Check[] {
  if (faults.length === 0) return [good(name, `${looked} looked at`)];
  const told = faults.map(({ row, message }) => bad(name, `${row}: ${message}`, MEND));
  return more === 0 ? told : [...told, bad(name, `and ${more} more`, MEND)];
}
