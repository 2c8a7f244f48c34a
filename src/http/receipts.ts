// Receipts over HTTP, for clients: those of their account, to be verified without asking anybody.
import { z } from "zod";
import { clientLedger } from "../ledger/ledger.ts";
import { findReceipts, type IssuedReceipt, newestReceipts } from "../ledger/receipts.ts";
import { toHex } from "../lib/hex.ts";
import { uuidSchema } from "../protocol/primitives.ts";
import type { ExportedReceipt } from "../protocol/receipt-export.ts";
import { unsealReceipt } from "../protocol/receipt-frames.ts";
import { receiptJson } from "../protocol/receipt-json.ts";
import { decodeReceipt, receiptDigest } from "../protocol/receipts.ts";
import { type ReceiptArchive, receiptDocument } from "../settlement/receipt-export.ts";
import { errorResponse } from "./errors.ts";
import { check } from "./openai/chat-request.ts";
import type { ClientCall, HttpRoute } from "./routes.ts";

/** In each answer: what to do with it. */
const HOW = {
  command: "infernet receipts verify FILE --request REQUEST --output OUTPUT",
  file: "this answer as it is; the request's body as it was sent; the answer's text, without anything around it",
  digest: 'sha256(t || t || receipt), t = sha256("infernet/cpr/v1"); signature: ed25519 over it, by coordinator.key',
};

export function receiptRoutes(archive: ReceiptArchive): HttpRoute[] {
  return [
    {
      method: "GET",
      path: "/api/v1/jobs/:id/receipt",
      tier: "client",
      scope: "usage:read",
      summary: "The receipts of a job or chat (x-infernet-job), one for each attempt that delivered, signed.",
      handle: (call) => jobReceipts(archive, call),
    },
    {
      method: "GET",
      path: "/api/v1/receipts",
      tier: "client",
      scope: "usage:read",
      summary: "The account's receipts, newest first; pages by cursor.",
      handle: (call) => accountReceipts(archive, call),
    },
  ];
}

async function jobReceipts(archive: ReceiptArchive, { params, caller }: ClientCall): Promise<Response> {
  const id = params.id ?? "";
  const known = uuidSchema.safeParse(id).success;
  const found = known ? await findReceipts(archive, { job: id }, clientLedger(caller.accountId)) : [];
  if (found.length > 0) return Response.json(await answer(archive, found));
  return errorResponse("receipt_not_found", `there is no receipt of a job ${id.slice(0, 64)}`, { param: "id" });
}

const querySchema = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  /** Attempt of the last receipt of the page before. */
  cursor: z.string().max(64).optional(),
});

async function accountReceipts(archive: ReceiptArchive, { query, caller }: ClientCall): Promise<Response> {
  const asked = check(querySchema, Object.fromEntries(query));
  if (!asked.ok) return errorResponse(asked.error.code, asked.error.message, asked.error);
  const { limit, cursor } = asked.value;
  const account = clientLedger(caller.accountId);
  const rows = await newestReceipts(archive, { account, before: cursor, limit: limit + 1 });
  const page = rows.slice(0, limit);
  const next_cursor = rows.length > limit ? (page.at(-1)?.attempt ?? null) : null;
  return Response.json({ object: "list", ...(await answer(archive, page)), next_cursor });
}

/** The receipts of a job as one document for `receipts verify`; undefined where there are none. */
export async function jobReceiptDocument(
  archive: ReceiptArchive,
  job: string,
  options: { salts: boolean },
): Promise<object | undefined> {
  const found = await findReceipts(archive, { job });
  return found.length === 0 ? undefined : await answer(archive, found, options);
}

/** A document that `receipts verify` takes, and what people want to see of each receipt. */
async function answer(archive: ReceiptArchive, issued: readonly IssuedReceipt[], options = { salts: true }) {
  const inOrder = [...issued].sort((a, b) => (a.node === b.node ? a.seq - b.seq : a.node < b.node ? -1 : 1));
  const document = await receiptDocument(archive, inOrder, options);
  return {
    ...document,
    receipts: document.receipts.map((receipt, i) => ({
      ...receipt,
      ...described(receipt),
      verified_as: inOrder[i]?.countersigned ? "countersigned" : "coordinator-only",
    })),
    verify: HOW,
  };
}

function described(sealed: ExportedReceipt) {
  const { bytes } = unsealReceipt(sealed);
  const receipt = decodeReceipt(bytes);
  return { digest: toHex(receiptDigest(bytes)), decoded: receipt.ok ? receiptJson(receipt.value) : null };
}
