// Signing in with a provider: `/api/v1/auth/oidc/*`. While the browser is away it keeps, sealed, what has to come back.
import { z } from "zod";
import { type OidcRefusal, type OidcWish, oidcFlowSchema } from "../../accounts/oidc.ts";
import { linkIdentity, oidcSignIn, proveAndLink } from "../../accounts/oidc-sign-in.ts";
import { triedPasswordSchema } from "../../accounts/passwords.ts";
import { seal, unseal } from "../../accounts/sealed.ts";
import { findSession } from "../../accounts/sessions.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { HumanCall, HumanRoute } from "../routes.ts";
import { bodyOf, data } from "./answers.ts";
import { readCookie } from "./cookies.ts";
import { cookie, type HumanDeps, originOf, sessionCookies, signedInAnswer } from "./deps.ts";
import { type Refused, refuse, wordsOf } from "./refuse.ts";
import { ownPath, startPath } from "./start-path.ts";

const BASE = "/api/v1/auth/oidc";
/** How long the browser may be away, and then take to prove a password. */
const FLOW_S = 600;
/** Characters of the page to go to: it travels in a cookie, of which browsers keep 4 KiB. */
const MAX_NEXT = 1_024;

const beginSchema = z.object({
  /** The secret of an invitation, for those who sign up. */
  invitation: z.string().max(256).optional(),
});
const proveSchema = z.object({ password: triedPasswordSchema });
const personSchema = z.object({
  issuer: z.string(),
  subject: z.string(),
  email: z.string(),
  emailVerified: z.boolean(),
  name: z.string(),
});

export function oidcRoutes(deps: HumanDeps): HumanRoute[] {
  return [
    {
      tier: "human",
      access: "visitor",
      method: "GET",
      path: `${BASE}/:provider`,
      summary: "Goes to a provider to sign in.",
      answers: "text/html",
      async handle(call) {
        const next = ownPath(call.query.get("next"));
        const kept = next === null || next.length > MAX_NEXT ? null : next;
        const begun = await begin(deps, call, { invitation: null, linkUserId: null, next: kept });
        return begun.ok
          ? redirect(begun.value.location, begun.value.cookies)
          : await failed(deps, call, begun.error.code);
      },
    },
    {
      tier: "human",
      access: "visitor",
      method: "POST",
      path: `${BASE}/:provider`,
      summary: "Where to go to sign up with a provider.",
      body: beginSchema,
      async handle(call) {
        const body = bodyOf(call, beginSchema);
        if (!body.ok) return body.error;
        const wish = { invitation: body.value.invitation ?? null, linkUserId: null, next: null };
        const begun = await begin(deps, call, wish);
        if (!begun.ok) return refuse(begun.error);
        return data({ location: begun.value.location }, begun.value.cookies);
      },
    },
    {
      method: "POST",
      path: `${BASE}/:provider/link`,
      tier: "human",
      access: "user",
      summary: "Where to go to have a provider as one more way to sign in.",
      async handle(call) {
        const begun = await begin(deps, call, { invitation: null, linkUserId: call.human.user.id, next: null });
        if (!begun.ok) return refuse(begun.error);
        return data({ location: begun.value.location }, begun.value.cookies);
      },
    },
    {
      tier: "human",
      access: "visitor",
      method: "GET",
      path: `${BASE}/:provider/callback`,
      summary: "Where a provider sends people back to.",
      answers: "text/html",
      handle: (call) => callback(deps, call),
    },
    {
      tier: "human",
      access: "visitor",
      method: "POST",
      path: `${BASE}/prove`,
      summary: "The password of the account that has the provider's address; links the two, once.",
      body: proveSchema,
      handle: (call) => prove(deps, call),
    },
  ];
}

const redirectUri = ({ people }: HumanDeps, name: string): string =>
  `${people.url()}${BASE}/${encodeURIComponent(name)}/callback`;

async function begin(
  deps: HumanDeps,
  call: HumanCall,
  wish: OidcWish,
): Promise<Result<{ location: string; cookies: string[] }, Refused>> {
  const name = call.params.provider ?? "";
  const begun = await deps.oidc.begin(name, redirectUri(deps, name), wish);
  if (begun === undefined) return err({ code: "provider_unknown" });
  if (!begun.ok) return err({ code: tell(deps, name, begun.error) });
  const { location, flow } = begun.value;
  return ok({ location, cookies: [sealedCookie(deps, call, "oidc", flow)] });
}

/** Notes what went wrong between us and the provider; people get a word for it. */
function tell({ log }: HumanDeps, provider: string, refusal: OidcRefusal): Refused["code"] {
  if ("fault" in refusal) log.warn("signing in with a provider failed", { provider, err: refusal.fault });
  return refusal.code;
}

function sealedCookie(deps: HumanDeps, call: HumanCall, name: "oidc" | "oidc-link", value: object): string {
  const { random, clock } = deps.people;
  const until = clock.nowMs() + FLOW_S * 1000;
  return cookie(deps, call, name, seal({ key: deps.sealKey, random }, name, value, until), FLOW_S);
}

function unsealed<T>(deps: HumanDeps, { request }: HumanCall, name: "oidc" | "oidc-link", shape: z.ZodType<T>) {
  const text = readCookie(deps.cookies, request, name);
  return text === null ? undefined : unseal(deps.sealKey, name, text, deps.people.clock.nowMs(), shape);
}

async function callback(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const { people, oidc } = deps;
  const name = call.params.provider ?? "";
  const over = cookie(deps, call, "oidc", "");
  const fail = (code: Refused["code"]) => failed(deps, call, code, [over]);
  const flow = unsealed(deps, call, "oidc", oidcFlowSchema);
  if (flow === undefined || flow.provider !== name) return await fail("sign_in_failed");
  // As it was registered, whatever name this request came by.
  const back = new URL(redirectUri(deps, name));
  back.search = new URL(call.request.url).search;
  const person = await oidc.finish(back, flow);
  if (!person.ok) return await fail(tell(deps, name, person.error));
  if (flow.linkUserId !== null) {
    // Of the session that began it, and of no other.
    const human = call.token === null ? undefined : await findSession(people, call.token);
    if (human?.user.id !== flow.linkUserId) return await fail("sign_in_failed");
    const linked = await linkIdentity(people, person.value, flow.linkUserId, originOf(call));
    return linked.ok ? redirect("/account", [over]) : await fail(linked.error);
  }
  const wish = { invitation: flow.invitation, before: call.token };
  const outcome = await oidcSignIn(people, person.value, wish, originOf(call));
  if (!outcome.ok) return await fail(outcome.error.code);
  if (outcome.value.next === "signed_in") {
    const human = await findSession(people, outcome.value.token);
    const to = ownPath(flow.next) ?? startPath(human?.user.roles ?? []);
    return redirect(to, [over, ...sessionCookies(deps, call, outcome.value.token)]);
  }
  const next = flow.next === null ? "" : `?${new URLSearchParams({ next: flow.next })}`;
  return redirect(`/sign-in/link${next}`, [over, sealedCookie(deps, call, "oidc-link", person.value)]);
}

async function failed(
  deps: HumanDeps,
  call: HumanCall,
  code: Refused["code"],
  cookies: readonly string[] = [],
): Promise<Response> {
  const response = await deps.failurePage(call, wordsOf(code));
  for (const one of cookies) response.headers.append("set-cookie", one);
  return response;
}

async function prove(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const body = bodyOf(call, proveSchema);
  if (!body.ok) return body.error;
  const person = unsealed(deps, call, "oidc-link", personSchema);
  if (person === undefined) return refuse({ code: "sign_in_failed" });
  const device = readCookie(deps.cookies, call.request, "device");
  const proof = { password: body.value.password, device, before: call.token };
  const linked = await proveAndLink(deps.people, person, proof, originOf(call));
  if (!linked.ok) return refuse(linked.error);
  return await signedInAnswer(deps, call, linked.value, [cookie(deps, call, "oidc-link", "")]);
}

function redirect(location: string, cookies: readonly string[]): Response {
  const response = new Response(null, { status: 303, headers: { location } });
  for (const one of cookies) response.headers.append("set-cookie", one);
  return response;
}
