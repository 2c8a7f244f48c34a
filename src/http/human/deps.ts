// What the human routes work with, and what they all say of a call.
import type { Caller } from "../../accounts/caller.ts";
import type { Oidc } from "../../accounts/oidc.ts";
import type { Origin, People } from "../../accounts/people.ts";
import { csrfToken, findSession } from "../../accounts/sessions.ts";
import type { Admin } from "../../admin/operations.ts";
import type { Log } from "../../lib/log.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { errorResponse } from "../errors.ts";
import type { Human, HumanCall, SignedInCall } from "../routes.ts";
import { data } from "./answers.ts";
import { type CookieName, type CookieRule, setCookie } from "./cookies.ts";

export type HumanDeps = {
  people: People;
  oidc: Oidc;
  cookies: CookieRule;
  /** Seals what browsers keep for us between two requests. */
  sealKey: Uint8Array;
  admin: Admin;
  coordinator: Pubkey;
  /** Takes over to whom a node belongs now. */
  reloadNode(pubkey: Pubkey): Promise<void>;
  log: Log;
  /** A page that says why signing in with a provider came to nothing. */
  failurePage(call: HumanCall, words: string): Promise<Response>;
  /** Called once there is a first admin. */
  onSetUp(): void;
};

export const originOf = ({ address, userAgent }: HumanCall): Origin => ({ address, userAgent });
export const callerOf = ({ human, address }: SignedInCall): Caller => ({
  actor: `user/${human.user.id}`,
  from: address,
});

const DEVICE_S = 365 * 86_400;

export const cookie = (
  { cookies }: Pick<HumanDeps, "cookies">,
  { request }: HumanCall,
  name: CookieName,
  value: string,
  maxAgeS = 0,
): string => setCookie(cookies, request, name, value, maxAgeS);

/** The cookies of a session that has just been opened. */
export function sessionCookies(deps: HumanDeps, call: HumanCall, token: string, device?: string): string[] {
  const session = cookie(deps, call, "session", token, Math.floor(deps.people.settings.sessionLifeMs / 1000));
  return device === undefined ? [session] : [session, cookie(deps, call, "device", device, DEVICE_S)];
}

/** Says who is signed in now, and has the browser keep it. */
export async function signedInAnswer(
  deps: HumanDeps,
  call: HumanCall,
  { token, device }: { token: string; device?: string },
  more: string[] = [],
): Promise<Response> {
  const human = await findSession(deps.people, token);
  if (human === undefined) return errorResponse("session_missing", "this session has ended already; sign in again");
  const cookies = [...sessionCookies(deps, call, token, device), ...more];
  return data(meView({ ...human, csrf: csrfToken(token, human.account.id) }), cookies);
}

/** Who is signed in, for which account they act, and what their pages prove themselves with. */
export const meView = ({ user, account, memberRole, session, csrf }: Human) => ({
  user: {
    id: user.id,
    email: user.email,
    name: user.name,
    roles: user.roles,
    has_password: user.hasPassword,
    created_ms: user.createdMs,
  },
  account: { ...account, role: memberRole },
  session: { id: session.id, created_ms: session.createdMs, expires_ms: session.expiresMs },
  csrf_token: csrf,
});
