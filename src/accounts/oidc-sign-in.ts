// OIDC sign-in: from who a provider says it is to a session here. People are known by issuer and subject; an address
// alone never opens an account that is there already.
import { and, eq } from "drizzle-orm";
import { isUniqueViolation } from "../db/errors.ts";
import type { Drizzle } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import { asRefusal, LinkWasUsed } from "./first-admin.ts";
import { joinByInvitation } from "./invitations.ts";
import type { OidcPerson } from "./oidc.ts";
import { findLink, useLink } from "./one-time-links.ts";
import type { Origin, People } from "./people.ts";
import { oidcIdentities, type UserRow } from "./schema.ts";
import { endSession, openSession } from "./sessions.ts";
import { proveUser, type SignInRefusal } from "./sign-in.ts";
import { notOpen, SIGN_UP_ROLES } from "./sign-up.ts";
import { findUser, insertUser } from "./users.ts";

export type OidcOutcome =
  | { next: "signed_in"; token: string; userId: string }
  /** There is an account of this address: its password, once, links the two. */
  | { next: "prove"; email: string };
export type OidcSignInRefusal = {
  code:
    | "user_disabled"
    | "sign_up_closed"
    | "invitation_needed"
    | "link_not_valid"
    /** The provider does not say that the address is theirs. */
    | "address_not_verified"
    /** The account of this address has no password to prove it with. */
    | "known_otherwise";
};

/** Signs in whoever is known, and makes a user of whoever may sign up. `before`: the session that the browser has now. */
export async function oidcSignIn(
  people: People,
  person: OidcPerson,
  { invitation, before }: { invitation: string | null; before: string | null },
  origin: Origin,
): Promise<Result<OidcOutcome, OidcSignInRefusal>> {
  const { db } = people;
  const known = await userOf(db.read, person);
  if (known !== undefined) return await open(people, known, before, origin);
  if (!person.emailVerified) return err({ code: "address_not_verified" });
  const same = await findUser(db.read, person.email);
  if (same === undefined) return await oidcSignUp(people, person, invitation, origin);
  if (same.disabledMs !== null) return err({ code: "user_disabled" });
  return same.passwordHash === null ? err({ code: "known_otherwise" }) : ok({ next: "prove", email: same.email });
}

async function userOf(db: Drizzle, { issuer, subject }: OidcPerson): Promise<UserRow | undefined> {
  const [identity] = await db
    .select({ userId: oidcIdentities.userId })
    .from(oidcIdentities)
    .where(and(eq(oidcIdentities.issuer, issuer), eq(oidcIdentities.subject, subject)));
  return identity && (await findUser(db, identity.userId));
}

async function open(
  people: People,
  { id }: UserRow,
  before: string | null,
  origin: Origin,
): Promise<Result<OidcOutcome, OidcSignInRefusal>> {
  return await people.db.writer.transact(async (tx) => {
    const user = await findUser(tx, id);
    if (user === undefined || user.disabledMs !== null) return err({ code: "user_disabled" });
    if (before !== null) await endSession(tx, before);
    return ok({ next: "signed_in", token: await openSession(tx, people, user, origin), userId: id });
  });
}

/** The rules of sign-up hold for those who come by a provider too. */
async function oidcSignUp(
  people: People,
  person: OidcPerson,
  invitation: string | null,
  origin: Origin,
): Promise<Result<OidcOutcome, OidcSignInRefusal>> {
  const { db, clock, settings } = people;
  if (settings.signUp === "closed" || (settings.signUp === "invite" && invitation === null)) {
    return err(notOpen(settings.signUp));
  }
  const link = invitation === null ? null : await findLink(db.read, "invitation", invitation, clock.nowMs());
  if (link === undefined || (link !== null && link.email !== null && link.email !== person.email)) {
    return err({ code: "link_not_valid" });
  }
  if (link?.roles === null && settings.signUp !== "open") return err({ code: "invitation_needed" });
  const by = { actor: "system", from: origin.address } as const;
  const { email, name } = person;
  const roles = link?.roles ?? SIGN_UP_ROLES;
  const admitted = db.writer.transact(async (tx): Promise<Result<OidcOutcome, OidcSignInRefusal>> => {
    const made = await insertUser(tx, people, { email, name, passwordHash: null, roles }, by);
    if (!made.ok) return err({ code: "known_otherwise" });
    const user = made.value;
    await insertIdentity(tx, people, person, user.id, origin);
    if (invitation !== null) {
      const used = await useLink(tx, "invitation", invitation, { nowMs: clock.nowMs(), usedBy: user.id });
      if (used === undefined) throw new LinkWasUsed();
      await joinByInvitation(tx, people, used, user, origin);
    }
    return ok({ next: "signed_in", token: await openSession(tx, people, user, origin), userId: user.id });
  });
  return await admitted.catch(asRefusal);
}

async function insertIdentity(
  tx: Drizzle,
  { clock }: Pick<People, "clock">,
  { issuer, subject, email }: OidcPerson,
  userId: string,
  { address }: Origin,
): Promise<void> {
  const createdMs = clock.nowMs();
  await tx.insert(oidcIdentities).values({ issuer, subject, userId, email, createdMs });
  const entry = { actor: `user/${userId}`, from: address, action: "user.changed", subject: userId } as const;
  await audit(tx, { atMs: createdMs, ...entry, after: { signs_in_with: issuer, as: subject } });
}

/** Links whoever the provider named with the user of the same address, who proves it with their password, and signs in. */
export async function proveAndLink(
  people: People,
  person: OidcPerson,
  { password, device, before }: { password: string; device: string | null; before: string | null },
  origin: Origin,
): Promise<Result<{ token: string; userId: string }, SignInRefusal | { code: "linked_elsewhere" }>> {
  const proved = await proveUser(people, { email: person.email, password, device }, origin);
  if (!proved.ok) return proved;
  const linked = await linkIdentity(people, person, proved.value.id, origin);
  if (!linked.ok) return err({ code: linked.error });
  const opened = await open(people, proved.value, before, origin);
  if (!opened.ok || opened.value.next !== "signed_in") return err({ code: "wrong_credentials" });
  return ok({ token: opened.value.token, userId: opened.value.userId });
}

/** Links whoever the provider named with this user, who is signed in. */
export async function linkIdentity(
  people: People,
  person: OidcPerson,
  userId: string,
  origin: Origin,
): Promise<Result<void, "linked_elsewhere">> {
  try {
    await people.db.writer.transact((tx) => insertIdentity(tx, people, person, userId, origin));
    return ok(undefined);
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const known = await userOf(people.db.read, person);
    return known?.id === userId ? ok(undefined) : err("linked_elsewhere");
  }
}

/** The providers that a user signs in with. */
export async function listIdentities(
  { db }: Pick<People, "db">,
  userId: string,
): Promise<{ issuer: string; subject: string; email: string }[]> {
  const { issuer, subject, email } = oidcIdentities;
  return await db.read.select({ issuer, subject, email }).from(oidcIdentities).where(eq(oidcIdentities.userId, userId));
}

/** Unlinks one; refused where it is the last way in. */
export async function unlinkIdentity(
  { db, clock }: People,
  userId: string,
  { issuer, subject }: { issuer: string; subject: string },
  origin: Origin,
): Promise<Result<void, "identity_unknown" | "last_way_in">> {
  return await db.writer.transact(async (tx) => {
    const user = await findUser(tx, userId);
    const mine = await tx.select().from(oidcIdentities).where(eq(oidcIdentities.userId, userId));
    if (!mine.some((one) => one.issuer === issuer && one.subject === subject)) return err("identity_unknown");
    if (mine.length === 1 && user?.passwordHash === null) return err("last_way_in");
    await tx
      .delete(oidcIdentities)
      .where(
        and(eq(oidcIdentities.issuer, issuer), eq(oidcIdentities.subject, subject), eq(oidcIdentities.userId, userId)),
      );
    const entry = { actor: `user/${userId}`, from: origin.address, action: "user.changed", subject: userId } as const;
    await audit(tx, { atMs: clock.nowMs(), ...entry, before: { signs_in_with: issuer, as: subject } });
    return ok(undefined);
  });
}
