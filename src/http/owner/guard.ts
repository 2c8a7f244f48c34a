// Owner guard: the routes of a node's own dashboard: a session that was opened on the node's machine, and the proof that
// what changes something was asked by a page of ours.
import type { Pubkey } from "../../protocol/primitives.ts";
import { errorResponse } from "../errors.ts";
import { bodyFields } from "../human/answers.ts";
import { type CookieRule, readCookie, setCookie } from "../human/cookies.ts";
import { CSRF_HEADER, isFromHere } from "../human/guard.ts";
import { readBounded } from "../machine-auth.ts";
import type { Call, OwnerRoute } from "../routes.ts";
import { type Door, isProof, SESSION_S } from "./door.ts";

export type OwnerAuthDeps = { door: Door; cookies: CookieRule; node: Pubkey };

const MAX_BODY_BYTES = 16 * 1024;
/** Where the way in is told. */
export const OPEN_PATH = "/open";

/** Several nodes on one machine share its host name, and thereby its cookies. */
const cookieName = ({ node }: OwnerAuthDeps) => `node-${node.slice(0, 12)}` as const;

export async function guardOwner(deps: OwnerAuthDeps, route: OwnerRoute, call: Call): Promise<Response> {
  const response = await answer(deps, route, call);
  if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
  return response;
}

async function answer(deps: OwnerAuthDeps, route: OwnerRoute, call: Call): Promise<Response> {
  const { request } = call;
  const changes = route.method !== "GET";
  if (changes && !isFromHere(request)) {
    return errorResponse("origin_not_allowed", "this may only be asked by pages of this node");
  }
  const { maxBodyBytes = MAX_BODY_BYTES } = route;
  const body = changes ? await readBounded(request, maxBodyBytes) : null;
  if (body && !body.ok) return errorResponse("body_too_large", `the body may have ${maxBodyBytes} bytes`);
  const text = body?.ok ? new TextDecoder().decode(body.value) : "";
  const token = readCookie(deps.cookies, request, cookieName(deps));
  const known = Object.assign(call, { body: () => text, token });
  if (route.access === "opening") return await route.handle(known);
  const session = deps.door.find(token);
  if (session === null) return openFirst(request, route.answers === "text/html");
  const proof = request.headers.get(CSRF_HEADER) ?? bodyFields(known).csrf_token;
  if (changes && !isProof(proof, session.csrf)) {
    return errorResponse("csrf_failed", `send the page's csrf_token as the ${CSRF_HEADER} header or field`);
  }
  return await route.handle(Object.assign(known, { csrf: session.csrf }));
}

function openFirst(request: Request, isPage: boolean): Response {
  if (request.headers.get("hx-request") === "true") {
    return new Response(null, { status: 401, headers: { "hx-redirect": OPEN_PATH } });
  }
  if (isPage) return new Response(null, { status: 303, headers: { location: OPEN_PATH } });
  return errorResponse("session_missing", "open this dashboard with the link from `infernet status`");
}

/** Opens the dashboard to the browser that brings the secret of a link; null where it opens nothing. */
export function openedCookie(deps: OwnerAuthDeps, request: Request, secret: string): string | null {
  const token = deps.door.open(secret);
  return token === null ? null : setCookie(deps.cookies, request, cookieName(deps), token, SESSION_S);
}
export const closedCookie = (deps: OwnerAuthDeps, request: Request): string =>
  setCookie(deps.cookies, request, cookieName(deps), "", 0);
