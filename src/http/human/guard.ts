// Human authentication: from a session cookie to who is signed in; and the proof that a request that changes something
// was made by a page of ours.
import type { People } from "../../accounts/people.ts";
import { isSameText } from "../../accounts/secrets.ts";
import { csrfToken, findSession } from "../../accounts/sessions.ts";
import { allow, type TooMany } from "../../accounts/sign-in.ts";
import { storageFault } from "../../db/errors.ts";
import { ok, type Result } from "../../lib/result.ts";
import { type ErrorCode, errorResponse } from "../errors.ts";
import { readBounded } from "../machine-auth.ts";
import { isOwnOrigin } from "../origin-check.ts";
import type { Call, Human, HumanCall, HumanRoute } from "../routes.ts";
import { bodyFields } from "./answers.ts";
import { type CookieRule, readCookie } from "./cookies.ts";
import { expectWrites, withPatience } from "./patience.ts";
import { refuse } from "./refuse.ts";

export type HumanAuthDeps = {
  people: Pick<People, "db" | "clock" | "settings" | "attemptsKey">;
  cookies: CookieRule;
  /** How pages say no: to people, instead of to programs. */
  refusalPage?: (call: Call, human: Human | null, code: ErrorCode, message: string) => Response | Promise<Response>;
};

/** Largest body on human routes. */
const MAX_BODY_BYTES = 64 * 1024;
export const CSRF_HEADER = "x-csrf-token";
/** What one person may change; most of it is kept for good, in the audit log. */
const CHANGES_PER_HOUR = 1_000;

/** Answers a request of this tier, or says why not. Nothing of it may be kept by a cache. */
export async function guardHuman(deps: HumanAuthDeps, route: HumanRoute, call: Call): Promise<Response> {
  const response = await answer(deps, route, call).catch((error: unknown) => {
    const fault = storageFault(error);
    if (fault === null) throw error;
    const { human = null } = call as Partial<HumanCall>;
    return refused(deps, route, call)("storage_failed", fault.message, human);
  });
  if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
  return response;
}

/** A page is given up where the database hangs; an act only before it has begun. */
async function answer(deps: HumanAuthDeps, route: HumanRoute, call: Call): Promise<Response> {
  const { db } = deps.people;
  const isPage = route.method === "GET" && route.answers === "text/html";
  if (isPage) return await withPatience(db, async () => (await admit(deps, route, call))());
  if (route.method !== "GET") expectWrites(db);
  const handle = await withPatience(db, () => admit(deps, route, call));
  return await handle();
}

/** What answers the request: the route's own handler, or a refusal. */
async function admit(deps: HumanAuthDeps, route: HumanRoute, call: Call): Promise<() => Response | Promise<Response>> {
  const { request } = call;
  const changes = route.method !== "GET";
  const no =
    (...why: Parameters<ReturnType<typeof refused>>) =>
    () =>
      refused(deps, route, call)(...why);
  if (changes && !isFromHere(request)) {
    return no("origin_not_allowed", "this may only be asked by pages of this instance");
  }
  const { maxBodyBytes = MAX_BODY_BYTES } = route;
  const body = changes ? await readBounded(request, maxBodyBytes) : ok(new Uint8Array(0));
  if (!body.ok) return no("body_too_large", `the body may have ${maxBodyBytes} bytes`);
  const text = new TextDecoder().decode(body.value);
  const known: HumanCall = Object.assign(call, {
    body: () => text,
    human: null,
    token: readCookie(deps.cookies, request, "session"),
    userAgent: request.headers.get("user-agent") ?? "",
  });
  if (route.access === "visitor") return () => route.handle(known);
  const human = await humanOf(deps, known);
  if (route.access === "anyone") return () => route.handle(Object.assign(known, { human }));
  if (human === null)
    return route.answers === "text/html" ? () => signInFirst(request) : no("session_missing", "sign in first");
  if (route.role !== undefined && !human.user.roles.includes(route.role)) {
    return no("role_missing", `this needs the role ${route.role}`, human);
  }
  // A stream changes nothing; but a page that was opened for another account is told nothing of this one.
  const follows = route.answers === "text/event-stream" && request.headers.has(CSRF_HEADER);
  if ((changes || follows) && !provesPage(known, human.csrf)) {
    const message = `send the session's csrf_token as the ${CSRF_HEADER} header or the csrf_token field`;
    return no("csrf_failed", message, human);
  }
  const allowed = changes ? await mayChange(deps, human) : ok(undefined);
  return allowed.ok ? () => route.handle(Object.assign(known, { human })) : () => refuse(allowed.error);
}

/** How this route says no. */
const refused =
  (deps: HumanAuthDeps, route: HumanRoute, call: Call) =>
  (code: ErrorCode, message: string, human: Human | null = null): Response | Promise<Response> =>
    route.answers === "text/html" && deps.refusalPage
      ? deps.refusalPage(call, human, code, message)
      : errorResponse(code, message);

/** To where one signs in, and from there back to the page that was asked for. */
export function signInFirst(request: Request): Response {
  const htmx = request.headers.get("hx-request") === "true";
  const page = htmx ? (request.headers.get("hx-current-url") ?? "/") : request.url;
  const { pathname, search } = URL.canParse(page) ? new URL(page) : { pathname: "/", search: "" };
  const to = request.method === "GET" || htmx ? `/sign-in?next=${encodeURIComponent(pathname + search)}` : "/sign-in";
  if (htmx) return new Response(null, { status: 401, headers: { "hx-redirect": to } });
  return new Response(null, { status: 303, headers: { location: to } });
}

async function humanOf({ people }: HumanAuthDeps, { token }: HumanCall): Promise<Human | null> {
  const signedIn = token === null ? undefined : await findSession(people, token);
  return token === null || signedIn === undefined ? null : { ...signedIn, csrf: csrfToken(token, signedIn.account.id) };
}

/** Counts a change. Admins, who bring in everybody at once perhaps, are not bounded. */
async function mayChange({ people }: HumanAuthDeps, { user }: Human): Promise<Result<void, TooMany>> {
  if (user.roles.includes("admin")) return ok(undefined);
  return await allow(people, [{ name: `changes/${user.id}`, limit: CHANGES_PER_HOUR, perMs: 3_600_000 }]);
}

/** Browsers say which page asks; a script of somebody's own says nothing, and has no cookie that it did not bring. */
export function isFromHere({ headers }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return false;
  const origin = headers.get("origin");
  return origin === null || isOwnOrigin(origin, headers.get("host"));
}

function provesPage(call: HumanCall, csrf: string): boolean {
  const given = call.request.headers.get(CSRF_HEADER) ?? bodyFields(call).csrf_token;
  return typeof given === "string" && isSameText(given, csrf);
}
