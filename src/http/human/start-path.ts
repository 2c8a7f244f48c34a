// Start path: where people go once they are signed in.
import type { UserRole } from "../../accounts/roles.ts";

/** What somebody most likely came for. */
export function startPath(roles: readonly UserRole[]): string {
  if (roles.includes("admin")) return "/admin";
  return roles.includes("operator") ? "/my/nodes" : "/playground";
}

const HERE = "http://here.invalid";
const MAX_CHARS = 2_048;
/** Pages to come back to after signing in; programs' addresses and the way in itself are none. */
const NO_PAGE = /^\/(?:api|v1|assets|live|sign-in|sign-up|setup|password)(?:\/|$)/;

/** `text` as a path of this instance; null where a browser would take it for another place, or it is no page. */
export function ownPath(text: string | null | undefined): string | null {
  if (!text || text.length > MAX_CHARS || !text.startsWith("/") || /[\p{Cc}\\]/u.test(text)) return null;
  const url = URL.parse(text, HERE);
  // `/.//elsewhere` becomes `//elsewhere`: looked at as it is after parsing.
  if (url?.origin !== HERE || url.pathname.startsWith("//") || NO_PAGE.test(url.pathname)) return null;
  return url.pathname + url.search;
}
