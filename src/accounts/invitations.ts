// Invitations: single-use links that let a person sign up, or join an organisation.
import { and, eq, isNull } from "drizzle-orm";
import type { Drizzle } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import type { Caller } from "./caller.ts";
import type { Span } from "./listing.ts";
import { insertLink, linkAddress, listLinks, type OneTimeLink, useLink } from "./one-time-links.ts";
import { owns } from "./organisations.ts";
import type { Origin, People } from "./people.ts";
import { USER_ROLES, type UserRole } from "./roles.ts";
import { accounts, members, oneTimeLinks, sessions, type UserRow, users } from "./schema.ts";
import { openSession, type SignedIn } from "./sessions.ts";
import { findUser, governs } from "./users.ts";

export type Invitation = OneTimeLink;

export type NewInvitation = {
  /** What whoever comes may do. Null: nothing new; they are here already, or come as everybody may. */
  roles: UserRole[] | null;
  /** The organisation they join. */
  accountId?: string | undefined;
  /** Where given, it is for this address only. */
  email?: string | undefined;
  ttlMs: number;
};

/** Makes an invitation; `link` is seen only here. */
export async function createInvitation(
  people: People,
  { roles, accountId, email, ttlMs }: NewInvitation,
  by: Caller,
): Promise<Result<{ link: string; invitation: Invitation }, "organisation_unknown" | "rights_ended">> {
  return await people.db.writer.transact(async (tx) => {
    if (accountId !== undefined && !(await isShared(tx, accountId))) return err("organisation_unknown");
    const mayInvite = roles === null && accountId !== undefined ? owns(tx, by, accountId) : governs(tx, by);
    if (!(await mayInvite)) return err("rights_ended");
    const made = await insertLink(tx, people, {
      kind: "invitation",
      roles: roles ?? undefined,
      accountId,
      email,
      ttlMs,
      by,
    });
    const { id } = made.link;
    const after = { roles, account: accountId ?? null, email: email ?? null, expires_ms: made.link.expiresMs };
    await audit(tx, { atMs: people.clock.nowMs(), ...by, action: "invitation.created", subject: id, after });
    return ok({ link: linkAddress(people.url(), "invitation", made.secret), invitation: made.link });
  });
}

/** Whether several people may act for an account: a person's own is theirs alone. */
async function isShared(tx: Drizzle, accountId: string): Promise<boolean> {
  const [account] = await tx.select({ kind: accounts.kind }).from(accounts).where(eq(accounts.id, accountId));
  return account?.kind === "organisation" || account?.kind === "local";
}

/** All invitations, used and expired ones included, or a span of them, the newest first; of one organisation where given. */
export const listInvitations = (
  { db }: Pick<People, "db">,
  which: Span & { accountId?: string | undefined } = {},
): Promise<Invitation[]> => listLinks(db.read, "invitation", which);

/** Ends an invitation before it is used; of one organisation only, where given. */
export async function revokeInvitation(
  { db, clock }: Pick<People, "db" | "clock">,
  { id, accountId }: { id: string; accountId?: string },
  by: Caller,
): Promise<Result<void, "invitation_unknown">> {
  return await db.writer.transact(async (tx) => {
    const nowMs = clock.nowMs();
    const open = and(
      eq(oneTimeLinks.id, id),
      eq(oneTimeLinks.kind, "invitation"),
      accountId === undefined ? undefined : eq(oneTimeLinks.accountId, accountId),
      isNull(oneTimeLinks.usedMs),
      isNull(oneTimeLinks.revokedMs),
    );
    const revoked = await tx.update(oneTimeLinks).set({ revokedMs: nowMs }).where(open).returning();
    if (revoked.length === 0) return err("invitation_unknown");
    await audit(tx, { atMs: nowMs, ...by, action: "invitation.revoked", subject: id });
    return ok(undefined);
  });
}

/** Gives a user what an invitation brings, inside the transaction that uses it up. */
export async function joinByInvitation(
  tx: Drizzle,
  { clock }: Pick<People, "clock">,
  { id, accountId }: Invitation,
  user: UserRow,
  { address }: Origin,
): Promise<void> {
  if (accountId === null) return;
  const nowMs = clock.nowMs();
  const row = { accountId, userId: user.id, role: "member", createdMs: nowMs } as const;
  const joined = await tx.insert(members).values(row).onConflictDoNothing().returning();
  if (joined.length === 0) return;
  const entry = { actor: `user/${user.id}`, from: address, action: "org.member_added", subject: accountId } as const;
  await audit(tx, { atMs: nowMs, ...entry, after: { user: user.id, role: "member", invitation: id } });
}

/**
 * Uses an invitation for whoever is signed in: they join its organisation and are given its roles. `token`: of a new
 * session where their roles have changed, since all others end then.
 */
export async function acceptInvitation(
  people: People,
  { user: { id, email } }: Pick<SignedIn, "user">,
  secret: string,
  origin: Origin,
): Promise<Result<{ accountId: string | null; token: string | null }, "link_not_valid">> {
  return await people.db.writer.transact(async (tx) => {
    const nowMs = people.clock.nowMs();
    const user = await findUser(tx, id);
    const link = await useLink(tx, "invitation", secret, { nowMs, usedBy: id });
    if (user === undefined || link === undefined) return err("link_not_valid");
    if (link.email !== null && link.email !== email) {
      // Somebody else's: it is still theirs to use.
      await tx.update(oneTimeLinks).set({ usedMs: null, usedBy: null }).where(eq(oneTimeLinks.id, link.id));
      return err("link_not_valid");
    }
    await joinByInvitation(tx, people, link, user, origin);
    const roles = USER_ROLES.filter((role) => user.roles.includes(role) || link.roles?.includes(role));
    if (roles.length === user.roles.length) return ok({ accountId: link.accountId, token: null });
    await tx.update(users).set({ roles }).where(eq(users.id, id));
    await tx.delete(sessions).where(eq(sessions.userId, id));
    const entry = { actor: `user/${id}`, from: origin.address, action: "user.role_changed", subject: id } as const;
    await audit(tx, { atMs: nowMs, ...entry, before: user.roles, after: roles });
    return ok({ accountId: link.accountId, token: await openSession(tx, people, { ...user, roles }, origin) });
  });
}
