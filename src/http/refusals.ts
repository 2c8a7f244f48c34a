// Refusals: how a request is turned away before any handler sees it. Machines read `{"error", "code"}`, everybody else
// OpenAI's error object; the path says who asks.
import type { AuthRefusal } from "../identity/auth-refusal.ts";
import { type ErrorCode, errorResponse, statusOf } from "./errors.ts";

/** The path of a request's address, as the server gives it: not parsed again, so nothing is normalised. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", start);
  return start < 0 ? "/" : url.slice(start, query < 0 ? undefined : query);
}

/** Below these paths only instances ask: nodes, and the commands of this machine. */
const isMachinePath = (path: string): boolean => /^\/api\/v1\/(node|local)(\/|$)/.test(path);

/** Refuses a request for `path` in its caller's shape. */
export function refuse(
  path: string,
  code: ErrorCode,
  message: string,
  { headers = {} }: { headers?: Record<string, string> } = {},
): Response {
  if (!isMachinePath(path)) return errorResponse(code, message, { headers });
  return Response.json({ error: message, code }, { status: statusOf(code), headers });
}

/** A signed request that was not good, in the shape of its path: clients sign requests too. */
export function refuseSigned(path: string, { code, message, status }: AuthRefusal): Response {
  const headers: Record<string, string> = status === 401 ? { "www-authenticate": "X-Infernet-Auth" } : {};
  if (isMachinePath(path)) return Response.json({ error: message, code }, { status, headers });
  const type = TYPES[status] ?? "invalid_request_error";
  return Response.json({ error: { message, type, param: null, code } }, { status, headers });
}
const TYPES: Record<number, string> = { 401: "authentication_error", 403: "permission_error" };
