// Cookies: the few that a person's browser keeps for us. Over TLS their names begin with `__Host-`: then no other site or
// subdomain can set them (RFC 6265bis §4.1.3.2).

export type CookieName =
  | "session"
  | "device"
  | "oidc"
  | "oidc-link"
  /** Of a node's own dashboard. */
  | `node-${string}`;

/** How this instance is reached; decides what a browser is told. */
export type CookieRule = {
  /** The server itself serves TLS. */
  tls: boolean;
  /** `[server] public_url`, where something in front may serve TLS. */
  publicUrl: string | null;
};

/** Whether the browser that sent this request is on TLS. */
export function isSecure({ tls, publicUrl }: CookieRule, { headers }: Request): boolean {
  if (tls) return true;
  const url = publicUrl === null ? null : URL.parse(publicUrl);
  return url?.protocol === "https:" && url.host === headers.get("host")?.toLowerCase();
}

const fullName = (name: CookieName, secure: boolean): string => `${secure ? "__Host-" : ""}infernet-${name}`;

/** The value of a cookie; null where the browser sent none. */
export function readCookie(rule: CookieRule, request: Request, name: CookieName): string | null {
  const header = request.headers.get("cookie");
  if (header === null) return null;
  const wanted = fullName(name, isSecure(rule, request));
  for (const pair of header.split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === wanted) return pair.slice(at + 1).trim();
  }
  return null;
}

/**
 * A `Set-Cookie` value; an empty `value` deletes it. Lax: a link from elsewhere finds its reader signed in, and a form or
 * a fetch from elsewhere does not bring it.
 */
export function setCookie(
  rule: CookieRule,
  request: Request,
  name: CookieName,
  value: string,
  maxAgeS: number,
): string {
  const secure = isSecure(rule, request);
  const age = value === "" ? 0 : maxAgeS;
  return `${fullName(name, secure)}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${age}${secure ? "; Secure" : ""}`;
}
