// Outside: what a node earned and was paid for in another way than on the chain, as an admin says. Its receipts are then
// settled, so that no payout ever pays them again.
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { nodeLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { PAYABLE_COLUMNS, type PayableReceipt, payableReceipt, sourceOf } from "./legs.ts";
import { TREASURY } from "./schema.ts";

/** Before the id, in the place of a payout's. */
export const OUTSIDE = "outside/";

/** Receipts of one call; the next one goes on from there. */
const MAX_RECEIPTS = 50_000;

export type OutsideSettlement = {
  /** Given again, it settles nothing again. */
  id: string;
  node: string;
  /** At most so much, µ$; all that is owed where left out. */
  most?: bigint;
  reason: string;
};
export type SettledOutside = {
  id: string;
  /** µ$: what the admin has paid, or is to pay now. */
  amount: bigint;
  receipts: number;
  /** This call did nothing: an earlier one with this id did. */
  repeated: boolean;
};
export type OutsideRefusal =
  /** No receipt waits that is not in a payout already, or that a client's allowance does not pay. */
  | "nothing_owed"
  /** The oldest receipt alone is of more than `most`. */
  | "too_little"
  /** An adjustment has taken what the receipts say: nothing is left to be paid. */
  | "not_covered"
  /** The id was used for another node. */
  | "id_used";

/**
 * Settles the oldest receipts that no payout has, whole ones, as far as `most` goes, and 50,000 at most. Those that a
 * client's allowance pays stay: their money is with the client. Durable.
 */
export async function settleOutside(
  { db, clock, by }: { db: Db; clock: Clock; by: Caller },
  { id, node, most, reason }: OutsideSettlement,
): Promise<Result<SettledOutside, OutsideRefusal>> {
  const cause = OUTSIDE + id;
  return await db.writer.transact(async (tx, execute) => {
    const before = await settledBefore(execute, cause, node);
    if (before !== null) return before === "id_used" ? err(before) : ok({ id, ...before, repeated: true });
    const owed = (await freeReceipts(execute, node)).filter(({ nodeAmount }) => nodeAmount > 0n);
    if (owed.length === 0) return err("nothing_owed");
    const taken = oldest(owed, most);
    const amount = taken.reduce((sum, { nodeAmount }) => sum + nodeAmount, 0n);
    if (amount === 0n) return err("too_little");
    const entries = [
      { account: nodeLedger(node), amount: -amount },
      { account: SYSTEM_ACCOUNTS.adjustments, amount },
    ];
    const atMs = clock.nowMs();
    const posted = await post(execute, { kind: "payout", cause, atMs, entries, actor: by.actor, reason });
    if (!posted.ok) return err("not_covered");
    const seqs = JSON.stringify(taken.map(({ seq }) => seq));
    await execute(
      "update receipts set payout_id = ? where node = ? and payout_id is null and seq in (select value from json_each(?))",
      [cause, node, seqs],
    );
    const after = { id, amount_micro_usd: Number(amount), receipts: taken.length, reason };
    await audit(tx, { ...by, atMs, action: "earnings.settled_outside", subject: nodeLedger(node), after });
    return ok({ id, amount, receipts: taken.length, repeated: false });
  });
}

async function settledBefore(
  execute: Execute,
  cause: string,
  node: string,
): Promise<{ amount: bigint; receipts: number } | "id_used" | null> {
  const [transaction] = await execute("select id from ledger_transactions where cause = ?", [cause]);
  if (!transaction) return null;
  const [entry] = await execute("select amount from ledger_entries where account = ? and transaction_id = ?", [
    nodeLedger(node),
    Number(transaction[0]),
  ]);
  if (!entry) return "id_used";
  const [counted] = await execute("select count(*) from receipts where payout_id = ?", [cause]);
  return { amount: -BigInt(entry[0] as number), receipts: Number(counted?.[0] ?? 0) };
}

/** In order; without those that are a client's allowance's to pay. */
async function freeReceipts(execute: Execute, node: string): Promise<PayableReceipt[]> {
  const [front] = await execute("select seq from payout_fronts where node = ?", [node]);
  const rows = await execute(
    `select ${PAYABLE_COLUMNS} from receipts where node = ? and seq > ? and payout_id is null order by seq limit ${MAX_RECEIPTS}`,
    [node, Number(front?.[0] ?? 0)],
  );
  return rows.map(payableReceipt).filter((receipt) => sourceOf(receipt, () => "") === TREASURY);
}

function oldest(receipts: readonly PayableReceipt[], most: bigint | undefined): PayableReceipt[] {
  if (most === undefined) return [...receipts];
  const taken: PayableReceipt[] = [];
  let left = most;
  for (const receipt of receipts) {
    if (receipt.nodeAmount > left) break;
    left -= receipt.nodeAmount;
    taken.push(receipt);
  }
  return taken;
}
