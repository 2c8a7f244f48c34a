// Receipt export: receipts as files, to be verified on any machine. JSON lines: first whose receipts follow, then heads,
// payouts and receipts in order; and the same as one JSON document, which the API answers with.
import { z } from "zod";
import { hex64Schema, hex128Schema, pubkeySchema } from "./primitives.ts";
import { receiptKeySchema, sealedReceiptSchema } from "./receipt-frames.ts";

/** Longest line of an export. */
export const MAX_EXPORT_LINE_CHARS = 64 * 1024;

const seqSchema = z.int().min(1);
const payoutId = z.string().regex(/^[0-9a-f]{1,64}$/);

/** Whose receipts follow. */
export const exportedCoordinatorSchema = z.object({
  /** The coordinator's identity, and its certified key for receipts. */
  pubkey: pubkeySchema,
  ...receiptKeySchema.shape,
  /** Each chain is here without a gap, so that one is a fault. */
  whole: z.boolean().optional(),
});
/** How far a node vouches for its chain: covers the receipt of that digest and every one before it. */
export const exportedHeadSchema = z.object({ seq: seqSchema, digest: hex64Schema, sig: hex128Schema });
/** What was paid by one transaction. `root`: over the digests of its receipts by number. */
export const exportedPayoutSchema = z.object({
  id: payoutId,
  node: pubkeySchema,
  root: hex64Schema,
  receipts: z.int().min(1),
  /** Of the transaction, base58; null until it is final. */
  transaction: z.string().max(128).nullable(),
});
export const exportedReceiptSchema = sealedReceiptSchema.partial({ salt: true }).extend({
  /** `<job id>.<attempt number>`, the model's name, and what pays it: for people, not signed. */
  attempt: z.string().max(64).optional(),
  model: z.string().max(256).optional(),
  payout: payoutId.optional(),
  /** Where not all receipts of the payout are here: this one's place in its tree. */
  proof: z.object({ index: z.int().min(0), path: z.array(hex64Schema).max(64) }).optional(),
});
export type ExportedReceipt = z.infer<typeof exportedReceiptSchema>;
export type ExportedHead = z.infer<typeof exportedHeadSchema>;
export type ExportedPayout = z.infer<typeof exportedPayoutSchema>;
export type ExportedCoordinator = z.infer<typeof exportedCoordinatorSchema>;

/** `t` is written first: by it a file of lines is known from a document. */
export const exportLineSchema = z.discriminatedUnion("t", [
  z.object({ t: z.literal("coordinator"), ...exportedCoordinatorSchema.shape }),
  z.object({ t: z.literal("head"), ...exportedHeadSchema.shape }),
  z.object({ t: z.literal("payout"), ...exportedPayoutSchema.shape }),
  z.object({ t: z.literal("receipt"), ...exportedReceiptSchema.shape }),
  /** In a node's own file: it did not vouch for this one. */
  z.object({ t: z.literal("disputed"), ...sealedReceiptSchema.shape, reason: z.string().max(4096) }),
]);
export type ExportLine = z.infer<typeof exportLineSchema>;

/** The same as one document. What else is in it, such as the decoded receipts, is for people. */
export const exportDocumentSchema = z.object({
  coordinator: exportedCoordinatorSchema,
  heads: z.array(exportedHeadSchema).max(100_000).default([]),
  payouts: z.array(exportedPayoutSchema).max(100_000).default([]),
  receipts: z.array(exportedReceiptSchema).max(100_000),
});
export type ExportDocument = z.infer<typeof exportDocumentSchema>;

/** A document's lines. */
export const linesOf = ({ coordinator, heads, payouts, receipts }: ExportDocument): ExportLine[] => [
  { t: "coordinator", ...coordinator },
  ...heads.map((head): ExportLine => ({ t: "head", ...head })),
  ...payouts.map((payout): ExportLine => ({ t: "payout", ...payout })),
  ...receipts.map((receipt): ExportLine => ({ t: "receipt", ...receipt })),
];
