// Receipt JSON: a receipt as people and programs read it. For display: what is signed is the 387 bytes.
import { toHex } from "../lib/hex.ts";
import type { Receipt } from "./receipts.ts";

/** Bytes are lower-case hex, integers past 32 bits are decimal strings, the job id is written as a UUID. */
export type ReceiptJson = ReturnType<typeof receiptJson>;

export const receiptJson = (receipt: Receipt) => ({
  version: receipt.version,
  genesis: toHex(receipt.genesis),
  coordinator: toHex(receipt.coordinator),
  job_id: jobIdText(receipt.jobId),
  seq: String(receipt.seq),
  previous: toHex(receipt.previous),
  node: toHex(receipt.node),
  node_wallet: toHex(receipt.nodeWallet),
  client: toHex(receipt.client),
  mint: toHex(receipt.mint),
  gross: String(receipt.gross),
  node_amount: String(receipt.nodeAmount),
  fee: String(receipt.fee),
  fee_bps: receipt.feeBps,
  prompt_tokens: receipt.promptTokens,
  completion_tokens: receipt.completionTokens,
  model_hash: toHex(receipt.modelHash),
  request_hash: toHex(receipt.requestHash),
  output_hash: toHex(receipt.outputHash),
  finished_at_ms: String(receipt.finishedAtMs),
});

/** 16 bytes as a UUID is written (RFC 9562 §4). */
export function jobIdText(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
