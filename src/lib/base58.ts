// Base58: bytes as Bitcoin and Solana write them for people, without 0, O, I and l.
import { base58 } from "@scure/base";

/** Longer texts are no keys, hashes or signatures, and take quadratic time to read. */
const MAX_CHARACTERS = 128;

export const toBase58 = (bytes: Uint8Array): string => base58.encode(bytes);

/** Null for what is not base58, or longer than any key or signature. */
export function fromBase58(text: string): Uint8Array | null {
  if (text.length > MAX_CHARACTERS) return null;
  try {
    return base58.decode(text);
  } catch {
    // A character that is not of the alphabet.
    return null;
  }
}
