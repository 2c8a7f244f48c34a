// First admin: a link makes the first user with the role admin, and nobody after that.
import { and, eq, isNull } from "drizzle-orm";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import { SYSTEM_CALLER } from "./caller.ts";
import { findLink, insertLink, linkAddress, revokeLinks, useLink } from "./one-time-links.ts";
import type { LinkRefusal } from "./password-links.ts";
import type { Origin, People } from "./people.ts";
import { USER_ROLES } from "./roles.ts";
import { LOCAL_ACCOUNT_ID, members, oneTimeLinks } from "./schema.ts";
import { openSession } from "./sessions.ts";
import { hasAdmin, insertUser } from "./users.ts";

const SETUP_TTL_MS = 3_600_000;

export type SetupLink = { link: string; expiresMs: number };

/** A new set-up link, good for an hour; those made before end. Refused once there is an admin. */
export async function createSetupLink(people: People, by = SYSTEM_CALLER): Promise<Result<SetupLink, "admin_exists">> {
  return await people.db.writer.transact(async (tx) => {
    if (await hasAdmin(tx)) return err("admin_exists");
    const nowMs = people.clock.nowMs();
    await revokeLinks(tx, nowMs, { kind: "setup" });
    const { secret, link } = await insertLink(tx, people, { kind: "setup", ttlMs: SETUP_TTL_MS, by });
    const after = { first_admin: true, expires_ms: link.expiresMs };
    await audit(tx, { atMs: nowMs, ...by, action: "invitation.created", subject: link.id, after });
    return ok({ link: linkAddress(people.url(), "setup", secret), expiresMs: link.expiresMs });
  });
}

export type NewPerson = { secret: string; email: string; name: string; password: string };

/** Makes the first admin, who owns what the built-in account owns from then on, and signs them in. */
export async function setUp(
  people: People,
  { secret, email, name, password }: NewPerson,
  origin: Origin,
): Promise<Result<{ token: string; userId: string }, LinkRefusal | { code: "email_taken" }>> {
  const { db, clock, passwords } = people;
  if (!(await findLink(db.read, "setup", secret, clock.nowMs()))) return err({ code: "link_not_valid" });
  const hash = await passwords.hash(password);
  if (!hash.ok) return err({ code: "busy" });
  return await db.writer
    .transact(async (tx) => {
      const nowMs = clock.nowMs();
      if (await hasAdmin(tx)) return err({ code: "link_not_valid" });
      const made = await insertUser(
        tx,
        people,
        { email, name, passwordHash: hash.value, roles: USER_ROLES },
        { actor: "system", from: origin.address },
      );
      if (!made.ok) return err({ code: "email_taken" });
      const user = made.value;
      if (!(await useLink(tx, "setup", secret, { nowMs, usedBy: user.id }))) throw new LinkWasUsed();
      await tx
        .insert(members)
        .values({ accountId: LOCAL_ACCOUNT_ID, userId: user.id, role: "owner", createdMs: nowMs });
      const open = and(eq(oneTimeLinks.kind, "setup"), isNull(oneTimeLinks.usedMs));
      await tx.update(oneTimeLinks).set({ revokedMs: nowMs }).where(open);
      const entry = { actor: `user/${user.id}`, from: origin.address, action: "org.member_added" } as const;
      await audit(tx, { atMs: nowMs, ...entry, subject: LOCAL_ACCOUNT_ID, after: { user: user.id, role: "owner" } });
      return ok({ token: await openSession(tx, people, user, origin, LOCAL_ACCOUNT_ID), userId: user.id });
    })
    .catch(asRefusal);
}

/** Thrown to undo a transaction whose link was used meanwhile. */
export class LinkWasUsed extends Error {
  override readonly name = "LinkWasUsed";
}

/** The refusal that a LinkWasUsed stands for; whatever else was thrown goes on. */
export function asRefusal(fault: unknown): Result<never, { code: "link_not_valid" }> {
  if (fault instanceof LinkWasUsed) return err({ code: "link_not_valid" });
  throw fault;
}
