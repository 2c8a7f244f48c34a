// Receipt signing: who vouches for a receipt. The coordinator signs each one's digest with an ed25519 key for receipts
// alone, which its identity certifies; the node signs the head of its chain of receipts, which covers all before it.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Pubkey } from "./primitives.ts";
import { decodeReceipt, headDigest, type Receipt, receiptDigest } from "./receipts.ts";
import { signDigest, signText, verifyDigest, verifyText } from "./schnorr.ts";

/** Before a seed and a public key in PKCS #8 and SPKI (RFC 8410 §7, §4). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

export type ReceiptSigner = {
  /** 32 bytes; what receipts name as their coordinator. */
  readonly publicKey: Uint8Array;
  /** 64 bytes over a receipt's digest. About 16 µs. */
  sign(digest: Uint8Array): Uint8Array;
};

/** Signs with the ed25519 key (RFC 8032) of a 32-byte seed. Throws where the seed has another length. */
export function receiptSigner(seed: Uint8Array): ReceiptSigner {
  if (seed.length !== 32) throw new RangeError(`a seed has 32 bytes, not ${seed.length}`);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI.length)),
    sign: (digest) => new Uint8Array(sign(null, digest, key)),
  };
}

/** The runtime's form of the keys seen last: making one costs as much as using it. */
const known = new Map<string, KeyObject>();
const MAX_KNOWN = 16;

function publicKeyOf(coordinator: Uint8Array): KeyObject {
  const hex = toHex(coordinator);
  const kept = known.get(hex);
  if (kept) return kept;
  const key = createPublicKey({ key: Buffer.concat([SPKI, coordinator]), format: "der", type: "spki" });
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(hex, key);
  return key;
}

/** Whether `signature` is that of the ed25519 key `coordinator` over a receipt's digest. Never throws. */
export function verifyReceiptSignature(coordinator: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  if (coordinator.length !== 32 || signature.length !== 64) return false;
  try {
    return verify(null, digest, publicKeyOf(coordinator), signature);
  } catch {
    // No point of the curve.
    return false;
  }
}

/** A receipt whose own bytes hold together and whose coordinator signed them. */
export type OpenedReceipt = { receipt: Receipt; digest: Uint8Array };

/** What a signed receipt says; refuses one that is malformed or not signed by the key that it names, in one line. */
export function openReceipt(bytes: Uint8Array, signature: Uint8Array): Result<OpenedReceipt, string> {
  const decoded = decodeReceipt(bytes);
  if (!decoded.ok) return decoded;
  const digest = receiptDigest(bytes);
  if (verifyReceiptSignature(decoded.value.coordinator, digest, signature))
    return ok({ receipt: decoded.value, digest });
  return err("the signature is not that of the coordinator at byte 33 over these bytes");
}

/** A receipt with its signature, as bytes. */
export type SignedReceipt = { bytes: Uint8Array; signature: Uint8Array };

/**
 * What the receipts of a page say, in order. Where each follows the one before, the signature of the last covers them all
 * by the digests in between: then it is verified, and that of `spot`, instead of every one. Else each by itself.
 */
export function openPage(page: readonly SignedReceipt[], spot: number): Result<OpenedReceipt, string>[] {
  const each = () => page.map(({ bytes, signature }) => openReceipt(bytes, signature));
  const opened: OpenedReceipt[] = [];
  for (const { bytes } of page) {
    const decoded = decodeReceipt(bytes);
    const before = opened.at(-1);
    if (!decoded.ok || (before && Buffer.compare(decoded.value.previous, before.digest) !== 0)) return each();
    opened.push({ receipt: decoded.value, digest: receiptDigest(bytes) });
  }
  const isSigned = (at: number): boolean => {
    const [one, signed] = [opened[at], page[at]];
    return !one || !signed || verifyReceiptSignature(one.receipt.coordinator, one.digest, signed.signature);
  };
  return isSigned(page.length - 1) && isSigned(spot) ? opened.map(ok) : each();
}

/** The last receipt of a chain; `seq` 0 and a digest of zeros where it has none yet. */
export type ChainHead = { seq: bigint; digest: Uint8Array };
export const EMPTY_CHAIN: ChainHead = { seq: 0n, digest: new Uint8Array(32) };

/** Why a receipt is not the next of a chain, naming the byte of the field; undefined where it is. */
export function brokenLink(head: ChainHead, receipt: Receipt): string | undefined {
  if (receipt.seq !== head.seq + 1n) return `seq ${receipt.seq} at byte 81 follows ${head.seq}`;
  if (Buffer.compare(receipt.previous, head.digest) === 0) return undefined;
  return `previous at byte 89 is not the digest of receipt ${head.seq}`;
}

/** The node's word for its chain up to and with `head`: 128 hex digits (BIP-340), 1 ms. */
export const signHead = (nodeSecret: Uint8Array, { seq, digest }: ChainHead, auxRand?: Uint8Array): string =>
  signDigest(nodeSecret, headDigest(seq, digest), auxRand);
/** Whether the node vouches for its chain up to and with `head`. Never throws. */
export const verifyHead = (sig: string, { seq, digest }: ChainHead, node: Pubkey): boolean =>
  verifyDigest(sig, headDigest(seq, digest), node);

const KEY_DOMAIN = "infernet-receipt-key-v1";
const keyMessage = (coordinator: Pubkey, key: string): string => [KEY_DOMAIN, coordinator, key].join("\n");

/** A coordinator's identity certifies the ed25519 key (64 hex digits) of its receipts: 128 hex digits (BIP-340). */
export const signReceiptKey = (
  { secretKey, pubkey }: { secretKey: Uint8Array; pubkey: Pubkey },
  key: string,
  auxRand?: Uint8Array,
): string => signText(secretKey, keyMessage(pubkey, key), auxRand);
/** Whether the identity `coordinator` certified this key. Never throws. */
export const verifyReceiptKey = (sig: string, coordinator: Pubkey, key: string): boolean =>
  verifyText(sig, keyMessage(coordinator, key), coordinator);
