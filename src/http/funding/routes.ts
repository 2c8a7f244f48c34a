// Funding routes: how money comes in. Only those that the configuration offers are there.
import type { Db } from "../../db/open.ts";
import type { Funding } from "../../settlement/funding.ts";
import type { ChatDeps } from "../openai/chat-completions.ts";
import { chatRequestSchema } from "../openai/chat-request.ts";
import type { HttpRoute } from "../routes.ts";
import {
  type AllowanceHttpDeps,
  deleteAllowance,
  newAllowanceSchema,
  putAllowance,
  showAllowance,
} from "./allowance.ts";
import { askingTheChain } from "./asking-the-chain.ts";
import { getDeposit, getDepositCode, getDeposits, newDepositSchema, postDeposit } from "./deposit.ts";
import { oracleRoutes } from "./oracle.ts";
import { prepaidChat } from "./prepaid-chat.ts";

export type FundingHttpDeps = Omit<AllowanceHttpDeps, "funding"> & {
  funding: Funding;
  db: Db;
  chat: ChatDeps;
  publicUrl: () => string;
};

export function fundingRoutes(deps: FundingHttpDeps): HttpRoute[] {
  const { deposits, prepaid, oracle } = deps.funding;
  return [
    ...allowanceRoutes(deps),
    ...(deposits ? depositRoutes({ deposits }) : []),
    ...(prepaid ? prepaidRoutes(deps, prepaid) : []),
    ...(oracle ? oracleRoutes(deps.db) : []),
  ];
}

const allowanceRoutes = (deps: FundingHttpDeps): HttpRoute[] => [
  {
    method: "GET",
    path: "/api/v1/funding/allowance",
    tier: "client",
    scope: "funding",
    summary:
      "What to approve on the chain so that a token account of one's own pays, and the allowance that is there. With wallet=…&deposit=…&cap=… a transaction to sign; with wallet=…&token_account=… the text that proves whose it is.",
    handle: (call) => askingTheChain(() => showAllowance(deps, call)),
  },
  {
    method: "POST",
    path: "/api/v1/funding/allowance",
    tier: "client",
    scope: "funding",
    summary: "Has a token account pay for the account; its wallet signed the proof.",
    body: newAllowanceSchema,
    handle: (call) => askingTheChain(() => putAllowance(deps, call)),
  },
  {
    method: "DELETE",
    path: "/api/v1/funding/allowance",
    tier: "client",
    scope: "funding",
    summary: "Ends the allowance, once everything used is paid. Revoking the approval is the wallet's.",
    handle: (call) => askingTheChain(() => deleteAllowance(deps, call)),
  },
];

const depositRoutes = (deps: { deposits: NonNullable<Funding["deposits"]> }): HttpRoute[] => [
  {
    method: "POST",
    path: "/api/v1/funding/deposits",
    tier: "client",
    scope: "funding",
    summary: "Asks for a payment into the operator's treasury (custodial): a Solana Pay URL and its QR code.",
    body: newDepositSchema,
    example: { amount_micro_usd: 5_000_000 },
    handle: (call) => postDeposit(deps, call),
  },
  {
    method: "GET",
    path: "/api/v1/funding/deposits",
    tier: "client",
    scope: "funding",
    summary: "The account's requests for deposits, newest first.",
    handle: (call) => getDeposits(deps, call),
  },
  {
    method: "GET",
    path: "/api/v1/funding/deposits/:reference",
    tier: "client",
    scope: "funding",
    summary: "A request for a deposit with what was paid; looks at the chain first.",
    handle: (call) => askingTheChain(() => getDeposit(deps, call)),
  },
  ...(["svg", "png"] as const).map(
    (format): HttpRoute => ({
      method: "GET",
      path: `/api/v1/funding/deposits/:reference/qr.${format}`,
      tier: "client",
      scope: "funding",
      summary: `The QR code of a request for a deposit, ${format.toUpperCase()}.`,
      answers: format === "svg" ? "image/svg+xml" : "image/png",
      handle: (call) => getDepositCode(deps, call, format),
    }),
  ),
];

const prepaidRoutes = (deps: FundingHttpDeps, prepaid: NonNullable<Funding["prepaid"]>): HttpRoute[] => [
  {
    method: "POST",
    path: "/x402/v1/chat/completions",
    tier: "public",
    summary:
      "A chat's next message (OpenAI), paid for with the request itself and without an account (x402 version 2, scheme exact). The price is final.",
    body: chatRequestSchema,
    streams: true,
    example: { model: "MODEL", messages: [{ role: "user", content: "What is infernet?" }], max_tokens: 256 },
    handle: (call) => askingTheChain(() => prepaidChat({ ...deps, prepaid }, call)),
  },
];
