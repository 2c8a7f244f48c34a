// Stake moves: what was given back and taken of a node's stake, and what is under way.
import { and, desc, eq } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import type { Chain } from "../solana/chain.ts";
import { type OnceSendRow, onceSends, type StakeProposalRow, stakeProposals } from "./funding-schema.ts";
import { missingSigners } from "./stake-transactions.ts";

export type MovedStake = {
  id: string;
  act: StakeProposalRow["act"];
  /** µ$. */
  amount: bigint;
  reason: string;
  createdMs: number;
  /** `signing`: another party has to sign it. `sending`: the coordinator sends it by itself. */
  state: "signing" | "sending" | "done" | "failed" | "expired";
  signature: string | null;
  /** What went wrong, or last went wrong. */
  error: string | null;
  /** What waits for another's signature. */
  sign: { transaction: string; missing: string[]; lastValidHeight: number } | null;
};

/** The newest first, at most so many. */
export async function stakeMoves(
  { db, chain }: { db: Pick<Db, "read">; chain: Pick<Chain, "decode"> },
  nodePubkey: string,
  limit: number,
): Promise<MovedStake[]> {
  const [proposed, sent] = await Promise.all([
    db.read
      .select()
      .from(stakeProposals)
      .where(eq(stakeProposals.nodePubkey, nodePubkey))
      .orderBy(desc(stakeProposals.createdMs))
      .limit(limit),
    db.read
      .select()
      .from(onceSends)
      .where(and(eq(onceSends.kind, "slash"), eq(onceSends.subject, nodePubkey)))
      .orderBy(desc(onceSends.createdMs))
      .limit(limit),
  ]);
  const moves = [...(await Promise.all(proposed.map((row) => proposal({ chain }, row)))), ...sent.map(slash)];
  return moves.sort((a, b) => b.createdMs - a.createdMs).slice(0, limit);
}

async function proposal(deps: { chain: Pick<Chain, "decode"> }, row: StakeProposalRow): Promise<MovedStake> {
  const { id, act, amount, reason, createdMs, state, wire, lastValidHeight } = row;
  const isOpen = state === "proposed" || state === "sent";
  return {
    ...{ id, act, amount: BigInt(amount), reason, createdMs, error: null },
    state: isOpen ? "signing" : state,
    signature: state === "done" || state === "failed" ? id : null,
    sign:
      isOpen && wire !== null
        ? { transaction: wire, missing: await missingSigners(deps, wire), lastValidHeight }
        : null,
  };
}

const slash = ({ id, amount, reason, createdMs, state, signature, error }: OnceSendRow): MovedStake => ({
  ...{ id, act: "slash", amount: BigInt(amount), reason, createdMs, signature, error, sign: null },
  state: state === "planned" || state === "signed" ? "sending" : state,
});
