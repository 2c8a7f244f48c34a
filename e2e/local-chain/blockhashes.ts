// Blockhashes: one a block, valid for 150 blocks, another one on every fork, and the same ones in every run.
import { type Blockhash, blockhash } from "@solana/web3.js";
import { base58 } from "./parsed-transaction.ts";
import { sha256 } from "./vm.ts";

/** Blocks for which a blockhash can be used. */
export const BLOCKHASH_VALIDITY = 150n;

type Entry = { blockhash: Blockhash; height: bigint };

export type Blockhashes = ReturnType<typeof createBlockhashes>;

export function createBlockhashes() {
  let entries: Entry[] = [];
  return {
    push(fork: number, height: bigint, keep: bigint): void {
      entries.push({ blockhash: hashOf(fork, height), height });
      while (entries[0] !== undefined && entries[0].height + BLOCKHASH_VALIDITY + keep < height) entries.shift();
    },
    /** The newest one that is not above `height`. */
    at(height: bigint): Entry & { lastValidBlockHeight: bigint } {
      const entry = entries.findLast((each) => each.height <= height);
      if (entry === undefined) throw new Error(`no blockhash at height ${height}`);
      return { ...entry, lastValidBlockHeight: entry.height + BLOCKHASH_VALIDITY };
    },
    /** Whether a bank of that height takes it: it is in the bank's past, and not too old. */
    isValid(hash: string, height: bigint): boolean {
      const entry = entries.find((each) => each.blockhash === hash);
      return entry !== undefined && entry.height <= height && height <= entry.height + BLOCKHASH_VALIDITY;
    },
    /** Forgets what is above `height`. */
    rollBack(height: bigint): void {
      entries = entries.filter((entry) => entry.height <= height);
    },
  };
}

const hashOf = (fork: number, height: bigint): Blockhash =>
  blockhash(base58(sha256(new TextEncoder().encode(`local-chain/${fork}/${height}`))));
