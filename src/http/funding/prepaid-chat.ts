// `POST /x402/v1/chat/completions`: a chat for whoever pays with the request. Without a payment the answer says how; the
// price is what the request costs at most, and final.
import { createHash } from "node:crypto";
import type { Job } from "../../jobs/job.ts";
import {
  headerOf,
  type PaymentRequired,
  REQUIRED_HEADER,
  RESPONSE_HEADER,
  type Requirements,
  readPayment,
  type SettlementResponse,
  SIGNATURE_HEADER,
  X402_VERSION,
} from "../../protocol/x402.ts";
import type { PaidRequest, Prepaid, RefusedPayment } from "../../settlement/x402.ts";
import type { Caller } from "../client-auth.ts";
import { errorResponse } from "../errors.ts";
import { answerTo, type ChatDeps, refused } from "../openai/chat-completions.ts";
import { chatShape } from "../openai/chat-output.ts";
import { chatRequestSchema, check, parseJson } from "../openai/chat-request.ts";
import { jobSpec } from "../openai/job-spec.ts";
import type { Call } from "../routes.ts";

export type PrepaidChatDeps = { chat: ChatDeps; prepaid: Prepaid; publicUrl: () => string };

const DESCRIPTION =
  "A chat's next message. The price is what the request costs at most; it is final, and what is not used of it is not given back: name a max_tokens.";

export async function prepaidChat(deps: PrepaidChatDeps, call: Call): Promise<Response> {
  const { chat, prepaid } = deps;
  const bodyJson = await call.body();
  const json = parseJson(bodyJson);
  if (!json.ok) return errorResponse(json.error.code, json.error.message, json.error);
  const request = check(chatRequestSchema, json.value);
  if (!request.ok) return errorResponse(request.error.code, request.error.message, request.error);
  const specFor = (caller: Caller) => jobSpec("chat", request.value, bodyJson, caller, chat.defaults);
  const asked = specFor({ accountId: NOBODY, keyId: null, fairKey: call.address });
  const bound = chat.jobs.quote(asked);
  if (!bound.ok) return refused(bound.error, asked);
  const wanted = prepaid.requirementsFor(bound.value);
  const header = call.request.headers.get(SIGNATURE_HEADER);
  if (header === null) return required(deps, wanted, `${SIGNATURE_HEADER.toUpperCase()} header is required`);
  const payment = readPayment(header);
  if (!payment.ok)
    return errorResponse("invalid_value", `${SIGNATURE_HEADER}: ${payment.error}`, { param: SIGNATURE_HEADER });
  const requestHash = createHash("sha256").update(bodyJson).digest("hex");
  const settled = await prepaid.settle(payment.value, wanted, requestHash);
  if (!settled.ok) return notPaid(deps, wanted, settled.error);
  const { accountId, payer, done } = settled.value;
  const response = await answerTo(
    chat,
    { ...call, caller: callerOf(accountId, payer) },
    {
      spec: specFor(callerOf(accountId, payer)),
      idPrefix: "chatcmpl-",
      shape: chatShape,
      includeUsage: request.value.stream_options?.include_usage === true,
      over: (job) => void done(wasAnswered(job)),
    },
  );
  response.headers.set(RESPONSE_HEADER, headerOf(settlementOf(settled.value, wanted)));
  return response;
}

/** Asks what a request costs before there is an account to pay for it. */
const NOBODY = "x402";

/** Of one payer, all requests share the queue alike. */
const callerOf = (accountId: string, payer: string): Caller => ({ accountId, keyId: null, fairKey: `x402:${payer}` });

/** A stream that has begun cannot be taken back; a whole answer was seen by nobody before its end. */
const wasAnswered = (job: Job | null): boolean =>
  job !== null && (job.state === "completed" || (job.stream && job.firstDeltaMs !== null));

function required(
  { publicUrl }: PrepaidChatDeps,
  wanted: Requirements,
  error: string,
  more: Record<string, string> = {},
): Response {
  const resource = {
    url: `${publicUrl()}/x402/v1/chat/completions`,
    description: DESCRIPTION,
    mimeType: "application/json",
  };
  const offer: PaymentRequired = { x402Version: X402_VERSION, error, resource, accepts: [wanted] };
  const code = Object.keys(more).length === 0 ? "payment_required" : "payment_refused";
  return errorResponse(code, `${error}; the price is ${wanted.amount} µ$`, {
    headers: { [REQUIRED_HEADER]: headerOf(offer), ...more },
  });
}

function notPaid(deps: PrepaidChatDeps, wanted: Requirements, { reason, detail, signature }: RefusedPayment): Response {
  const response: SettlementResponse = {
    success: false,
    errorReason: reason,
    transaction: signature,
    network: wanted.network,
  };
  return required(deps, wanted, detail === "" ? reason : `${reason}: ${detail}`, {
    [RESPONSE_HEADER]: headerOf(response),
  });
}

const settlementOf = ({ signature, payer, amount }: PaidRequest, { network }: Requirements): SettlementResponse => ({
  success: true,
  transaction: signature,
  network,
  payer,
  amount: amount.toString(),
});
