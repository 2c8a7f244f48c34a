// Local routes: `/api/v1/local/*`, how the commands of this machine reach a running instance. Each is an operation of
// admin, read from its table; the server has already checked that the caller holds the instance's own key.
import { type Caller, LOCAL_CALLER } from "../accounts/caller.ts";
import {
  type Admin,
  type AdminError,
  type AdminErrorCode,
  LOCAL_PREFIX,
  OPERATIONS,
  type OperationName,
} from "../admin/operations.ts";
import type { Result } from "../lib/result.ts";

export type LocalInput = {
  /** The parsed JSON body; undefined where there was none. */
  body: unknown;
  /** Path parameters by name, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** Network address of the peer. */
  address?: string;
};
/** `body` is JSON: `{"data": …}` or `{"error": "message", "code": "…", "hint"?: "…"}`. */
export type LocalAnswer = { status: number; body: unknown };
export type Route = {
  method: "GET" | "POST" | "DELETE";
  /** With `:name` for parameters. */
  path: string;
  tier: "local";
  handle(input: LocalInput): Promise<LocalAnswer>;
};

const STATUS: Record<AdminErrorCode, number> = {
  invalid: 400,
  not_found: 404,
  conflict: 409,
  not_available: 409,
  storage_failed: 503,
};

/** One route for each operation. */
export function localRoutes(admin: Admin): Route[] {
  const names = Object.keys(OPERATIONS) as OperationName[];
  return names.map((name) => ({
    method: OPERATIONS[name].method,
    path: LOCAL_PREFIX + OPERATIONS[name].path,
    tier: "local",
    handle: (input) => answer(admin[name], input),
  }));
}

/** Query or body, and path, together are the input, which the operation itself checks. */
async function answer(
  act: Admin[OperationName],
  { body, params, query, address = "" }: LocalInput,
): Promise<LocalAnswer> {
  const fields = body ?? {};
  if (typeof fields !== "object" || Array.isArray(fields)) {
    return refuse({ code: "invalid", message: "the body must be a JSON object" });
  }
  const by = { ...LOCAL_CALLER, from: address };
  const ask = act as (input: unknown, by: Caller) => Promise<Result<unknown, AdminError>>;
  const result = await ask({ ...Object.fromEntries(query), ...fields, ...params }, by);
  return result.ok ? { status: 200, body: { data: result.value } } : refuse(result.error);
}

function refuse({ code, message, hint }: AdminError): LocalAnswer {
  return { status: STATUS[code], body: { error: message, code, ...(hint === undefined ? {} : { hint }) } };
}
