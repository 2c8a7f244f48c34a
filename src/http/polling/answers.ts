// Answers of the polling routes: `{"data": …}`, or `{"error": "message", "code": "…"}` with the code's status.
import type { z } from "zod";
import { err, ok, type Result } from "../../lib/result.ts";
import { parsePlainJson } from "../openai/chat-request.ts";
import type { MachineCall } from "../routes.ts";

/** Code → HTTP status. */
const STATUS = {
  invalid_json: 400,
  invalid_value: 400,
  role_not_allowed: 403,
  node_id_taken: 403,
  payout_needs_v2: 403,
  registration_refused: 403,
  agreement_wrong: 403,
  not_registered: 404,
  payout_unknown: 404,
  command_unknown: 404,
  /** The attempt is not this node's any more. */
  lease_lapsed: 409,
  job_cancelled: 409,
  already_completed: 409,
  no_wallet: 409,
  wallet_differs: 409,
  not_on_chain: 409,
  too_many: 409,
  linked_elsewhere: 409,
  link_code_invalid: 410,
  pending_full: 429,
  /** The reader is far behind. */
  too_fast: 429,
  storage_failed: 503,
} as const;
export type PollingCode = keyof typeof STATUS;

export type Refusal = { code: PollingCode; message: string };

export const data = (value: unknown): Response => Response.json({ data: value });

/** `as`: a code of its own, where the status is shared by several. */
export function refuse({ code, message }: Refusal, as: string = code): Response {
  const status = STATUS[code];
  const again: Record<string, string> = status === 429 || status === 503 ? { "retry-after": "2" } : {};
  return Response.json({ error: message, code: as }, { status, headers: again });
}

/** The body as the route takes it; an empty one counts as `{}`. */
export async function bodyOf<S extends z.ZodType>(call: MachineCall, schema: S): Promise<Result<z.output<S>, Refusal>> {
  const text = await call.body();
  const json = text === "" ? ok({}) : parsePlainJson(text);
  if (!json.ok) return err({ code: "invalid_json", message: json.error.message });
  const parsed = schema.safeParse(json.value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  const where = issue?.path.join(".") ?? "";
  const what = issue?.message ?? "does not fit";
  return err({ code: "invalid_value", message: (where === "" ? what : `${where}: ${what}`).slice(0, 500) });
}
