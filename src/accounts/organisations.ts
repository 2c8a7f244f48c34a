// Organisations: accounts that several people act for. Owners change their names and members.
import { and, asc, count, eq, inArray, isNull, ne, sql } from "drizzle-orm";
import type { Drizzle } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import type { Caller } from "./caller.ts";
import { newestFirst, type Span, spanOf } from "./listing.ts";
import { revokeLinksMadeBy } from "./one-time-links.ts";
import type { People } from "./people.ts";
import type { MemberRole } from "./roles.ts";
import { accounts, members, sessions, users } from "./schema.ts";
import { newId } from "./secrets.ts";
import { governs } from "./users.ts";

/** Accounts that one person may own: their own one, and organisations. */
const MAX_OWNED = 50;

export type MyAccount = { id: string; kind: string; name: string; role: MemberRole };
export type Member = { userId: string; email: string; name: string; role: MemberRole; createdMs: number };

/** The accounts that a user may act for, their own first. */
export async function listAccounts({ db }: Pick<People, "db">, userId: string): Promise<MyAccount[]> {
  return await db.read
    .select({ id: accounts.id, kind: accounts.kind, name: accounts.name, role: members.role })
    .from(members)
    .innerJoin(accounts, eq(accounts.id, members.accountId))
    .where(eq(members.userId, userId))
    .orderBy(asc(members.createdMs), asc(accounts.id));
}

export type Organisation = { id: string; name: string; createdMs: number; members: number };

/** All organisations, or a span of them, the newest first. */
export async function listOrganisations({ db }: Pick<People, "db">, span: Span = {}): Promise<Organisation[]> {
  const { where, order, limit } = spanOf(accounts, span);
  const { id, name, createdMs } = accounts;
  const inIt = sql<number>`(SELECT count(*) FROM ${members} WHERE ${members.accountId} = ${id})`;
  const rows = await db.read
    .select({ id, name, createdMs, members: inIt })
    .from(accounts)
    .where(and(eq(accounts.kind, "organisation"), where))
    .orderBy(...order)
    .limit(limit);
  return newestFirst(span, rows);
}

/** An account that several people may act for: an organisation, or the built-in account. */
export async function findShared(
  db: Drizzle,
  accountId: string,
): Promise<{ id: string; kind: string; name: string; createdMs: number } | undefined> {
  const shared = and(eq(accounts.id, accountId), inArray(accounts.kind, ["organisation", "local"]));
  const [row] = await db.select().from(accounts).where(shared);
  return row;
}

export async function createOrganisation(
  { db, clock, random }: Pick<People, "db" | "clock" | "random">,
  { userId, name }: { userId: string; name: string },
  by: Caller,
): Promise<Result<MyAccount, "too_many">> {
  return await db.writer.transact(async (tx) => {
    const mine = and(eq(members.userId, userId), eq(members.role, "owner"));
    const [owned] = await tx.select({ n: count() }).from(members).where(mine);
    if ((owned?.n ?? 0) >= MAX_OWNED) return err("too_many");
    const createdMs = clock.nowMs();
    const id = newId("org", random);
    await tx.insert(accounts).values({ id, kind: "organisation", name, createdMs });
    await tx.insert(members).values({ accountId: id, userId, role: "owner", createdMs });
    await audit(tx, { atMs: createdMs, ...by, action: "org.created", subject: id, after: { name, owner: userId } });
    return ok({ id, kind: "organisation", name, role: "owner" });
  });
}

/** The members of an account, in the order in which they came. */
export async function listMembers({ db }: Pick<People, "db">, accountId: string): Promise<Member[]> {
  const { id: userId, email, name } = users;
  return await db.read
    .select({ userId, email, name, role: members.role, createdMs: members.createdMs })
    .from(members)
    .innerJoin(users, eq(users.id, members.userId))
    .where(eq(members.accountId, accountId))
    .orderBy(asc(members.createdMs), asc(users.id));
}

/** What a user is in an account; null where they are nothing. */
export async function memberRole(db: Drizzle, accountId: string, userId: string): Promise<MemberRole | null> {
  const [row] = await db
    .select({ role: members.role })
    .from(members)
    .where(and(eq(members.accountId, accountId), eq(members.userId, userId)));
  return row?.role ?? null;
}

export async function renameOrganisation(
  { db, clock }: Pick<People, "db" | "clock">,
  { accountId, name }: { accountId: string; name: string },
  by: Caller,
): Promise<Result<void, "organisation_unknown">> {
  return await db.writer.transact(async (tx) => {
    const organisation = and(eq(accounts.id, accountId), eq(accounts.kind, "organisation"));
    const [before] = await tx.select({ name: accounts.name }).from(accounts).where(organisation);
    if (before === undefined) return err("organisation_unknown");
    await tx.update(accounts).set({ name }).where(eq(accounts.id, accountId));
    const entry = {
      action: "org.changed",
      subject: accountId,
      before: { name: before.name },
      after: { name },
    } as const;
    await audit(tx, { atMs: clock.nowMs(), ...by, ...entry });
    return ok(undefined);
  });
}

/** Whether whoever asks owns the account still, and is not shut out; to be asked in the transaction of the act. */
export async function owns(tx: Drizzle, { actor }: Caller, accountId: string): Promise<boolean> {
  if (!actor.startsWith("user/")) return true;
  const [row] = await tx
    .select({ role: members.role })
    .from(members)
    .innerJoin(users, and(eq(users.id, members.userId), isNull(users.disabledMs)))
    .where(and(eq(members.accountId, accountId), eq(members.userId, actor.slice("user/".length))));
  return row?.role === "owner";
}

export type MemberRefusal = "member_unknown" | "last_owner" | "personal_account" | "rights_ended";

/**
 * Makes a member something else, or takes them out (`null`); asked for by an owner, an admin, or whoever leaves. Their
 * sessions that act for the account go back to their own.
 */
export async function setMember(
  { db, clock }: Pick<People, "db" | "clock">,
  { accountId, userId, role }: { accountId: string; userId: string; role: MemberRole | null },
  by: Caller,
): Promise<Result<void, MemberRefusal>> {
  return await db.writer.transact(async (tx) => {
    const before = await memberRole(tx, accountId, userId);
    if (before === null) return err("member_unknown");
    const leaves = role === null && by.actor === `user/${userId}`;
    if (!leaves && !(await owns(tx, by, accountId)) && !(await governs(tx, by))) return err("rights_ended");
    const [user] = await tx.select({ own: users.accountId }).from(users).where(eq(users.id, userId));
    if (user === undefined || user.own === accountId) return err("personal_account");
    if (before === role) return ok(undefined);
    if (before === "owner" && !(await hasOtherOwner(tx, accountId, userId))) return err("last_owner");
    const which = and(eq(members.accountId, accountId), eq(members.userId, userId));
    if (role === null) {
      await tx.delete(members).where(which);
      const acting = and(eq(sessions.userId, userId), eq(sessions.accountId, accountId));
      await tx.update(sessions).set({ accountId: user.own }).where(acting);
    } else await tx.update(members).set({ role }).where(which);
    const atMs = clock.nowMs();
    if (before === "owner") await revokeLinksMadeBy(tx, { userId, accountId }, atMs, by);
    const action = role === null ? "org.member_removed" : "org.member_changed";
    const [was, is] = [
      { user: userId, role: before },
      { user: userId, role },
    ];
    await audit(tx, { atMs, ...by, action, subject: accountId, before: was, after: is });
    return ok(undefined);
  });
}

/** Another one who is not shut out. */
async function hasOtherOwner(tx: Drizzle, accountId: string, userId: string): Promise<boolean> {
  const others = and(eq(members.accountId, accountId), eq(members.role, "owner"), ne(members.userId, userId));
  const active = and(eq(users.id, members.userId), isNull(users.disabledMs));
  const found = await tx.select({ id: members.userId }).from(members).innerJoin(users, active).where(others).limit(1);
  return found.length > 0;
}
