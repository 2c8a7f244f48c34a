// Write-off: an admin gives up a stuck payout. The node is not paid for its receipts, and the books say why.

import { eq } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { legOf } from "./legs.ts";
import { entriesOf, letGo, type MoveDeps, move } from "./moves.ts";
import { getPayout } from "./payouts.ts";
import { type PayoutRow, payoutLegs } from "./schema.ts";

export type WriteOffRefusal = "payout_unknown" | "not_stuck";

export async function writeOff(
  deps: MoveDeps & { by: Caller },
  id: string,
  reason: string,
): Promise<Result<PayoutRow, WriteOffRefusal>> {
  const { db, clock, by } = deps;
  const atMs = clock.nowMs();
  const before = await getPayout(deps, id);
  if (!before) return err("payout_unknown");
  const done = await db.writer.transact(async (tx, execute) => {
    const rows = await execute(
      `update payouts set state = 'written_off', reason = ?, ended_ms = ?, revision = revision + 1
       where id = ? and state = 'stuck' returning node`,
      [reason, atMs, id],
    );
    if (rows.length === 0) return false;
    await letGo(execute, id);
    const legs = (await tx.select().from(payoutLegs).where(eq(payoutLegs.payoutId, id))).map(legOf);
    const entries = entriesOf(before.node, legs);
    await move(execute, { cause: `payout/${id}/written-off`, atMs, entries, actor: by.actor, reason });
    await audit(tx, {
      ...by,
      atMs,
      action: "payout.failed",
      subject: `node/${before.node}`,
      before: { payout: id, state: before.state, reason: before.reason },
      after: { payout: id, state: "written_off", reason, node_amount: before.nodeAmount },
    });
    return true;
  });
  if (!done) return err("not_stuck");
  const after = await getPayout(deps, id);
  return after ? ok(after) : err("payout_unknown");
}
