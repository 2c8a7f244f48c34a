// Holds: what an account may have to pay for a job under way, spoken for until the job's end. Decided by conditional
// writes: a thousand requests at once cannot hold more than there is.
import type { Execute } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type LedgerAccountId, openLedger } from "./ledger.ts";

/** Something that may be spent up to `limit` µ$ beside the account's own balance: a key's day, or its whole life. */
export type Budget = { id: string; limit: bigint };
/** µ$ per million tokens. */
export type Price = { input: number; output: number };
export type Hold = {
  jobId: string;
  account: LedgerAccountId;
  /** µ$. */
  amount: bigint;
  /** The dearest it was reckoned with. */
  price: Price;
  budgets: readonly Budget[];
  /** Whose process answers it; null where the job outlives the process. */
  owner: string | null;
  atMs: number;
};
export type HoldRefusal = { code: "insufficient_credit" } | { code: "spend_limit"; budget: string };

/** Holds, or changes nothing. A job holds once. */
export async function hold(execute: Execute, wanted: Hold): Promise<Result<void, HoldRefusal>> {
  const { jobId, account, amount, price, budgets, owner, atMs } = wanted;
  const counted: Budget[] = [];
  for (const budget of budgets) {
    if (await useBudget(execute, budget, amount)) counted.push(budget);
    else {
      for (const { id } of counted) await giveBack(execute, id, amount);
      return err({ code: "spend_limit", budget: budget.id });
    }
  }
  const covered = await execute(
    "update ledger_accounts set held = held + ? where id = ? and balance - held >= ? returning id",
    [amount, account, amount],
  );
  if (covered.length === 0) {
    for (const { id } of counted) await giveBack(execute, id, amount);
    // So that whoever looks it up finds an account without credit, and not none.
    await openLedger(execute, account);
    return err({ code: "insufficient_credit" });
  }
  await execute(
    `insert into holds (job_id, account, amount, price_input, price_output, budgets, owner, created_ms)
     values (?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      jobId,
      account,
      amount,
      price.input,
      price.output,
      budgets.length === 0 ? null : JSON.stringify(budgets.map(({ id }) => id)),
      owner,
      atMs,
    ],
  );
  return ok(undefined);
}

async function useBudget(execute: Execute, { id, limit }: Budget, amount: bigint): Promise<boolean> {
  if (amount > limit) return false;
  const rows = await execute(
    `insert into budgets (id, used) values (?, ?)
     on conflict (id) do update set used = used + excluded.used where used + excluded.used <= ? returning id`,
    [id, amount, limit],
  );
  return rows.length === 1;
}

const giveBack = (execute: Execute, id: string, amount: bigint) =>
  execute("update budgets set used = used - ? where id = ?", [amount, id]);

export type TakenHold = { account: LedgerAccountId; amount: bigint };

/**
 * Takes the job's hold away, and `spent` of it from its budgets for good. The caller lowers the account's `held` by its
 * amount, in the same transaction. Nothing where the job holds nothing (any more).
 */
export async function takeHold(execute: Execute, jobId: string, spent: bigint): Promise<TakenHold | null> {
  const [row] = await execute("delete from holds where job_id = ? returning account, amount, budgets", [jobId]);
  if (!row) return null;
  const amount = BigInt(row[1] as number);
  if (row[2] !== null) {
    for (const id of JSON.parse(row[2] as string) as string[]) await giveBack(execute, id, amount - spent);
  }
  return { account: row[0] as LedgerAccountId, amount };
}

/** Lets go of all that the job held. False where it held nothing. */
export async function release(execute: Execute, jobId: string): Promise<boolean> {
  const taken = await takeHold(execute, jobId, 0n);
  if (!taken) return false;
  await execute("update ledger_accounts set held = held - ? where id = ?", [taken.amount, taken.account]);
  return true;
}

/** Lets go of what was held for chats of an earlier process of this instance. How many there were. */
export async function releaseOwned(execute: Execute, owner: string): Promise<number> {
  const rows = await execute("select job_id from holds where owner = ?", [owner]);
  for (const [jobId] of rows) await release(execute, jobId as string);
  return rows.length;
}
