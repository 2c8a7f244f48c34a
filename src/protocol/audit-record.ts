// The audit record: what the hash of one entry of the audit log covers. Each record's hash covers the one before, so
// that nothing can be changed, left out or put in between without every later hash telling. hash = sha256 over
//   "infernet-audit-v1\n"
//   previous hash (32 bytes; zeros before the first)
//   sequence number (8 bytes, big-endian; 1 is the first) · time in ms since 1970 (8 bytes, big-endian)
//   then actor, action, subject, before, after, from: each its length in bytes (4 bytes, big-endian) and its UTF-8
// The six texts are those that are stored, byte for byte: `before` and `after` are JSON texts and not parsed again.
import { fromHex } from "../lib/hex.ts";

const DOMAIN = "infernet-audit-v1\n";
/** What stands for the hash before the first record. */
export const NO_AUDIT_HASH = "0".repeat(64);

export type AuditRecord = {
  /** 1 is the first; no number is left out. */
  seq: number;
  atMs: number;
  /** Who did it: `user/<id>`, `key/<id>`, `node/<pubkey>`, `local`, `system`. */
  actor: string;
  action: string;
  /** What it was done to. */
  subject: string;
  /** JSON of how it was, and how it is now; `null` where there is nothing to say. */
  before: string;
  after: string;
  /** The network address it came from; empty where it came from none. */
  from: string;
  /** The hash of the record before, 64 hex digits. */
  previous: string;
};

/** 64 hex digits. Throws where a number is no whole one of 0 or more, or `previous` is no hash. */
export function auditHash(record: AuditRecord): string {
  const { seq, atMs, actor, action, subject, before, after, from } = record;
  const previous = fromHex(record.previous);
  if (previous.length !== 32) throw new RangeError("the previous hash must have 32 bytes");
  const hasher = new Bun.CryptoHasher("sha256").update(DOMAIN);
  hasher.update(previous).update(unsigned(seq, 8)).update(unsigned(atMs, 8));
  for (const text of [actor, action, subject, before, after, from]) {
    const bytes = Buffer.from(text);
    hasher.update(unsigned(bytes.length, 4)).update(bytes);
  }
  return hasher.digest("hex");
}

function unsigned(value: number, bytes: 4 | 8): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("a number of a record is no whole one");
  const out = new Uint8Array(bytes);
  const view = new DataView(out.buffer);
  if (bytes === 8) view.setBigUint64(0, BigInt(value));
  else view.setUint32(0, value);
  return out;
}
