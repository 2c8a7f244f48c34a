// Credits: money that an admin gives, and corrections that an admin makes, each with its reason.

import type { Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { fundFrom } from "../ledger/funding.ts";
import { clientLedger, type LedgerAccountId, openLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import type { Caller } from "./caller.ts";

type Deps = { db: Db; clock: Clock; by: Caller };
export type CreditMovement = {
  /** Given again, it moves nothing again. */
  id: string;
  /** µ$; below zero it takes. */
  amount: bigint;
  reason: string;
};
/** µ$, after the movement. */
export type Credited = {
  id: string;
  transaction: number;
  balance: bigint;
  held: bigint;
  /** This call moved nothing: an earlier one with this id did. */
  repeated: boolean;
};
export type CreditRefusal =
  /** Its money comes from elsewhere: a deposit, or an allowance. */
  | "other_funding"
  /** It would leave less than is held. */
  | "not_covered"
  /** The id was used for another account or amount. */
  | "id_used";

/** Gives an account credit. Durable. */
export async function grantCredits(
  deps: Deps,
  accountId: string,
  movement: CreditMovement,
): Promise<Result<Credited, CreditRefusal>> {
  const account = clientLedger(accountId);
  return await move(deps, account, { ...movement, kind: "grant", other: SYSTEM_ACCOUNTS.grants }, async (execute) => {
    const funded = await fundFrom(execute, account, "credits");
    return funded.ok;
  });
}

/** Corrects what an account has, up or down; never below what is held. Of an allowance the chain decides. Durable. */
export async function adjustLedger(
  deps: Deps,
  account: LedgerAccountId,
  movement: CreditMovement,
): Promise<Result<Credited, CreditRefusal>> {
  const wanted = { ...movement, kind: "adjustment", other: SYSTEM_ACCOUNTS.adjustments } as const;
  return await move(deps, account, wanted, async (execute) => {
    await openLedger(execute, account);
    const [row] = await execute("select funding from ledger_accounts where id = ?", [account]);
    return row?.[0] !== "allowance";
  });
}

type Wanted = CreditMovement & { kind: "grant" | "adjustment"; other: LedgerAccountId };

async function move(
  { db, clock, by }: Deps,
  account: LedgerAccountId,
  { id, amount, reason, kind, other }: Wanted,
  mayBe: (execute: Execute) => Promise<boolean>,
): Promise<Result<Credited, CreditRefusal>> {
  const cause = `${kind}/${id}`;
  return await db.writer.transact(async (tx, execute) => {
    const before = await movedBefore(execute, cause, account);
    if (before !== null) {
      if (before.amount !== amount) return err("id_used");
      return ok({ id, transaction: before.transaction, ...(await balanceIn(execute, account)), repeated: true });
    }
    if (!(await mayBe(execute))) return err("other_funding");
    const was = await balanceIn(execute, account);
    const atMs = clock.nowMs();
    const entries = [
      { account: other, amount: -amount },
      { account, amount },
    ];
    const posted = await post(execute, { kind, cause, atMs, entries, actor: by.actor, reason });
    if (!posted.ok) return err("not_covered");
    const now = await balanceIn(execute, account);
    await audit(tx, {
      ...by,
      atMs,
      action: kind === "grant" ? "credits.granted" : "credits.adjusted",
      subject: account,
      before: { balance_micro_usd: Number(was.balance) },
      after: { balance_micro_usd: Number(now.balance), amount_micro_usd: Number(amount), id, reason },
    });
    return ok({ id, transaction: posted.value, ...now, repeated: false });
  });
}

/** `amount`: what the cause moved to this account; null where it moved nothing to or from it. */
async function movedBefore(
  execute: Execute,
  cause: string,
  account: LedgerAccountId,
): Promise<{ transaction: number; amount: bigint | null } | null> {
  const [row] = await execute(
    `select t.id, e.amount from ledger_transactions t
     left join ledger_entries e on e.account = ? and e.transaction_id = t.id where t.cause = ?`,
    [account, cause],
  );
  if (!row) return null;
  return { transaction: Number(row[0]), amount: row[1] === null ? null : BigInt(row[1] as number) };
}

async function balanceIn(execute: Execute, account: LedgerAccountId): Promise<{ balance: bigint; held: bigint }> {
  const [row] = await execute("select balance, held from ledger_accounts where id = ?", [account]);
  return { balance: BigInt((row?.[0] ?? 0) as number), held: BigInt((row?.[1] ?? 0) as number) };
}
