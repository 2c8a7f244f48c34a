// Human authentication: from a session cookie to who is signed in; and the proof that a request that changes something
// was made by a page of ours.
import type { People } from "../../accounts/people.ts";
import { isSameText } from "../../accounts/secrets.ts";
import { csrfToken, findSession } from "../../accounts/sessions.ts";
import { allow, type TooMany } from "../../accounts/sign-in.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { errorResponse } from "../errors.ts";
import { readBounded } from "../machine-auth.ts";
import { isOwnOrigin } from "../origin-check.ts";
import type { Call, Human, HumanCall, HumanRoute } from "../routes.ts";
import { bodyFields } from "./answers.ts";
import { type CookieRule, readCookie } from "./cookies.ts";
import { refuse } from "./refuse.ts";

export type HumanAuthDeps = {
  people: Pick<People, "db" | "clock" | "settings" | "attemptsKey">;
  cookies: CookieRule;
};

/** Largest body on human routes. */
const MAX_BODY_BYTES = 64 * 1024;
const CSRF_HEADER = "x-csrf-token";
/** What one person may change; most of it is kept for good, in the audit log. */
const CHANGES_PER_HOUR = 1_000;

/** Answers a request of this tier, or says why not. Nothing of it may be kept by a cache. */
export async function guardHuman(deps: HumanAuthDeps, route: HumanRoute, call: Call): Promise<Response> {
  const response = await answer(deps, route, call);
  if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
  return response;
}

async function answer(deps: HumanAuthDeps, route: HumanRoute, call: Call): Promise<Response> {
  const { request } = call;
  const changes = route.method !== "GET";
  if (changes && !isFromHere(request)) {
    return errorResponse("origin_not_allowed", "this may only be asked by pages of this instance");
  }
  const body = changes ? await readBounded(request, MAX_BODY_BYTES) : ok(new Uint8Array(0));
  if (!body.ok) return errorResponse("body_too_large", `the body may have ${MAX_BODY_BYTES} bytes`);
  const text = new TextDecoder().decode(body.value);
  const known: HumanCall = Object.assign(call, {
    body: () => text,
    human: null,
    token: readCookie(deps.cookies, request, "session"),
    userAgent: request.headers.get("user-agent") ?? "",
  });
  if (route.access === "visitor") return await route.handle(known);
  const human = await humanOf(deps, route, known);
  if (!human.ok) return human.error;
  if (changes && !provesPage(known, human.value.csrf)) {
    const message = `send the session's csrf_token as the ${CSRF_HEADER} header or the csrf_token field`;
    return errorResponse("csrf_failed", message);
  }
  const allowed = changes ? await mayChange(deps, human.value) : ok(undefined);
  if (!allowed.ok) return refuse(allowed.error);
  return await route.handle(Object.assign(known, { human: human.value }));
}

async function humanOf(
  { people }: HumanAuthDeps,
  route: Extract<HumanRoute, { access: "user" }>,
  { token }: HumanCall,
): Promise<Result<Human, Response>> {
  const signedIn = token === null ? undefined : await findSession(people, token);
  if (token === null || signedIn === undefined) {
    if (route.answers === "text/html")
      return err(new Response(null, { status: 303, headers: { location: "/sign-in" } }));
    return err(errorResponse("session_missing", "sign in first"));
  }
  if (route.role !== undefined && !signedIn.user.roles.includes(route.role)) {
    return err(errorResponse("role_missing", `this needs the role ${route.role}`));
  }
  return ok({ ...signedIn, csrf: csrfToken(token) });
}

/** Counts a change. Admins, who bring in everybody at once perhaps, are not bounded. */
async function mayChange({ people }: HumanAuthDeps, { user }: Human): Promise<Result<void, TooMany>> {
  if (user.roles.includes("admin")) return ok(undefined);
  return await allow(people, [{ name: `changes/${user.id}`, limit: CHANGES_PER_HOUR, perMs: 3_600_000 }]);
}

/** Browsers say which page asks; a script of somebody's own says nothing, and has no cookie that it did not bring. */
function isFromHere({ headers }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return false;
  const origin = headers.get("origin");
  return origin === null || isOwnOrigin(origin, headers.get("host"));
}

function provesPage(call: HumanCall, csrf: string): boolean {
  const given = call.request.headers.get(CSRF_HEADER) ?? bodyFields(call).csrf_token;
  return typeof given === "string" && isSameText(given, csrf);
}
