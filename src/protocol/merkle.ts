// Merkle: RFC 6962 §2.1 trees over receipt digests, so that one root in a payout's memo fixes every receipt it pays and
// each can be proved to be among them.
import { toHex } from "../lib/hex.ts";

const LEAF = Uint8Array.of(0);
const INNER = Uint8Array.of(1);

function sha256(...parts: Uint8Array[]): Uint8Array {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const part of parts) hasher.update(part);
  return new Uint8Array(hasher.digest());
}

const leaf = (digest: Uint8Array): Uint8Array => sha256(LEAF, digest);
const inner = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(INNER, left, right);

/**
 * One level up. RFC 6962 splits at the largest power of two below the count, which is the same as pairing neighbours and
 * carrying an odd last one up unchanged.
 */
function above(level: readonly Uint8Array[]): Uint8Array[] {
  const next: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const [left, right] = [level[i], level[i + 1]];
    if (left) next.push(right ? inner(left, right) : left);
  }
  return next;
}

/** The tree's root; of no digests the hash of nothing (RFC 6962 §2.1). */
export function merkleRoot(digests: readonly Uint8Array[]): Uint8Array {
  let level = digests.map(leaf);
  while (level.length > 1) level = above(level);
  return level[0] ?? sha256();
}

/** Makes the audit path of each digest, from the leaf's neighbour up (RFC 6962 §2.1.1). Throws where there is none of that index. */
export function merkleProver(digests: readonly Uint8Array[]): (index: number) => Uint8Array[] {
  const levels = [digests.map(leaf)];
  for (let level = levels[0] ?? []; level.length > 1; ) {
    level = above(level);
    levels.push(level);
  }
  return (index) => {
    if (!Number.isInteger(index) || index < 0 || index >= digests.length) throw new RangeError(`no leaf ${index}`);
    return levels.flatMap((level, height) => level[(index >> height) ^ 1] ?? []);
  };
}

/** More receipts than one payout ever has, and an index that fits 32-bit arithmetic. */
const MAX_LEAVES = 2 ** 30;

/** Whether `digest` is leaf `index` of the tree of `count` leaves with that root (RFC 9162 §2.1.3.2). Never throws. */
export function verifyMerkleProof(
  root: Uint8Array,
  digest: Uint8Array,
  { index, count, path }: { index: number; count: number; path: readonly Uint8Array[] },
): boolean {
  if (!Number.isInteger(index) || !Number.isInteger(count) || count > MAX_LEAVES) return false;
  if (index < 0 || index >= count) return false;
  let hash = leaf(digest);
  let at = index;
  let last = count - 1;
  for (const sibling of path) {
    if (last === 0 || sibling.length !== 32) return false;
    if (at % 2 === 1 || at === last) {
      hash = inner(sibling, hash);
      // It was carried up unchanged to where it has a neighbour on its left.
      while (at % 2 === 0 && at !== 0) {
        at >>= 1;
        last >>= 1;
      }
    } else hash = inner(hash, sibling);
    at >>= 1;
    last >>= 1;
  }
  return last === 0 && Buffer.compare(hash, root) === 0;
}

/** The text of the memo that a payout's transaction carries. */
export const payoutMemo = (payoutId: string, root: Uint8Array): string => `infernet:1:${payoutId}:${toHex(root)}`;
