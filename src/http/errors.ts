// Errors: one place where codes become HTTP statuses and OpenAI's error shape.

/** OpenAI's error object: all four fields, always. */
export type OpenAiError = { error: { message: string; type: string; param: string | null; code: string } };

type Kind = { status: number; type: string; retryAfterS?: number };
const invalid = (status: number): Kind => ({ status, type: "invalid_request_error" });
const overloaded = (status: number, retryAfterS: number): Kind => ({ status, type: "server_error", retryAfterS });

const KINDS = {
  // The request.
  invalid_json: invalid(400),
  invalid_value: invalid(400),
  invalid_request: invalid(400),
  context_length_exceeded: invalid(400),
  body_too_large: invalid(413),
  model_not_found: invalid(404),
  /** Nobody who serves the model meets what the request asks of its node. */
  no_matching_node: invalid(404),
  job_not_found: invalid(404),
  receipt_not_found: invalid(404),
  route_not_found: invalid(404),
  method_not_allowed: invalid(405),
  host_not_allowed: invalid(421),
  content_gone: invalid(410),
  job_ended: invalid(409),
  stream_restarted: invalid(409),
  idempotency_key_reused: invalid(422),
  // Money on the chain.
  not_offered: invalid(404),
  deposit_not_found: invalid(404),
  too_many_deposits: invalid(409),
  allowance_not_found: invalid(404),
  epoch_not_found: invalid(404),
  funded_otherwise: invalid(409),
  allowance_there: invalid(409),
  token_account_taken: invalid(409),
  unsettled: invalid(409),
  token_account_unspendable: invalid(422),
  wallet_proof_invalid: invalid(422),
  // Between coordinators.
  loop_detected: invalid(508),
  hop_limit: invalid(508),
  // Who asks.
  api_key_missing: { status: 401, type: "authentication_error" },
  api_key_invalid: { status: 401, type: "authentication_error" },
  /** A web page that nobody configured, without a key. */
  origin_not_allowed: { status: 403, type: "permission_error" },
  api_key_role: { status: 403, type: "permission_error" },
  api_key_scope: { status: 403, type: "permission_error" },
  /** The key's list of models does not have it, whether it is here or not. */
  model_not_allowed: { status: 403, type: "permission_error" },
  // Money. OpenAI's word for the type, which its clients know not to try again.
  insufficient_credit: { status: 402, type: "insufficient_quota" },
  /** A prepaid chat, without its payment (x402). */
  payment_required: { status: 402, type: "insufficient_quota" },
  payment_refused: { status: 402, type: "insufficient_quota" },
  spend_limit: { status: 402, type: "insufficient_quota" },
  // People.
  session_missing: { status: 401, type: "authentication_error" },
  wrong_credentials: { status: 401, type: "authentication_error" },
  csrf_failed: { status: 403, type: "permission_error" },
  role_missing: { status: 403, type: "permission_error" },
  not_owner: { status: 403, type: "permission_error" },
  sign_up_closed: { status: 403, type: "permission_error" },
  invitation_needed: { status: 403, type: "permission_error" },
  too_many_attempts: { status: 429, type: "rate_limit_error", retryAfterS: 60 },
  sign_in_failed: invalid(400),
  provider_failed: { status: 502, type: "server_error" },
  not_found: invalid(404),
  conflict: invalid(409),
  not_available: invalid(409),
  /** Of one-time links: used, over, or never made. */
  link_not_valid: invalid(410),
  // External workers.
  worker_refused: { status: 403, type: "permission_error" },
  worker_not_found: invalid(404),
  lease_lapsed: invalid(409),
  already_completed: invalid(409),
  offset_gap: invalid(409),
  slots_in_use: invalid(409),
  // Too much.
  /** Of a key's requests or tokens in a minute. */
  rate_limit_exceeded: { status: 429, type: "rate_limit_error", retryAfterS: 1 },
  too_many_requests: { status: 429, type: "rate_limit_error", retryAfterS: 1 },
  queue_full: { status: 429, type: "rate_limit_error", retryAfterS: 2 },
  // The network behind us.
  no_nodes_online: overloaded(503, 10),
  draining: overloaded(503, 5),
  queue_timeout: overloaded(503, 5),
  backend_busy: overloaded(503, 5),
  storage_failed: overloaded(503, 10),
  chain_unreachable: overloaded(503, 10),
  node_lost: { status: 502, type: "server_error" },
  backend_unreachable: { status: 502, type: "server_error" },
  backend_failed: { status: 502, type: "server_error" },
  output_too_large: { status: 502, type: "server_error" },
  first_token_timeout: { status: 504, type: "server_error" },
  stream_timeout: { status: 504, type: "server_error" },
  // Seen by nobody but the record: the reader is not there any more.
  reader_stalled: { status: 408, type: "invalid_request_error" },
  client_gone: { status: 499, type: "invalid_request_error" },
  coordinator_restarted: { status: 502, type: "server_error" },
  cancelled: { status: 409, type: "invalid_request_error" },
  internal_error: { status: 500, type: "server_error" },
} satisfies Record<string, Kind>;

export type ErrorCode = keyof typeof KINDS;

/** Every code with its status and type, for the reference. */
export const allErrors = (): { code: string; status: number; type: string }[] =>
  Object.entries(KINDS).map(([code, { status, type }]) => ({ code, status, type }));

export const statusOf = (code: ErrorCode): number => KINDS[code].status;

export function openAiError(code: ErrorCode, message: string, param: string | null = null): OpenAiError {
  return { error: { message, type: KINDS[code].type, param, code } };
}

export function errorResponse(
  code: ErrorCode,
  message: string,
  { param = null, headers = {} }: { param?: string | null; headers?: Record<string, string> } = {},
): Response {
  const kind: Kind = KINDS[code];
  const retry: Record<string, string> = kind.retryAfterS === undefined ? {} : { "retry-after": `${kind.retryAfterS}` };
  return Response.json(openAiError(code, message, param), { status: kind.status, headers: { ...retry, ...headers } });
}
