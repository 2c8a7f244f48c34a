// Markers: accounts that only the settlement key can make, one a seed, so that what makes one can land only once. That one
// is there says nothing by itself: anybody who knows its address can put lamports there.
import { createHmac } from "node:crypto";
import type { Address, Chain, HistoryEntry, LandedTransaction } from "../solana/chain.ts";

export type MarkerChain = Pick<Chain, "markerAddress" | "history" | "transaction" | "instructions">;

export type MarkerStory = {
  /** The final, successful transaction that made it, even where it is gone since. */
  made: LandedTransaction | null;
  /** A final transaction put lamports there when nothing was, and did not make it: while they stay, nothing of ours can. */
  taken: boolean;
};

/** What became of the marker of `base` and `seed`, by the transactions that name it. */
export async function markerStory(chain: MarkerChain, base: Address, seed: string): Promise<MarkerStory> {
  const marker = await chain.markerAddress(base, seed);
  let taken = false;
  for (const { signature, failed } of (await entriesOf(chain, marker)).toReversed()) {
    if (failed) continue;
    const landed = await chain.transaction(signature);
    if (landed === null || landed.failure !== null) continue;
    // Anybody may write its memo; only the settlement key can make the marker.
    const makes = landed.instructions.some((instruction) => {
      const read = chain.instructions.read(instruction);
      return read.kind === "create_marker" && read.marker === marker && read.base === base;
    });
    if (makes) return { made: landed, taken: false };
    taken ||= landed.opened.includes(marker);
  }
  return { made: null, taken };
}

/**
 * A seed that follows from what it is for: the same again, whatever became of the database, and nobody who lacks the key
 * can tell it beforehand, to put lamports there. 32 hex digits.
 */
export const markerSeed = (markerKey: Uint8Array, what: string): string =>
  createHmac("sha256", markerKey).update(what).digest("hex").slice(0, SEED_DIGITS);
const SEED_DIGITS = 32;

const PAGE = 1_000;

/** All that names it, newest first: strangers may have sent thousands after ours. */
async function entriesOf(chain: MarkerChain, marker: Address): Promise<HistoryEntry[]> {
  const found: HistoryEntry[] = [];
  for (;;) {
    const oldest = found.at(-1);
    const before = oldest === undefined ? {} : { before: oldest.signature };
    const page = await chain.history(marker, { ...before, limit: PAGE });
    found.push(...page);
    if (page.length < PAGE) return found;
  }
}
