import { expect, test } from "bun:test";
import { type ErrorCode, errorResponse, openAiError, statusOf } from "./errors.ts";

const STATUSES: Record<ErrorCode, number> = {
  invalid_json: 400,
  invalid_value: 400,
  invalid_request: 400,
  context_length_exceeded: 400,
  body_too_large: 413,
  model_not_found: 404,
  no_matching_node: 404,
  job_not_found: 404,
  receipt_not_found: 404,
  route_not_found: 404,
  method_not_allowed: 405,
  host_not_allowed: 421,
  content_gone: 410,
  job_ended: 409,
  stream_restarted: 409,
  idempotency_key_reused: 422,
  loop_detected: 508,
  hop_limit: 508,
  api_key_missing: 401,
  api_key_invalid: 401,
  origin_not_allowed: 403,
  api_key_role: 403,
  api_key_scope: 403,
  model_not_allowed: 403,
  insufficient_credit: 402,
  payment_required: 402,
  payment_refused: 402,
  not_offered: 404,
  deposit_not_found: 404,
  too_many_deposits: 409,
  allowance_not_found: 404,
  epoch_not_found: 404,
  funded_otherwise: 409,
  allowance_there: 409,
  token_account_taken: 409,
  unsettled: 409,
  token_account_unspendable: 422,
  wallet_proof_invalid: 422,
  chain_unreachable: 503,
  spend_limit: 402,
  session_missing: 401,
  wrong_credentials: 401,
  csrf_failed: 403,
  role_missing: 403,
  not_owner: 403,
  sign_up_closed: 403,
  invitation_needed: 403,
  too_many_attempts: 429,
  sign_in_failed: 400,
  provider_failed: 502,
  not_found: 404,
  conflict: 409,
  not_available: 409,
  link_not_valid: 410,
  worker_refused: 403,
  worker_not_found: 404,
  lease_lapsed: 409,
  already_completed: 409,
  offset_gap: 409,
  slots_in_use: 409,
  rate_limit_exceeded: 429,
  too_many_requests: 429,
  queue_full: 429,
  no_nodes_online: 503,
  draining: 503,
  queue_timeout: 503,
  backend_busy: 503,
  storage_failed: 503,
  node_lost: 502,
  backend_unreachable: 502,
  backend_failed: 502,
  output_too_large: 502,
  first_token_timeout: 504,
  stream_timeout: 504,
  reader_stalled: 408,
  client_gone: 499,
  coordinator_restarted: 502,
  cancelled: 409,
  internal_error: 500,
};

test("every code has its status, and OpenAI's four fields with nothing beside them", async () => {
  for (const [name, status] of Object.entries(STATUSES)) {
    const code = name as ErrorCode;
    const response = errorResponse(code, "why", { param: "field", headers: { "x-own": "1" } });
    expect([code, response.status, statusOf(code), response.headers.get("x-own")]).toEqual([code, status, status, "1"]);
    expect(await response.json()).toEqual({
      error: { message: "why", type: expect.any(String), param: "field", code },
    });
    expect(Object.keys(openAiError(code, "why").error)).toEqual(["message", "type", "param", "code"]);
  }
});

test("what passes by itself says when to come again, and nothing else does", () => {
  for (const [name, status] of Object.entries(STATUSES)) {
    const after = errorResponse(name as ErrorCode, "why").headers.get("retry-after");
    expect([name, after !== null && Number(after) > 0]).toEqual([name, status === 429 || status === 503]);
  }
});
