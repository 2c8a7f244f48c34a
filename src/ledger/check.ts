// Check: what a look at the books finds, in one shape for all of them.
import type { Execute, SqlRow } from "../db/executor.ts";

/** A row that is not as it must be. */
export type LedgerFault = {
  /** Which row: its table's word and its key. */
  row: string;
  /** What is wrong, and what that means. */
  message: string;
};
export type LedgerCheck = {
  /** What must hold, in a few words. */
  name: string;
  /** How many rows were looked at. */
  looked: number;
  /** At most `MAX_FAULTS`. */
  faults: LedgerFault[];
  /** How many there are beside those. */
  more: number;
};

/** One look at a snapshot. `nowMs` tells what is too new to be complete. */
export type LedgerLook = (execute: Execute, nowMs: number) => Promise<LedgerCheck>;

/** Faults of one check that are named one by one. */
export const MAX_FAULTS = 20;

/** Collects what a check finds. */
export function findings(name: string) {
  const check: LedgerCheck = { name, looked: 0, faults: [], more: 0 };
  return {
    check,
    looked(rows: number): void {
      check.looked += rows;
    },
    fault(row: string, message: string): void {
      if (check.faults.length < MAX_FAULTS) check.faults.push({ row, message });
      else check.more += 1;
    },
  };
}

/** Runs the statement that counts the rows, and the one that finds those that are wrong. */
export async function checkRows(
  execute: Execute,
  name: string,
  {
    count,
    wrong,
    params = [],
    tell,
  }: {
    count: string;
    wrong: string;
    params?: readonly (string | number)[];
    tell: (row: SqlRow) => LedgerFault;
  },
): Promise<LedgerCheck> {
  const found = findings(name);
  const [counted] = await execute(count, []);
  found.looked(Number(counted?.[0] ?? 0));
  for (const row of await execute(`${wrong} limit 1000`, params)) {
    const { row: which, message } = tell(row);
    found.fault(which, message);
  }
  return found.check;
}
