// `/api/v1/funding/deposits`: requests to pay into the treasury, as a Solana Pay URL and as a QR code of it.
import { z } from "zod";
import {
  checkDeposit,
  type DepositDeps,
  depositOf,
  listDeposits,
  requestDeposit,
  type TooManyDeposits,
} from "../../settlement/deposits.ts";
import type { DepositPaymentRow, DepositRow } from "../../settlement/funding-schema.ts";
import { decimalText, paymentUrl, qrPng, qrSvg } from "../../settlement/payment-url.ts";
import type { Address } from "../../solana/chain.ts";
import { errorResponse } from "../errors.ts";
import { check, parseJson } from "../openai/chat-request.ts";
import type { ClientCall } from "../routes.ts";
import { fundedOtherwise } from "./allowance.ts";

export type DepositHttpDeps = { deposits: DepositDeps };

export const newDepositSchema = z.strictObject({
  /** µ$; left out: the payer decides. */
  amount_micro_usd: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
});

export async function postDeposit({ deposits }: DepositHttpDeps, call: ClientCall): Promise<Response> {
  const text = await call.body();
  const json = parseJson(text.trim() === "" ? "{}" : text);
  if (!json.ok) return errorResponse(json.error.code, json.error.message, json.error);
  const body = check(newDepositSchema, json.value);
  if (!body.ok) return errorResponse("invalid_value", body.error.message, { param: body.error.param });
  const { amount_micro_usd: amount } = body.value;
  const { accountId } = call.caller;
  const asked = await requestDeposit(deposits, { accountId, amount: amount === undefined ? null : BigInt(amount) });
  if (!asked.ok)
    return asked.error.code === "too_many_deposits" ? tooMany(asked.error) : fundedOtherwise(asked.error.funding);
  return Response.json(view(deposits, asked.value, []), { status: 201 });
}

const tooMany = ({ most }: TooManyDeposits): Response =>
  errorResponse(
    "too_many_deposits",
    `this account has ${most} requests for deposits open; use one, or wait until they expire`,
  );

const MOST_LISTED = 100;

export async function getDeposits({ deposits }: DepositHttpDeps, { caller }: ClientCall): Promise<Response> {
  const rows = await listDeposits(deposits, caller.accountId, MOST_LISTED);
  return Response.json({ deposits: rows.map((row) => view(deposits, row, [])) });
}

/** One request; asks the chain first whether it was paid. */
export async function getDeposit({ deposits }: DepositHttpDeps, call: ClientCall): Promise<Response> {
  const { accountId } = call.caller;
  const reference = call.params.reference ?? "";
  const known = await depositOf(deposits, accountId, reference);
  if (!known) return unknown();
  await checkDeposit(deposits, known.deposit);
  const now = (await depositOf(deposits, accountId, reference)) ?? known;
  return Response.json(view(deposits, now.deposit, now.payments));
}

const unknown = () =>
  errorResponse("deposit_not_found", "this account has no deposit of that reference", { param: "reference" });

/** The code that a phone's wallet reads. */
export async function getDepositCode(
  { deposits }: DepositHttpDeps,
  call: ClientCall,
  format: "svg" | "png",
): Promise<Response> {
  const known = await depositOf(deposits, call.caller.accountId, call.params.reference ?? "");
  if (!known) return unknown();
  const url = depositUrl(deposits, known.deposit);
  return format === "svg"
    ? new Response(await qrSvg(url), { headers: { "content-type": "image/svg+xml" } })
    : new Response(await qrPng(url), { headers: { "content-type": "image/png" } });
}

const DECIMALS = 6;

/** Solana Pay: what a phone's wallet reads, and what the code says. */
export const depositUrl = ({ chain, treasury }: DepositDeps, { reference, amount }: DepositRow): string =>
  paymentUrl({
    ...{ recipient: treasury, mint: chain.mint, decimals: DECIMALS, reference: reference as Address },
    amount: amount === null ? null : BigInt(amount),
    label: "infernet",
    message: "Credit for inference, held by the operator (custodial)",
  });

const view = (deposits: DepositDeps, row: DepositRow, payments: readonly DepositPaymentRow[]) => ({
  reference: row.reference,
  url: depositUrl(deposits, row),
  qr_svg: `/api/v1/funding/deposits/${row.reference}/qr.svg`,
  qr_png: `/api/v1/funding/deposits/${row.reference}/qr.png`,
  /** The operator's wallet holds what is paid in. */
  custodial: true,
  treasury: deposits.treasury,
  mint: deposits.chain.mint,
  amount_micro_usd: row.amount,
  amount: row.amount === null ? null : decimalText(BigInt(row.amount), DECIMALS),
  created_ms: row.createdMs,
  expires_ms: row.expiresMs,
  payments: payments.map(({ signature, slot, amount, refused, seenMs }) => ({
    signature,
    slot,
    amount_micro_usd: amount,
    /** Why it was not credited; null where it was. */
    refused,
    seen_ms: seenMs,
  })),
});
