// Changed byte: which byte of a receipt was changed after it was signed, where its digest is known from elsewhere: the
// next receipt of its node names it, and the node's word does.
import { toHex } from "../../src/lib/hex.ts";
import { RECEIPT_FIELDS, receiptDigest } from "../../src/protocol/receipts.ts";

/** `was`: as it was signed; `is`: as it is. `field`: which one it is part of. */
export type ChangedByte = { at: number; field: string; was: number; is: number };

/** What a byte may have been, as differences: first those of one bit, which are what accidents make. */
const BITS = Array.from({ length: 8 }, (_, bit) => 1 << bit);
const OTHERS = Array.from({ length: 256 }, (_, value) => value).filter((value) => value !== 0 && !BITS.includes(value));

/**
 * Tries every value of every byte: 98,685 hashes, a second or so. Undefined where no single change gives one of these
 * digests (hex): more than one byte was changed, or the signature was.
 */
export function changedByte(bytes: Uint8Array, digests: ReadonlySet<string>): ChangedByte | undefined {
  if (digests.size === 0) return undefined;
  const tried = bytes.slice();
  for (const differences of [BITS, OTHERS]) {
    for (const [at, is] of bytes.entries()) {
      for (const difference of differences) {
        const was = is ^ difference;
        tried[at] = was;
        if (digests.has(toHex(receiptDigest(tried)))) return { at, field: fieldAt(at), was, is };
      }
      tried[at] = is;
    }
  }
  return undefined;
}

/** As receipts are read: `prompt_tokens`. */
function fieldAt(at: number): string {
  const field = RECEIPT_FIELDS.find((one) => at >= one.at && at < one.at + one.size);
  return (field?.name ?? "").replaceAll(/[A-Z]/g, (sign) => `_${sign.toLowerCase()}`);
}
