// Advance: brings an open payout as far as it goes now. What may have effects is written down before it is done, and what
// is written down follows from what is final on the chain; see design.md. May be stopped anywhere, and run by several.
import type { Log } from "../lib/log.ts";
import { payoutMemo } from "../protocol/merkle.ts";
import { orderOf } from "./legs.ts";
import { endAttempt, endPaid, noteTrouble, persistAttempt } from "./moves.ts";
import type { PayoutChain } from "./payout-chain.ts";
import { attemptsOf, getPayout, legsOf, wasPaid } from "./payouts.ts";
import type { PayoutAttemptRow, PayoutRow } from "./schema.ts";
import { halve, renew, type SetAsideDeps, setAside } from "./set-aside.ts";

export type AdvanceDeps = SetAsideDeps & { chain: PayoutChain; log: Log };

/** One step of a payout that is due. Throws where the chain or the storage cannot be asked: the next call goes on. */
export async function advancePayout(deps: AdvanceDeps, id: string): Promise<void> {
  const payout = await getPayout(deps, id);
  if (payout?.state !== "due") return;
  const live = (await attemptsOf(deps, id)).find(({ state }) => state === "live");
  if (live) await follow(deps, payout, live);
  else await begin(deps, payout);
}

/** Signs it, unless the chain shows that it was paid: by another coordinator, or before this database was restored. */
async function begin(deps: AdvanceDeps, payout: PayoutRow): Promise<void> {
  const { chain, log } = deps;
  if (await takePayment(deps, payout)) return;
  // Once a node: one that closes its account after each payout would earn by the rent.
  const opens = !(await wasPaid(deps, payout.node));
  const order = orderOf(payout, await legsOf(deps, payout.id), opens);
  const prepared = await chain.prepare(order);
  if (prepared.outcome === "sources_fail") {
    for (const { source, reason } of prepared.failing) {
      log.warn("a payout's source does not pay", { payout: payout.id, source, reason });
      await setAside(deps, payout.id, source, reason);
    }
  } else if (prepared.outcome === "too_large") await halve(deps, payout.id);
  else if (prepared.outcome === "not_now") {
    if (await chain.markerTaken(payout.id)) await renew(deps, payout.id);
    else await noteTrouble(deps, payout, prepared.reason);
  }
  // Written down before it is sent; where somebody else was quicker, what was signed here never leaves.
  else if (await persistAttempt(deps, payout, prepared)) await chain.send(prepared.wire);
}

/** What became of what was sent. Nothing but final state counts, and that an answer failed to come says nothing. */
async function follow(deps: AdvanceDeps, payout: PayoutRow, live: PayoutAttemptRow): Promise<void> {
  const { chain } = deps;
  const { height, marker } = await chain.look(payout.id);
  if (marker) {
    if (await takePayment(deps, payout)) return;
    // Anybody can put lamports where the marker is to be: only a payment of ours is one.
    const failure = await chain.failureOf(live.signature);
    if (failure !== null && height > live.lastValidHeight) await endAttempt(deps, payout, live, "failed", failure);
    else if (height > live.lastValidHeight && (await chain.markerTaken(payout.id)))
      await endAttempt(deps, payout, live, "expired", null);
    else await noteTrouble(deps, payout, "its marker is there, and the transaction that made it is not found");
    return;
  }
  if (height <= live.lastValidHeight) return await chain.send(live.wire.toString("base64"));
  const failure = await chain.failureOf(live.signature);
  await endAttempt(deps, payout, live, failure === null ? "expired" : "failed", failure);
}

/** Takes over a final payment, where there is one. True where the payout needs nothing more for now. */
async function takePayment(deps: AdvanceDeps, payout: PayoutRow): Promise<boolean> {
  const paid = await deps.chain.paymentOf(payout.id);
  if (paid === null) return false;
  if (paid.memo === payoutMemo(payout.id, Buffer.from(payout.root, "hex"))) {
    if (await endPaid(deps, payout, paid.signature))
      deps.log.info("a payout is final", { payout: payout.id, signature: paid.signature });
  } else
    await noteTrouble(
      deps,
      payout,
      `${paid.signature} paid it for other receipts: this database is older than the chain`,
    );
  return true;
}
