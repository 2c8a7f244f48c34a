// Receipt frames: how a node gets the receipts of what it did and vouches for its chain. The node asks by saying how far
// it vouches (`receipt_head`), the coordinator sends what comes after, a page at a time, and so on. design.md tells why.
import { z } from "zod";
import { hex64Schema, hex128Schema } from "./primitives.ts";

/** Receipts in one frame, which a node answers with one signature. */
export const MAX_RECEIPTS_PER_FRAME = 256;

const RECEIPT = /^[A-Za-z0-9+/]{516}$/;
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/;
/** 387 bytes as base64, without padding needed. */
const receiptBase64 = z.string().regex(RECEIPT, "must be 387 bytes as base64");
/** 64 bytes as base64. */
const signatureBase64 = z.string().regex(SIGNATURE, "must be 64 bytes as base64");

/** A receipt as it travels, and as it is kept in files: its bytes, the coordinator's ed25519 signature, the job's salt. */
export const sealedReceiptSchema = z.object({
  receipt: receiptBase64,
  sig: signatureBase64,
  /** What request and output are hashed with. */
  salt: hex64Schema,
});
export type SealedReceipt = z.infer<typeof sealedReceiptSchema>;

/** In `admitted`, where the coordinator issues receipts: its ed25519 key for them, certified by its identity. */
export const receiptKeySchema = z.object({ key: hex64Schema, sig: hex128Schema });
export type ReceiptKey = z.infer<typeof receiptKeySchema>;

/** Coordinator to node, in order and without a gap; never empty. */
export const receiptsFrame = z.object({
  type: z.literal("receipts"),
  receipts: z.array(sealedReceiptSchema).min(1).max(MAX_RECEIPTS_PER_FRAME),
});
/** How far the node vouches for its chain. Without a signature where it has none yet: `seq` is then 0. */
export const receiptHeadFrame = z.object({
  type: z.literal("receipt_head"),
  seq: z.int().min(0),
  /** Of that receipt; zeros for none. */
  digest: hex64Schema,
  /** BIP-340, over the head digest. */
  sig: hex128Schema.optional(),
});
/** The node does not vouch for this receipt, nor for any after it. */
export const receiptDisputeFrame = z.object({
  type: z.literal("receipt_dispute"),
  seq: z.int().min(1),
  reason: z.string().max(512),
});
export type ReceiptsFrame = z.infer<typeof receiptsFrame>;
export type ReceiptHeadFrame = z.infer<typeof receiptHeadFrame>;
export type ReceiptDisputeFrame = z.infer<typeof receiptDisputeFrame>;

/** What the schema takes, checked by hand: there is one for every job. */
export function isReceiptsFrame(frame: Record<string, unknown>): boolean {
  const { type, receipts } = frame;
  if (type !== "receipts" || !Array.isArray(receipts)) return false;
  return receipts.length > 0 && receipts.length <= MAX_RECEIPTS_PER_FRAME && receipts.every(isSealed);
}
const isSealed = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return false;
  const { receipt, sig, salt } = value as Record<string, unknown>;
  return isText(receipt, RECEIPT) && isText(sig, SIGNATURE) && isText(salt, SALT);
};
const isText = (value: unknown, form: RegExp): boolean => typeof value === "string" && form.test(value);
const SALT = /^[0-9a-f]{64}$/;

/** Seals a receipt for the way. */
export const sealReceipt = (bytes: Uint8Array, signature: Uint8Array, salt: string): SealedReceipt => ({
  receipt: Buffer.from(bytes).toString("base64"),
  sig: Buffer.from(signature).toString("base64"),
  salt,
});
/** The bytes of a sealed receipt that was parsed. */
export const unsealReceipt = ({ receipt, sig }: Pick<SealedReceipt, "receipt" | "sig">) => ({
  bytes: new Uint8Array(Buffer.from(receipt, "base64")),
  signature: new Uint8Array(Buffer.from(sig, "base64")),
});
