// Password links: a user sets a password without the one before: an admin gives them a link, or it comes by mail.
import { eq } from "drizzle-orm";
import { err, ok, type Result } from "../lib/result.ts";
import type { Allowance } from "./attempts.ts";
import { audit } from "./audit.ts";
import { type Caller, SYSTEM_CALLER } from "./caller.ts";
import { passwordMail } from "./mail.ts";
import { findLink, insertLink, linkAddress, revokeLinks, useLink } from "./one-time-links.ts";
import type { Origin, People } from "./people.ts";
import { sessions, users } from "./schema.ts";
import { openSession } from "./sessions.ts";
import { allow, fromNetwork, type TooMany } from "./sign-in.ts";
import { findUser, governs } from "./users.ts";

const HOUR_MS = 3_600_000;

export type PasswordLink = { link: string; expiresMs: number };

/**
 * A link for the user to set a password with, good for so long; the password stays as it is. Links made before end, but
 * not where strangers may have asked for this one: they end nobody's.
 */
export async function createPasswordLink(
  people: People,
  emailOrId: string,
  by: Caller,
  ttlMs = HOUR_MS,
): Promise<Result<PasswordLink & { userId: string }, "user_unknown" | "user_disabled" | "rights_ended">> {
  return await people.db.writer.transact(async (tx) => {
    if (!(await governs(tx, by))) return err("rights_ended");
    const user = await findUser(tx, emailOrId);
    if (user === undefined) return err("user_unknown");
    if (user.disabledMs !== null) return err("user_disabled");
    const nowMs = people.clock.nowMs();
    if (by.actor !== SYSTEM_CALLER.actor) await revokeLinks(tx, nowMs, { kind: "password", userId: user.id });
    const { secret, link } = await insertLink(tx, people, { kind: "password", ttlMs, userId: user.id, by });
    const after = { link: link.id, expires_ms: link.expiresMs };
    await audit(tx, { atMs: nowMs, ...by, action: "user.password_reset", subject: user.id, after });
    return ok({ link: linkAddress(people.url(), "password", secret), expiresMs: link.expiresMs, userId: user.id });
  });
}

/**
 * Has a link mailed where the address is a user's. `done` resolves when it is on its way; whoever asks is answered
 * before that, so that neither the answer nor its time tells whether there is such a user.
 */
export async function requestPasswordMail(
  people: People,
  email: string,
  { address }: Origin,
): Promise<Result<{ done: Promise<void> }, TooMany | { code: "mail_not_configured" }>> {
  const { mail } = people;
  if (mail === null) return err({ code: "mail_not_configured" });
  const allowed = await allow(people, mailAllowances(email, address));
  if (!allowed.ok) return allowed;
  const act = async () => {
    const made = await createPasswordLink(people, email, { ...SYSTEM_CALLER, from: address });
    if (made.ok) mail.send(passwordMail(email, people.url(), made.value.link));
  };
  return ok({ done: act() });
}

/** How many mails strangers can have sent: to one address, from one place, and in all. */
export const mailAllowances = (email: string, address: string): Allowance[] => [
  { name: `mail/to/${email}`, limit: 3, perMs: HOUR_MS },
  fromNetwork("mail/from", address, 20, HOUR_MS),
  { name: "mail/all", limit: 500, perMs: HOUR_MS },
];

export type LinkRefusal = { code: "link_not_valid" } | { code: "busy" };

/** Sets the password that a link is for. All sessions and other such links of the user end; `token` is of a new one. */
export async function setPasswordByLink(
  people: People,
  { secret, password }: { secret: string; password: string },
  origin: Origin,
): Promise<Result<{ token: string; userId: string }, LinkRefusal>> {
  const { db, clock, passwords } = people;
  // Before the hashing, which is dear.
  if (!(await findLink(db.read, "password", secret, clock.nowMs()))) return err({ code: "link_not_valid" });
  const hash = await passwords.hash(password);
  if (!hash.ok) return err({ code: "busy" });
  return await db.writer.transact(async (tx) => {
    const nowMs = clock.nowMs();
    const link = await useLink(tx, "password", secret, { nowMs, usedBy: null });
    const user = link?.userId ? await findUser(tx, link.userId) : undefined;
    if (user === undefined || user.disabledMs !== null) return err({ code: "link_not_valid" });
    await tx.update(users).set({ passwordHash: hash.value }).where(eq(users.id, user.id));
    await revokeLinks(tx, nowMs, { kind: "password", userId: user.id });
    await tx.delete(sessions).where(eq(sessions.userId, user.id));
    const entry = { actor: `user/${user.id}`, from: origin.address, action: "user.password_changed" } as const;
    await audit(tx, { atMs: nowMs, ...entry, subject: user.id, after: { by_link: link?.id ?? null } });
    return ok({ token: await openSession(tx, people, user, origin), userId: user.id });
  });
}
