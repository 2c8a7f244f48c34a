// Signing in and out, signing up, and passwords: `/api/v1/auth/*`.
import { z } from "zod";
import { emailSchema } from "../../accounts/emails.ts";
import { setUp } from "../../accounts/first-admin.ts";
import { asName, nameSchema } from "../../accounts/names.ts";
import { requestPasswordMail, setPasswordByLink } from "../../accounts/password-links.ts";
import { passwordSchema, triedPasswordSchema } from "../../accounts/passwords.ts";
import { revokeSessions } from "../../accounts/sessions.ts";
import { changePassword, signIn } from "../../accounts/sign-in.ts";
import { finishSignUp, signUp, signUpByInvitation } from "../../accounts/sign-up.ts";
import type { HumanCall, HumanRoute, SignedInCall } from "../routes.ts";
import { bodyOf, data } from "./answers.ts";
import { readCookie } from "./cookies.ts";
import { callerOf, cookie, type HumanDeps, originOf, signedInAnswer } from "./deps.ts";
import { refuse } from "./refuse.ts";

const BASE = "/api/v1/auth";
const secret = z.string().max(256);

const signInSchema = z.object({ email: emailSchema, password: triedPasswordSchema });
const setUpSchema = z.object({ secret, email: emailSchema, name: nameSchema.optional(), password: passwordSchema });
const signUpSchema = z.object({
  email: emailSchema,
  name: nameSchema.optional(),
  /** Left out where the address is proved by mail first. */
  password: passwordSchema.optional(),
  /** The secret of an invitation. */
  invitation: secret.optional(),
});
const finishSchema = z.object({ secret, name: nameSchema, password: passwordSchema });
const forgotSchema = z.object({ email: emailSchema });
const byLinkSchema = z.object({ secret, password: passwordSchema });
const changeSchema = z.object({ current: triedPasswordSchema, password: passwordSchema });

export function authRoutes(deps: HumanDeps): HumanRoute[] {
  const visitor = (
    path: string,
    summary: string,
    body: z.ZodType,
    handle: (deps: HumanDeps, call: HumanCall) => Promise<Response>,
  ): HumanRoute => ({
    method: "POST",
    path: `${BASE}/${path}`,
    tier: "human",
    access: "visitor",
    summary,
    body,
    handle: (call) => handle(deps, call),
  });
  return [
    visitor("setup", "The first admin, by the link that the start prints.", setUpSchema, makeFirstAdmin),
    visitor("sign-in", "Email and password become a session.", signInSchema, doSignIn),
    visitor("sign-up", "A new user, as `[accounts] signup` allows.", signUpSchema, doSignUp),
    visitor("sign-up/finish", "The user of an address that was proved by mail.", finishSchema, doFinishSignUp),
    visitor("password/forgot", "Has a link for a new password mailed.", forgotSchema, forgotPassword),
    visitor(
      "password/reset",
      "Sets a password by a link; every session of the user ends.",
      byLinkSchema,
      resetPassword,
    ),
    {
      method: "POST",
      path: `${BASE}/password`,
      tier: "human",
      access: "user",
      summary: "Changes one's password; every other session ends.",
      body: changeSchema,
      handle: (call) => doChangePassword(deps, call),
    },
    {
      method: "POST",
      path: `${BASE}/sign-out`,
      tier: "human",
      access: "user",
      summary: "Ends this session.",
      async handle(call) {
        const { user, session } = call.human;
        await revokeSessions(deps.people, user.id, { id: session.id }, callerOf(call));
        return data({ signed_out: true }, [cookie(deps, call, "session", "")]);
      },
    },
  ];
}

async function makeFirstAdmin(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const body = bodyOf(call, setUpSchema);
  if (!body.ok) return body.error;
  const { email, name = email } = body.value;
  const made = await setUp(deps.people, { ...body.value, name: asName(name) }, originOf(call));
  if (!made.ok) return refuse(made.error);
  deps.onSetUp();
  return await signedInAnswer(deps, call, made.value);
}

async function doSignIn(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const body = bodyOf(call, signInSchema);
  if (!body.ok) return body.error;
  const device = readCookie(deps.cookies, call.request, "device");
  const admitted = await signIn(deps.people, { ...body.value, device }, originOf(call), call.token);
  return admitted.ok ? await signedInAnswer(deps, call, admitted.value) : refuse(admitted.error);
}

async function doSignUp(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const body = bodyOf(call, signUpSchema);
  if (!body.ok) return body.error;
  const { email, password = null, invitation } = body.value;
  const name = asName(body.value.name ?? email);
  if (invitation === undefined) {
    const step = await signUp(deps.people, { email, name, password }, originOf(call));
    if (!step.ok) return refuse(step.error);
    step.value.done.catch((error: unknown) => deps.log.error("a sign-up by mail failed", { err: error }));
    return data({ next: step.value.next });
  }
  if (password === null) return refuse({ code: "password_needed" });
  const admitted = await signUpByInvitation(deps.people, { secret: invitation, email, name, password }, originOf(call));
  return admitted.ok ? await signedInAnswer(deps, call, admitted.value) : refuse(admitted.error);
}

async function doFinishSignUp(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const body = bodyOf(call, finishSchema);
  if (!body.ok) return body.error;
  const admitted = await finishSignUp(deps.people, body.value, originOf(call));
  return admitted.ok ? await signedInAnswer(deps, call, admitted.value) : refuse(admitted.error);
}

/** Answers before anything is looked up: neither the answer nor its time tells whether there is such a user. */
async function forgotPassword(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const body = bodyOf(call, forgotSchema);
  if (!body.ok) return body.error;
  const asked = await requestPasswordMail(deps.people, body.value.email, originOf(call));
  if (!asked.ok) return refuse(asked.error);
  asked.value.done.catch((error: unknown) => deps.log.error("a password link failed", { err: error }));
  return data({ next: "mail" });
}

async function resetPassword(deps: HumanDeps, call: HumanCall): Promise<Response> {
  const body = bodyOf(call, byLinkSchema);
  if (!body.ok) return body.error;
  const set = await setPasswordByLink(deps.people, body.value, originOf(call));
  return set.ok ? await signedInAnswer(deps, call, set.value) : refuse(set.error);
}

async function doChangePassword(deps: HumanDeps, call: SignedInCall): Promise<Response> {
  const body = bodyOf(call, changeSchema);
  if (!body.ok) return body.error;
  const device = readCookie(deps.cookies, call.request, "device");
  const { current, password: next } = body.value;
  const changed = await changePassword(deps.people, call.human, { current, next, device }, originOf(call));
  return changed.ok ? await signedInAnswer(deps, call, changed.value) : refuse(changed.error);
}
