// x402: how a request is paid for with the request itself (x402 specification version 2, HTTP transport; scheme `exact` on
// Solana). What goes over the wire is JSON in base64, in headers.
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";

/** Server to client, with a 402. */
export const REQUIRED_HEADER = "payment-required";
/** Client to server. */
export const SIGNATURE_HEADER = "payment-signature";
/** Server to client: what came of the payment. */
export const RESPONSE_HEADER = "payment-response";
export const X402_VERSION = 2;

/** Longest header that is read, in characters: a transaction has at most 1,644, the rest is its wrapping. */
const MAX_HEADER = 16_384;

export type Resource = { url: string; description: string; mimeType: string };
/** One way to pay. Amounts are base units of the asset, in decimal. */
export type Requirements = {
  scheme: "exact";
  /** CAIP-2: `solana:` and the first 32 characters of the genesis hash. */
  network: string;
  amount: string;
  asset: string;
  payTo: string;
  maxTimeoutSeconds: number;
  /** Who pays for the transaction itself; must be its fee payer. */
  extra: { feePayer: string };
};
export type PaymentRequired = {
  x402Version: typeof X402_VERSION;
  error: string;
  resource: Resource;
  accepts: Requirements[];
};

/** As CAIP-2 names a cluster. */
export const networkOf = (genesisHash: string): string => `solana:${genesisHash.slice(0, 32)}`;

/** What a client chose and signed. More fields than these may come along. */
export const paymentPayloadSchema = z.object({
  x402Version: z.literal(X402_VERSION),
  accepted: z.object({
    scheme: z.string().max(64),
    network: z.string().max(128),
    amount: z.string().max(32),
    asset: z.string().max(64),
    payTo: z.string().max(64),
  }),
  /** Partially signed, base64: all but the fee payer's signature. */
  payload: z.object({ transaction: z.string().min(1).max(2048) }),
});
export type PaymentPayload = z.output<typeof paymentPayloadSchema>;

/** What came of a payment. `transaction`: its signature, "" where none landed. */
export type SettlementResponse = {
  success: boolean;
  transaction: string;
  network: string;
  payer?: string;
  /** What was paid, which is final: nothing of it is given back. */
  amount?: string;
  errorReason?: string;
};

/** A header's value. */
export const headerOf = (value: PaymentRequired | SettlementResponse): string =>
  Buffer.from(JSON.stringify(value)).toString("base64");

/** What a client's header says; the error in one line. */
export function readPayment(header: string): Result<PaymentPayload, string> {
  if (header.length > MAX_HEADER) return err(`longer than ${MAX_HEADER} characters`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, "base64").toString("utf8"));
  } catch {
    return err("no JSON in base64");
  }
  const parsed = paymentPayloadSchema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  return err(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit"}`);
}
