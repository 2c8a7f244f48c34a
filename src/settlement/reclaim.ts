// Reclaim: takes back the rent of markers whose payouts can be paid by nothing that was ever signed.

import type { MoveDeps } from "./moves.ts";
import type { PayoutChain } from "./payout-chain.ts";
import { MAX_MARKERS } from "./payout-chain.ts";

export type ReclaimDeps = MoveDeps & { chain: Pick<PayoutChain, "height" | "reclaim"> };

/**
 * One round: asks for the rent of payouts that ended `afterMs` ago or earlier, and notes those that are free. While a
 * marker is there an older copy of the database cannot pay its payout again; `afterMs` is how old one may be.
 */
export async function reclaimRent(deps: ReclaimDeps, afterMs: number): Promise<number> {
  const { db, chain, clock } = deps;
  const height = await chain.height();
  const rows = await db.query(
    `select id from payouts where state = 'paid' and reclaimed_ms is null and ended_ms <= ?
       and not exists (select 1 from payout_attempts a where a.payout_id = payouts.id and a.last_valid_height >= ?)
     order by ended_ms limit ?`,
    [clock.nowMs() - afterMs, height, MAX_MARKERS],
  );
  if (rows.length === 0) return 0;
  const gone = await chain.reclaim(rows.map(([id]) => String(id)));
  if (gone.length === 0) return 0;
  await db.writer.transact(async (_, execute) => {
    await execute(
      "update payouts set reclaimed_ms = ? where state = 'paid' and id in (select value from json_each(?))",
      [clock.nowMs(), JSON.stringify(gone)],
    );
  });
  return gone.length;
}
