// Ablations: payouts without one of the things that make them safe, to show that the fuzz finds what is missing then.

import type { PayoutChain, PayoutOrder } from "../../src/settlement/payout-chain.ts";
import type { Chain, Signature } from "../../src/solana/chain.ts";

export const ABLATIONS = [
  /** Nothing on the chain says that a payout was paid: signatures and their age have to. */
  "no-marker",
  /** That, and what is signed is sent before it is written down. */
  "sent-before-written",
  /** What a block says counts before it is final. */
  "not-final",
] as const;
export type Ablation = (typeof ABLATIONS)[number];

/** What the chain's client lacks then; to be given to what makes payouts out of it. */
export function ablatedClient(chain: Chain, ablation: Ablation | null): Chain {
  if (ablation !== "no-marker" && ablation !== "sent-before-written") return chain;
  const { instructions } = chain;
  return { ...chain, instructions: { ...instructions, createMarker: async () => instructions.memo("no marker") } };
}

/** What payouts do without it. `early` reads as of the newest block. */
export function ablatedPayouts(
  payouts: PayoutChain,
  { chain, early, written }: { chain: Chain; early: EarlyReads; written: Written },
  ablation: Ablation | null,
): PayoutChain {
  if (ablation === null) return payouts;
  if (ablation === "not-final") {
    return {
      ...payouts,
      look: async (id) => ({ ...(await payouts.look(id)), marker: await early.marker(id) }),
      paymentOf: (id) => early.payment(id),
    };
  }
  return bySignature(payouts, chain, written, ablation);
}

export type EarlyReads = {
  marker(id: string): Promise<boolean>;
  payment(id: string): Promise<{ signature: string; memo: string } | null>;
};

/** The signatures that were written down for a payout, with the memo that it has now. */
export type Written = (id: string) => Promise<{ signature: string; memo: string }[]>;

/** As many do it: a payout was paid if one of its signatures is known as final. */
function bySignature(payouts: PayoutChain, chain: Chain, written: Written, ablation: Ablation): PayoutChain {
  const paymentOf = async (id: string) => {
    for (const one of await written(id)) {
      const [status] = await chain.statuses([one.signature as Signature]);
      if (status?.commitment === "finalized" && status.failure === null) return one;
    }
    return null;
  };
  return {
    ...payouts,
    async prepare(order: PayoutOrder) {
      const prepared = await payouts.prepare(order);
      if (prepared.outcome !== "signed") return prepared;
      if (ablation === "sent-before-written") await payouts.send(prepared.wire);
      return prepared;
    },
    look: async (id) => ({ ...(await payouts.look(id)), marker: (await paymentOf(id)) !== null }),
    paymentOf,
  };
}
