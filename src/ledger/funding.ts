// Funding: where a client's money comes from. One source at a time, so that what the chain says of an account, and what
// was granted or paid in, are never mixed up.
import type { Execute } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type LedgerAccountId, openLedger } from "./ledger.ts";
import type { Funding } from "./schema.ts";

/** `funding`: null where it has money that came from nowhere in particular. */
export type OtherFunding = { code: "other_funding"; funding: Funding | null };

/**
 * Says that money of this source is about to come in, inside the caller's transaction. Once an account has nothing and
 * holds nothing it may change its source; from an allowance only by ending that.
 */
export async function fundFrom(
  execute: Execute,
  account: LedgerAccountId,
  funding: Funding,
): Promise<Result<void, OtherFunding>> {
  await openLedger(execute, account);
  const rows = await execute(
    `update ledger_accounts set funding = ? where id = ? and kind = 'client' and (
       funding = ? or (funding is not 'allowance' and balance = 0 and held = 0)
       or (funding is null and ? in ('credits', 'deposit'))) returning id`,
    [funding, account, funding, funding],
  );
  if (rows.length === 1) return ok(undefined);
  const [row] = await execute("select funding from ledger_accounts where id = ?", [account]);
  return err({ code: "other_funding", funding: (row?.[0] ?? null) as Funding | null });
}

/** Takes back what `fundFrom` said. For an account that has nothing. */
export async function endFunding(execute: Execute, account: LedgerAccountId): Promise<void> {
  await execute("update ledger_accounts set funding = null, wallet = null where id = ?", [account]);
}
