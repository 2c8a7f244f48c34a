// The Origin check: where no key is asked for, any web page that somebody on this machine looks at could send requests
// here (a form or a plain fetch needs no consent of ours), spend the machine and have answers sent to a webhook. Browsers
// say which page asks; others say nothing.
import { AUTH_HEADER } from "../protocol/auth-envelope.ts";
import { errorResponse } from "./errors.ts";

/** The refusal of a request that brings no key and comes from a page that nobody configured; null for every other. */
export function refuseStrangePage({ headers }: Request, corsOrigins: readonly string[]): Response | null {
  const origin = headers.get("origin");
  if (origin === null || corsOrigins.includes(origin) || isOwnOrigin(origin, headers.get("host"))) return null;
  // Neither can come from a page without our consent: a browser asks for it first.
  if (headers.has("authorization") || headers.has(AUTH_HEADER)) return null;
  return errorResponse(
    "origin_not_allowed",
    "web pages of this origin may not ask here without an API key; add it to [server] cors_origins",
  );
}

/** A page of this very instance; the Host is checked already. */
export const isOwnOrigin = (origin: string, host: string | null): boolean =>
  URL.parse(origin)?.host === host?.toLowerCase();
