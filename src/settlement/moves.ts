// Moves: the conditional writes that take a payout from one state to the next. Each is one transaction and its WHERE
// clause is the lock: of two coordinators, or of a process and its restarted self, one does it and the other learns so.
import { eq } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { takeHold } from "../ledger/holds.ts";
import { type Entry, nodeLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { legOf } from "./legs.ts";
import type { Leg, Prepared } from "./payout-chain.ts";
import { holdOf } from "./plan.ts";
import { type PayoutAttemptRow, type PayoutRow, payoutLegs, TREASURY } from "./schema.ts";

export type MoveDeps = { db: Db; clock: { nowMs(): number } };
type Signed = Extract<Prepared, { outcome: "signed" }>;

/** Keeps what was signed, unless the payout has changed since or has a live attempt. False: it must not be sent. */
export async function persistAttempt(
  { db, clock }: MoveDeps,
  { id, revision }: PayoutRow,
  { signature, wire, lastValidHeight }: Signed,
): Promise<boolean> {
  return await db.writer.transact(async (_, execute) => {
    const rows = await execute(
      `insert into payout_attempts (signature, payout_id, wire, last_valid_height, state, created_ms)
       select ?, id, ?, ?, 'live', ? from payouts where id = ? and revision = ? and state = 'due'
         and not exists (select 1 from payout_attempts where payout_id = ? and state = 'live')
       returning signature`,
      [signature, Buffer.from(wire, "base64"), lastValidHeight, clock.nowMs(), id, revision, id],
    );
    if (rows.length === 0) return false;
    await execute("update payouts set trouble = null where id = ?", [id]);
    return true;
  });
}

/** An attempt that can not land any more, or that failed: another may follow. False where it had ended already. */
export async function endAttempt(
  { db, clock }: MoveDeps,
  { id }: PayoutRow,
  { signature }: Pick<PayoutAttemptRow, "signature">,
  state: "expired" | "failed",
  error: string | null,
): Promise<boolean> {
  return await db.writer.transact(async (tx, execute) => {
    const rows = await execute(
      "update payout_attempts set state = ?, error = ? where signature = ? and state = 'live' returning signature",
      [state, error?.slice(0, 512) ?? null, signature],
    );
    if (rows.length === 0) return false;
    await execute("update payouts set revision = revision + 1, trouble = ? where id = ?", [error, id]);
    if (state === "failed") {
      await audit(tx, {
        atMs: clock.nowMs(),
        actor: "system",
        action: "payout.failed",
        subject: `payout/${id}`,
        after: { signature, error: error ?? "" },
      });
    }
    return true;
  });
}

/** The payout is final on the chain: its state, the money and the audit log say so together. False: they do already. */
export async function endPaid(
  { db, clock }: MoveDeps,
  { id, node, root }: PayoutRow,
  signature: string,
): Promise<boolean> {
  const atMs = clock.nowMs();
  return await db.writer.transact(async (tx, execute) => {
    const rows = await execute(
      `update payouts set state = 'paid', signature = ?, ended_ms = ?, trouble = null, reason = null, revision = revision + 1
       where id = ? and root = ? and state in ('due', 'stuck') returning node_amount`,
      [signature, atMs, id, root],
    );
    if (rows.length === 0) return false;
    await execute("update payout_attempts set state = 'paid' where signature = ? and payout_id = ?", [signature, id]);
    await execute("update payout_attempts set state = 'expired' where payout_id = ? and state = 'live'", [id]);
    await letGo(execute, id);
    const legs = (await tx.select().from(payoutLegs).where(eq(payoutLegs.payoutId, id))).map(legOf);
    await move(execute, { cause: `payout/${id}`, atMs, entries: entriesOf(node, legs) });
    await audit(tx, {
      atMs,
      actor: "system",
      action: "payout.paid",
      subject: `node/${node}`,
      after: { payout: id, signature, node_amount: Number(rows[0]?.[0]) },
    });
    return true;
  });
}

/** What the node is owed is not spoken for any more, so that a movement may take it. */
export async function letGo(execute: Execute, payoutId: string): Promise<void> {
  const taken = await takeHold(execute, holdOf(payoutId), 0n);
  if (taken) await execute("update ledger_accounts set held = held - ? where id = ?", [taken.amount, taken.account]);
}

type Moved = { cause: string; atMs: number; entries: Entry[]; actor?: string; reason?: string };

/** Posts a payout's movement. It is covered by what was held, so a refusal is a fault. */
export async function move(execute: Execute, { actor, reason, ...moved }: Moved): Promise<void> {
  const movement = { kind: "payout" as const, ...moved, ...(actor ? { actor } : {}), ...(reason ? { reason } : {}) };
  const posted = await post(execute, movement);
  if (!posted.ok) throw new Error(`the ledger refuses ${moved.cause}: ${posted.error}`);
}

/** What leaves the ledger with the money: what the node is owed, and of an allowance the platform's fee too. */
export function entriesOf(node: string, legs: readonly Leg[]): Entry[] {
  return legs.flatMap(({ source, nodeAmount, fee }): Entry[] =>
    source === TREASURY
      ? [
          { account: nodeLedger(node), amount: -nodeAmount },
          { account: SYSTEM_ACCOUNTS.treasury, amount: nodeAmount },
        ]
      : [
          { account: nodeLedger(node), amount: -nodeAmount },
          { account: SYSTEM_ACCOUNTS.fees, amount: -fee },
          { account: SYSTEM_ACCOUNTS.allowances, amount: nodeAmount + fee },
        ],
  );
}

/** Notes what went wrong, for people. */
export async function noteTrouble({ db }: MoveDeps, { id, trouble }: PayoutRow, now: string): Promise<void> {
  if (trouble === now) return;
  await db.writer.transact(async (_, execute) => {
    await execute("update payouts set trouble = ? where id = ? and state = 'due'", [now.slice(0, 512), id]);
  });
}
