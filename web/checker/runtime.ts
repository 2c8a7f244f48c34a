// Runtime: what the protocol takes of Bun's runtime, for a browser: a hasher, and a few functions over bytes. Imported
// before everything else, which finds them where it always does.

import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, hexToBytes } from "@noble/hashes/utils.js";

/** SHA-256 alone, without a key. */
class CryptoHasher {
  readonly #hash = sha256.create();
  constructor(algorithm: string, key?: unknown) {
    if (algorithm !== "sha256" || key !== undefined) throw new Error(`no hasher for ${algorithm} in a browser`);
  }
  update(data: string | Uint8Array): this {
    this.#hash.update(typeof data === "string" ? new TextEncoder().encode(data) : data);
    return this;
  }
  digest(): Uint8Array {
    return this.#hash.digest();
  }
}

const BytesBuffer = {
  from: (text: string, encoding: string): Uint8Array =>
    encoding === "hex" ? hexToBytes(text) : Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)),
  concat: (parts: readonly Uint8Array[]): Uint8Array => concatBytes(...parts),
  compare(a: Uint8Array, b: Uint8Array): number {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const difference = (a[i] ?? 0) - (b[i] ?? 0);
      if (difference !== 0) return difference;
    }
    return a.length - b.length;
  },
};

Object.assign(globalThis, { Bun: { CryptoHasher }, Buffer: BytesBuffer });
