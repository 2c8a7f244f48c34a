// Receipts: the Compute Payment Receipt (CPR) v1, 387 bytes that say who computed what for whom and for how much, its
// digest, and the digest of a chain's head. design.md tells what a receipt proves, and what it does not.
import { fromHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Delta } from "./generation.ts";

/** One settled attempt. All amounts are µ$, which are base units of the mint where there is one. */
export type Receipt = {
  version: 1;
  /** Genesis hash of the chain it settles on; zero off chain. 32 bytes, as every field of bytes but `jobId`. */
  genesis: Uint8Array;
  /** The ed25519 key that signs the coordinator's receipts. */
  coordinator: Uint8Array;
  /** The job's UUIDv7, 16 bytes. */
  jobId: Uint8Array;
  /** Number of this receipt among those of its node at this coordinator, from 1. */
  seq: bigint;
  /** Digest of the node's receipt before; zero for its first. */
  previous: Uint8Array;
  /** The node's x-only key (BIP-340). */
  node: Uint8Array;
  /** Where the node is paid; zero where it named none. */
  nodeWallet: Uint8Array;
  /** The client: sha256 of its account's id off chain, the account that pays on chain. */
  client: Uint8Array;
  /** The token it is paid in; zero off chain. */
  mint: Uint8Array;
  gross: bigint;
  nodeAmount: bigint;
  fee: bigint;
  /** The platform's share in hundredths of a percent. */
  feeBps: number;
  promptTokens: number;
  completionTokens: number;
  /** sha256 of the model's digest, or of its name where none is known. */
  modelHash: Uint8Array;
  /** sha256 of the job's salt and the request's bytes. */
  requestHash: Uint8Array;
  /** sha256 of the job's salt and the output's bytes (`hashDelta`). */
  outputHash: Uint8Array;
  /** Milliseconds since the Unix epoch. */
  finishedAtMs: bigint;
};

export const RECEIPT_BYTES = 387;
/** `previous` of a node's first receipt, and what stands where there is no chain, mint or wallet. */
export const ZERO_32: Uint8Array = new Uint8Array(32);
const BPS = 10_000n;

type Field =
  | { name: keyof Receipt; at: number; size: number; kind: "bytes" }
  | { name: keyof Receipt; at: number; size: 8; kind: "bigint" }
  | { name: keyof Receipt; at: number; size: 1 | 2 | 4; kind: "number" };

/** The layout, in order: what stands at which byte. Integers are unsigned and little-endian. */
export const RECEIPT_FIELDS: readonly Field[] = [
  { name: "version", at: 0, size: 1, kind: "number" },
  { name: "genesis", at: 1, size: 32, kind: "bytes" },
  { name: "coordinator", at: 33, size: 32, kind: "bytes" },
  { name: "jobId", at: 65, size: 16, kind: "bytes" },
  { name: "seq", at: 81, size: 8, kind: "bigint" },
  { name: "previous", at: 89, size: 32, kind: "bytes" },
  { name: "node", at: 121, size: 32, kind: "bytes" },
  { name: "nodeWallet", at: 153, size: 32, kind: "bytes" },
  { name: "client", at: 185, size: 32, kind: "bytes" },
  { name: "mint", at: 217, size: 32, kind: "bytes" },
  { name: "gross", at: 249, size: 8, kind: "bigint" },
  { name: "nodeAmount", at: 257, size: 8, kind: "bigint" },
  { name: "fee", at: 265, size: 8, kind: "bigint" },
  { name: "feeBps", at: 273, size: 2, kind: "number" },
  { name: "promptTokens", at: 275, size: 4, kind: "number" },
  { name: "completionTokens", at: 279, size: 4, kind: "number" },
  { name: "modelHash", at: 283, size: 32, kind: "bytes" },
  { name: "requestHash", at: 315, size: 32, kind: "bytes" },
  { name: "outputHash", at: 347, size: 32, kind: "bytes" },
  { name: "finishedAtMs", at: 379, size: 8, kind: "bigint" },
];

/** Throws a RangeError on what does not fit its field: a fault of the caller, never of a stranger. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const bytes = new Uint8Array(RECEIPT_BYTES);
  const view = new DataView(bytes.buffer);
  for (const { name, at, size, kind } of RECEIPT_FIELDS) {
    const value = receipt[name];
    if (kind === "bytes") {
      if (!(value instanceof Uint8Array) || value.length !== size) throw new RangeError(`${name} is not ${size} bytes`);
      bytes.set(value, at);
    } else if (kind === "bigint") {
      if (typeof value !== "bigint" || value !== BigInt.asUintN(64, value)) throw new RangeError(`${name} is no u64`);
      view.setBigUint64(at, value, true);
    } else {
      if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
        throw new RangeError(`${name} is no u${8 * size}`);
      }
      if (size === 1) view.setUint8(at, value);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
    }
  }
  return bytes;
}

/**
 * What the bytes say, each field a copy of its own. Refuses another length or version, and a split that is not the one
 * its gross and share give, naming the byte where the wrong field begins.
 */
export function decodeReceipt(bytes: Uint8Array): Result<Receipt, string> {
  if (bytes.length !== RECEIPT_BYTES) return err(`${bytes.length} bytes; a receipt has ${RECEIPT_BYTES}`);
  if (bytes[0] !== 1) return err(`version ${bytes[0]} at byte 0; only 1 is known`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const receipt: Receipt = {
    version: 1,
    genesis: bytes.slice(1, 33),
    coordinator: bytes.slice(33, 65),
    jobId: bytes.slice(65, 81),
    seq: view.getBigUint64(81, true),
    previous: bytes.slice(89, 121),
    node: bytes.slice(121, 153),
    nodeWallet: bytes.slice(153, 185),
    client: bytes.slice(185, 217),
    mint: bytes.slice(217, 249),
    gross: view.getBigUint64(249, true),
    nodeAmount: view.getBigUint64(257, true),
    fee: view.getBigUint64(265, true),
    feeBps: view.getUint16(273, true),
    promptTokens: view.getUint32(275, true),
    completionTokens: view.getUint32(279, true),
    modelHash: bytes.slice(283, 315),
    requestHash: bytes.slice(315, 347),
    outputHash: bytes.slice(347, 379),
    finishedAtMs: view.getBigUint64(379, true),
  };
  const wrong = wrongSplit(receipt);
  return wrong ? err(wrong) : ok(receipt);
}

/** What is wrong with the numbers among themselves, if anything. */
function wrongSplit({ gross, nodeAmount, fee, feeBps, seq }: Receipt): string | undefined {
  if (seq === 0n) return "seq 0 at byte 81; a chain begins with 1";
  if (feeBps > Number(BPS)) return `fee of ${feeBps} bps at byte 273; at most ${BPS}`;
  const right = splitGross(gross, feeBps);
  if (fee !== right.fee) return `fee ${fee} at byte 265; ${feeBps} bps of ${gross} are ${right.fee}`;
  if (nodeAmount !== right.nodeAmount)
    return `node amount ${nodeAmount} at byte 257; ${right.nodeAmount} are left of ${gross}`;
  return undefined;
}

const tag = (label: string): Uint8Array => {
  const once = sha256(new TextEncoder().encode(label));
  const twice = new Uint8Array(64);
  twice.set(once);
  twice.set(once, 32);
  return twice;
};
/** Twice the hash of its label goes before what is hashed (BIP-340 §Design, tagged hashes). */
const RECEIPT_TAG = tag("infernet/cpr/v1");
const HEAD_TAG = tag("infernet/cpr-head/v1");

function sha256(...parts: Uint8Array[]): Uint8Array {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const part of parts) hasher.update(part);
  return new Uint8Array(hasher.digest());
}

/** What the coordinator signs, and what the next receipt of the node names as its previous: sha256(t‖t‖bytes). */
export const receiptDigest = (bytes: Uint8Array): Uint8Array => sha256(RECEIPT_TAG, bytes);

/** What the node signs for its chain up to and with receipt `seq`: sha256(t'‖t'‖seq as u64‖digest of that receipt). */
export function headDigest(seq: bigint, digest: Uint8Array): Uint8Array {
  const head = new Uint8Array(40);
  new DataView(head.buffer).setBigUint64(0, seq, true);
  head.set(digest, 8);
  return sha256(HEAD_TAG, head);
}

/** Takes text as UTF-8. */
export type TextHasher = { update(text: string): unknown };

/** What a job's hashes are salted with, always the same: HMAC-SHA256 of the 16 bytes of its id. */
export const jobSalt = (key: Uint8Array, jobId: string): Uint8Array =>
  new Uint8Array(new Bun.CryptoHasher("sha256", key).update(fromHex(jobId.replaceAll("-", ""))).digest());

/** The beginning of a request's or an output's hash; `hashDelta` or the request's bytes follow. */
export const saltedHasher = (salt: Uint8Array): Bun.CryptoHasher => new Bun.CryptoHasher("sha256").update(salt);

/**
 * Adds a delta to an output's hash: its content, reasoning, refusal, each tool call's name and arguments, then its
 * embedding, as UTF-8 with nothing in between. So an answer of nothing but text hashes as that text, however it was cut
 * into deltas, and both ends of a link come to the same.
 */
export function hashDelta(hasher: TextHasher, delta: Delta): void {
  if (delta.content) hasher.update(delta.content);
  if (delta.reasoning_content) hasher.update(delta.reasoning_content);
  if (delta.refusal) hasher.update(delta.refusal);
  if (delta.tool_calls) {
    for (const { function: called } of delta.tool_calls) {
      if (called?.name) hasher.update(called.name);
      if (called?.arguments) hasher.update(called.arguments);
    }
  }
  if (delta.embedding) hasher.update(delta.embedding);
}

/** sha256 of a text's UTF-8: `modelHash`, and `client` off chain. */
export const textHash = (text: string): Uint8Array => sha256(new TextEncoder().encode(text));

/** The fee is rounded down; the node gets the rest. */
export function splitGross(gross: bigint, feeBps: number): { fee: bigint; nodeAmount: bigint } {
  const fee = (gross * BigInt(feeBps)) / BPS;
  return { fee, nodeAmount: gross - fee };
}

/** What so many tokens cost at prices in µ$ per million tokens, rounded up once. */
export function grossOf(
  promptTokens: number,
  completionTokens: number,
  priceInput: number,
  priceOutput: number,
): bigint {
  const parts = BigInt(promptTokens) * BigInt(priceInput) + BigInt(completionTokens) * BigInt(priceOutput);
  return (parts + 999_999n) / 1_000_000n;
}
