// Sign-up: by everybody or by invitation, as the instance is set. Where mail is configured, an address is proved before
// anything is made of it, and whoever asks learns nothing about it.
import { err, ok, type Result } from "../lib/result.ts";
import { SYSTEM_CALLER } from "./caller.ts";
import { asRefusal, LinkWasUsed, type NewPerson } from "./first-admin.ts";
import { type Invitation, joinByInvitation } from "./invitations.ts";
import { knownAlreadyMail, signUpMail } from "./mail.ts";
import { findLink, insertLink, linkAddress, revokeLinks, useLink } from "./one-time-links.ts";
import { type LinkRefusal, mailAllowances } from "./password-links.ts";
import type { Origin, People, PeopleSettings } from "./people.ts";
import type { UserRole } from "./roles.ts";
import { openSession } from "./sessions.ts";
import { allow, fromNetwork, type TooMany } from "./sign-in.ts";
import { findUser, insertUser } from "./users.ts";

const HOUR_MS = 3_600_000;
/** What those who let themselves in may do; an admin gives more. */
export const SIGN_UP_ROLES: readonly UserRole[] = ["client"];

/** How open sign-up goes on: by a link in a mail, or by signing in with what was just chosen. */
export type SignUpStep = { next: "mail" | "sign_in" };
export type SignUpRefusal = TooMany | { code: "sign_up_closed" | "invitation_needed" | "password_needed" | "busy" };

/**
 * Open sign-up. The answer is the same whether the address was free or not: a user that is there already stays as they
 * are. With mail, the password is chosen after the address was proved, by whoever has its mailbox.
 */
export async function signUp(
  people: People,
  { email, name, password }: { email: string; name: string; password: string | null },
  origin: Origin,
): Promise<Result<SignUpStep & { done: Promise<void> }, SignUpRefusal>> {
  const { settings, mail } = people;
  if (settings.signUp !== "open") return err(notOpen(settings.signUp));
  if (mail !== null) {
    const allowed = await allow(people, mailAllowances(email, origin.address));
    if (!allowed.ok) return allowed;
    return ok({ next: "mail", done: mailSignUp(people, email) });
  }
  if (password === null) return err({ code: "password_needed" });
  const allowed = await allow(people, [
    fromNetwork("sign-up", origin.address, 20, HOUR_MS),
    { name: "sign-up/all", limit: 1_000, perMs: HOUR_MS },
  ]);
  if (!allowed.ok) return allowed;
  const hash = await people.passwords.hash(password);
  if (!hash.ok) return err({ code: "busy" });
  const user = { email, name, passwordHash: hash.value, roles: SIGN_UP_ROLES };
  await people.db.writer.transact((tx) => insertUser(tx, people, user, { actor: "system", from: origin.address }));
  return ok({ next: "sign_in", done: Promise.resolve() });
}

export const notOpen = (signUp: PeopleSettings["signUp"]): { code: "sign_up_closed" | "invitation_needed" } => ({
  code: signUp === "closed" ? "sign_up_closed" : "invitation_needed",
});

async function mailSignUp(people: People, email: string): Promise<void> {
  const { db, clock, mail } = people;
  if ((await findUser(db.read, email)) !== undefined) {
    mail?.send(knownAlreadyMail(email, people.url()));
    return;
  }
  const { secret } = await db.writer.transact(async (tx) => {
    await revokeLinks(tx, clock.nowMs(), { kind: "sign_up", email });
    return await insertLink(tx, people, { kind: "sign_up", ttlMs: HOUR_MS, email, by: SYSTEM_CALLER });
  });
  mail?.send(signUpMail(email, people.url(), linkAddress(people.url(), "sign_up", secret)));
}

type Finished = Result<
  { token: string; userId: string },
  LinkRefusal | TooMany | { code: "sign_up_closed" | "invitation_needed" | "email_taken" }
>;

/** Makes the user of a proved address, and signs them in. */
export async function finishSignUp(
  people: People,
  { secret, name, password }: Omit<NewPerson, "email">,
  origin: Origin,
): Promise<Finished> {
  const { db, clock, settings } = people;
  if (settings.signUp !== "open") return err(notOpen(settings.signUp));
  const link = await findLink(db.read, "sign_up", secret, clock.nowMs());
  if (!link?.email) return err({ code: "link_not_valid" });
  return await admit(people, { secret, email: link.email, name, password, roles: SIGN_UP_ROLES }, origin, null);
}

/** Makes the user that an invitation is for, and signs them in. */
export async function signUpByInvitation(
  people: People,
  { secret, email, name, password }: NewPerson,
  origin: Origin,
): Promise<Finished> {
  const { db, clock, settings } = people;
  if (settings.signUp === "closed") return err({ code: "sign_up_closed" });
  const link = await findLink(db.read, "invitation", secret, clock.nowMs());
  if (!link || (link.email !== null && link.email !== email)) return err({ code: "link_not_valid" });
  // Those of an organisation's owner are for people who are here already, unless everybody may come.
  if (link.roles === null && settings.signUp !== "open") return err({ code: "invitation_needed" });
  // What somebody can learn with one invitation about whose addresses are known here ends soon.
  const tries = await allow(people, [{ name: `invitation/${link.id}`, limit: 5, perMs: HOUR_MS }]);
  if (!tries.ok) return tries;
  const roles = link.roles ?? SIGN_UP_ROLES;
  return await admit(people, { secret, email, name, password, roles }, origin, link);
}

/** Hashes, and then makes the user, uses the link up and opens the session in one transaction. */
async function admit(
  people: People,
  { secret, email, name, password, roles }: NewPerson & { roles: readonly UserRole[] },
  origin: Origin,
  invitation: Invitation | null,
): Promise<Finished> {
  const { db, clock, passwords } = people;
  const hash = await passwords.hash(password);
  if (!hash.ok) return err({ code: "busy" });
  const by = { actor: "system", from: origin.address } as const;
  const admitted = db.writer.transact(async (tx): Promise<Finished> => {
    const made = await insertUser(tx, people, { email, name, passwordHash: hash.value, roles }, by);
    if (!made.ok) return err({ code: made.error });
    const user = made.value;
    const kind = invitation === null ? "sign_up" : "invitation";
    const used = await useLink(tx, kind, secret, { nowMs: clock.nowMs(), usedBy: user.id });
    if (used === undefined) throw new LinkWasUsed();
    if (invitation !== null) await joinByInvitation(tx, people, used, user, origin);
    return ok({ token: await openSession(tx, people, user, origin), userId: user.id });
  });
  return await admitted.catch(asRefusal);
}
