// Payouts: what a coordinator tells a node of its earnings and payouts. Amounts are µ$, which on the chain are base units.
import { z } from "zod";
import { hex32Schema, hex64Schema, hex128Schema } from "./primitives.ts";

const amount = z.int().min(0);
const timeMs = z.int().min(0);
/** Base58 of 32 bytes. */
const addressText = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, "must be an address in base58");
const signatureText = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{64,90}$/, "must be a signature in base58");

/** Source of what the network's treasury pays; all others are token accounts of clients. */
export const TREASURY_SOURCE = "treasury";

/** Receipts of one payout. */
export const MAX_RECEIPTS = 10_000;

export const payoutSchema = z.object({
  id: hex32Schema,
  /** `sending`: due, and a transaction of it may land. */
  state: z.enum(["planned", "due", "sending", "stuck", "paid", "written_off"]),
  node_amount: amount,
  fee: amount,
  receipts: z.int().min(0).max(MAX_RECEIPTS),
  /** Merkle root over the digests of its receipts, by number. */
  root: hex64Schema,
  wallet: addressText,
  /** Each source's part. */
  legs: z
    .array(z.object({ source: addressText.or(z.literal(TREASURY_SOURCE)), node_amount: amount, fee: amount }))
    .max(256),
  /** Why it is stuck or was written off. */
  reason: z.string().max(1024).nullable(),
  /** What went wrong last. */
  trouble: z.string().max(1024).nullable(),
  created_ms: timeMs,
  ended_ms: timeMs.nullable(),
  /** The transaction that paid it; while it is `sending`, the one that may. */
  signature: signatureText.nullable(),
});
export type PayoutJson = z.output<typeof payoutSchema>;

export const earningsSchema = z.object({
  /** How jobs are charged; `off`: nothing is earned. */
  billing: z.enum(["off", "credits", "solana"]),
  /** Whether earnings are paid out on the chain; else its admin settles them outside. */
  on_chain: z.boolean(),
  coin: z.string().max(16),
  network: z.string().max(64),
  /** Least that a payout pays. */
  minimum: amount,
  wallet: z.string().max(128).nullable(),
  total: z.object({ unpaid: amount, in_payout: amount, stuck: amount, paid: amount }),
  rows: z
    .array(
      z.object({
        day: z.string().regex(/^\d{4}-\d\d-\d\d$/),
        model: z.string().max(512),
        receipts: z.int().min(0),
        gross: amount,
        node_amount: amount,
        fee: amount,
      }),
    )
    .max(1_000),
});
export type EarningsJson = z.output<typeof earningsSchema>;

export const preparedSchema = z.object({
  /** base58. */
  genesis: addressText,
  mint: addressText,
  coin: z.string().max(16),
  network: z.string().max(64),
  /** The ed25519 key of the coordinator's receipts, certified by its identity. */
  receipt_key: z.object({ key: hex64Schema, sig: hex128Schema }),
  /** Waiting for the node's agreement. */
  planned: z.array(payoutSchema).max(1_000),
  /** Earlier ones that have not ended. */
  open: z.array(payoutSchema).max(1_000),
  /** Why nothing was planned, where nothing was. */
  nothing: z
    .object({
      code: z.enum(["nothing_unpaid", "below_minimum", "settled_otherwise", "earlier_waits"]),
      unpaid: amount,
      minimum: amount,
    })
    .nullable(),
});
export type PreparedJson = z.output<typeof preparedSchema>;

/** Receipts of one page. */
export const MAX_RECEIPTS_PAGE = 500;
const base64 = (bytes: number) => z.base64().max(Math.ceil(bytes / 3) * 4);
export const payoutReceiptsSchema = z.object({
  receipts: z
    .array(z.object({ seq: z.int().min(1), bytes: base64(387), signature: base64(64) }))
    .max(MAX_RECEIPTS_PAGE),
});

export const prepareBodySchema = z.object({ wallet: addressText });
export const receiptsBodySchema = z.object({
  after: z.int().min(0).default(0),
  limit: z.int().min(1).max(MAX_RECEIPTS_PAGE).default(MAX_RECEIPTS_PAGE),
});
export const acknowledgeBodySchema = z.object({ sig: hex128Schema });
export const earningsBodySchema = z.object({ days: z.int().min(1).max(3_660).default(30) });
/** The newest first. */
export const payoutsSchema = z.object({ payouts: z.array(payoutSchema).max(500) });
export const payoutsBodySchema = z.object({ limit: z.int().min(1).max(500).default(50) });
