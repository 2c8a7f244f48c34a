// Commitment: how far back each level looks. A slot is confirmed one slot later and finalized 32 later, as on a cluster.

export const COMMITMENTS = ["processed", "confirmed", "finalized"] as const;
export type Commitment = (typeof COMMITMENTS)[number];

/** Slots until a block can no longer be rolled back. */
export const FINALIZED_DEPTH = 32n;

const DEPTH: Record<Commitment, bigint> = { processed: 0n, confirmed: 1n, finalized: FINALIZED_DEPTH };

/** Slots between the newest block and the newest of that commitment. */
export const depthOf = (commitment: Commitment): bigint => DEPTH[commitment];

/** The commitment of a block that is `age` slots old. */
export const commitmentOf = (age: bigint): Commitment =>
  age >= DEPTH.finalized ? "finalized" : age >= DEPTH.confirmed ? "confirmed" : "processed";
