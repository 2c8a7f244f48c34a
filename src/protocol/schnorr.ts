// Schnorr: BIP-340 signatures over a text, the one signature scheme of instance identities.
import { schnorr } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, toHex } from "../lib/hex.ts";
import { type Pubkey, pubkeySchema } from "./primitives.ts";

/**
 * The x-only public key of a 32-byte secret key (BIP-340 §Public Key Generation). Throws where the secret is zero or
 * not below the curve's order.
 */
export const pubkeyOf = (secretKey: Uint8Array): Pubkey => pubkeySchema.parse(toHex(schnorr.getPublicKey(secretKey)));

/**
 * Signs a 32-byte digest; 128 hex digits. `auxRand` (32 bytes) is BIP-340's auxiliary randomness: leave it out except to
 * reproduce a vector.
 */
export const signDigest = (secretKey: Uint8Array, digest: Uint8Array, auxRand?: Uint8Array): string =>
  toHex(schnorr.sign(digest, secretKey, auxRand));

/** BIP-340 §Verification. False for anything that is no good signature, malformed hex included. */
export function verifyDigest(sig: string, digest: Uint8Array, pubkey: Pubkey): boolean {
  if (!/^[0-9a-f]{128}$/.test(sig) || !/^[0-9a-f]{64}$/.test(pubkey)) return false;
  return schnorr.verify(fromHex(sig), digest, fromHex(pubkey));
}

/** Signs sha256(utf8(text)). */
export const signText = (secretKey: Uint8Array, text: string, auxRand?: Uint8Array): string =>
  signDigest(secretKey, sha256(utf8ToBytes(text)), auxRand);

/** True where `sig` is `pubkey`'s signature over sha256(utf8(text)). */
export const verifyText = (sig: string, text: string, pubkey: Pubkey): boolean =>
  verifyDigest(sig, sha256(utf8ToBytes(text)), pubkey);
