// Refusal: what another coordinator's refusal means to a node. Its codes are ours, so that no wording has to be guessed.
import type { Pubkey } from "../../protocol/primitives.ts";
import type { BackendError, BackendErrorCode } from "../backend.ts";
import { errorFromStatus, errorMessage } from "../http-errors.ts";
import { isRecord } from "../record.ts";

/** By the code in the answer. What is not here is told by its status. */
const CODES: Readonly<Record<string, BackendErrorCode>> = {
  model_not_found: "model_not_found",
  context_length_exceeded: "context_length_exceeded",
  invalid_json: "invalid_request",
  invalid_value: "invalid_request",
  invalid_request: "invalid_request",
  body_too_large: "invalid_request",
  queue_full: "backend_busy",
  queue_timeout: "backend_busy",
  no_nodes_online: "backend_busy",
  backend_busy: "backend_busy",
  draining: "backend_busy",
  storage_failed: "backend_busy",
  nonce_store_full: "backend_busy",
};

/** An answer that is not 2xx: its code as `codeIn` reads it. `pubkey`: the node's, for the advice. */
export function refusal(status: number, code: string, body: string, pubkey: Pubkey): BackendError {
  const message = errorMessage(body) || `HTTP ${status}`;
  const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  if (known !== undefined) return { code: known, message };
  const failed = (text: string): BackendError => ({ code: "backend_failed", message: text });
  switch (code) {
    case "key_pending":
      return failed(
        `this node waits to be let in at the upstream coordinator; its operator does it with: infernet nodes approve ${pubkey}`,
      );
    case "key_unknown":
    case "role_not_allowed":
      return failed(
        `the upstream coordinator does not take this node's requests (${message}); its operator lets it in with: infernet nodes allow ${pubkey} --role client`,
      );
    case "key_ejected":
      return failed(`the upstream coordinator has ejected this node's key ${pubkey}: ${message}`);
    case "wrong_recipient":
      return failed(`the upstream is another coordinator than the configured pubkey says: ${message}`);
    case "loop_detected":
    case "hop_limit":
      return failed(`the upstream coordinator refused to pass the request on (${code}): ${message}`);
  }
  if (status === 402) return failed(`this node's account at the upstream coordinator is short of credit: ${message}`);
  return errorFromStatus(status, body);
}

/** The `code` of OpenAI's error object, "" where there is none. */
export function codeIn(body: string): string {
  try {
    const answer: unknown = JSON.parse(body);
    const error = isRecord(answer) ? answer.error : null;
    return isRecord(error) && typeof error.code === "string" ? error.code : "";
  } catch {
    return ""; // Not JSON: somebody else answered, a proxy say.
  }
}
