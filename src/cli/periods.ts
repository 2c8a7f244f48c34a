// Periods: the flags that say which span of time is meant.
import { type Period, type PeriodText, parsePeriod } from "../lib/period.ts";
import { CliError, EXIT } from "./cli-error.ts";

export type PeriodFlags = { month?: string; from?: string; to?: string };

/** This month until now where nothing is said. */
export function periodOf(flags: PeriodText, nowMs: number): Period {
  const period = parsePeriod(flags, nowMs);
  if (period.ok) return period.value;
  throw new CliError(period.error, {
    exitCode: EXIT.usage,
    hint: "--month 2026-03, or --from 2026-03-01 --to 2026-03-31; days are UTC's",
  });
}
