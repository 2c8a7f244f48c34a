// Users: people, each with an account of their own, and what an admin does about them.
import { and, desc, eq, inArray, isNull, ne, type SQL, sql } from "drizzle-orm";
import type { Drizzle } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import type { Caller } from "./caller.ts";
import { newestFirst, type Span, spanOf } from "./listing.ts";
import { revokeLinksMadeBy } from "./one-time-links.ts";
import type { People } from "./people.ts";
import { USER_ROLES, type UserRole } from "./roles.ts";
import { accounts, members, oneTimeLinks, sessions, type UserRow, users } from "./schema.ts";
import { newId } from "./secrets.ts";

/** A user as others see them. */
export type User = Omit<UserRow, "passwordHash"> & { hasPassword: boolean };

export const withoutHash = ({ passwordHash, ...user }: UserRow): User => ({
  ...user,
  hasPassword: passwordHash !== null,
});

export type NewUser = { email: string; name: string; passwordHash: string | null; roles: readonly UserRole[] };

/** Makes a user with an account of their own, inside the transaction of whatever lets them in. */
export async function insertUser(
  tx: Drizzle,
  { random, clock }: Pick<People, "random" | "clock">,
  { email, name, passwordHash, roles }: NewUser,
  by: Caller,
): Promise<Result<UserRow, "email_taken">> {
  if ((await tx.select({ id: users.id }).from(users).where(eq(users.email, email))).length > 0)
    return err("email_taken");
  const createdMs = clock.nowMs();
  const id = newId("user", random);
  const accountId = newId("acct", random);
  await tx.insert(accounts).values({ id: accountId, kind: "user", name, createdMs });
  const row: UserRow = {
    id,
    email,
    name,
    passwordHash,
    roles: inOrder(roles),
    accountId,
    createdMs,
    disabledMs: null,
    lastLoginMs: null,
  };
  await tx.insert(users).values(row);
  await tx.insert(members).values({ accountId, userId: id, role: "owner", createdMs });
  // Whoever signs up does it as the user that this makes.
  const actor = by.actor === "system" ? (`user/${id}` as const) : by.actor;
  await audit(tx, {
    atMs: createdMs,
    actor,
    from: by.from,
    action: "user.created",
    subject: id,
    after: { email, name, roles: row.roles, account: accountId },
  });
  return ok(row);
}

/** Each role once, always in the same order. */
const inOrder = (roles: readonly UserRole[]): UserRole[] => USER_ROLES.filter((role) => roles.includes(role));

export async function findUser(db: Drizzle, emailOrId: string): Promise<UserRow | undefined> {
  const which = emailOrId.includes("@") ? eq(users.email, emailOrId) : eq(users.id, emailOrId);
  const [row] = await db.select().from(users).where(which);
  return row;
}

/** All users, or a span of them, the newest first. */
export async function listUsers({ db }: Pick<People, "db">, span: Span = {}): Promise<User[]> {
  const { where, order, limit } = spanOf(users, span);
  const rows = await db.read
    .select()
    .from(users)
    .where(where)
    .orderBy(...order)
    .limit(limit);
  return newestFirst(span, rows).map(withoutHash);
}

/** Users whose address or name begins with `text`, in whatever case, the newest first; at most `limit`. */
export async function searchUsers({ db }: Pick<People, "db">, text: string, limit: number): Promise<User[]> {
  const { id, email, name } = users;
  const found = await Promise.all(
    [begins(sql`${email}`, text.toLowerCase()), begins(sql`${name} COLLATE NOCASE`, text)].map((where) =>
      db.read.select({ id }).from(users).where(where).limit(limit),
    ),
  );
  const ids = [...new Set(found.flat().map((row) => row.id))].slice(0, limit);
  if (ids.length === 0) return [];
  const rows = await db.read.select().from(users).where(inArray(id, ids)).orderBy(desc(users.createdMs), desc(id));
  return rows.map(withoutHash);
}

/** A span of the index on `column`, which LIKE would not use with a bound text. */
const begins = (column: SQL, text: string): SQL => sql`${column} >= ${text} AND ${column} < ${`${text}\u{10ffff}`}`;

const isAdmin = sql`instr(${users.roles}, '"admin"') > 0`;

/** Whether there is anybody with the role admin, disabled ones included: then nobody else becomes the first. */
export async function hasAdmin(db: Drizzle): Promise<boolean> {
  return (await db.select({ id: users.id }).from(users).where(isAdmin).limit(1)).length > 0;
}

async function isLastAdmin(tx: Drizzle, { id, roles, disabledMs }: UserRow): Promise<boolean> {
  if (!roles.includes("admin") || disabledMs !== null) return false;
  const others = and(isAdmin, isNull(users.disabledMs), ne(users.id, id));
  return (await tx.select({ id: users.id }).from(users).where(others).limit(1)).length === 0;
}

/**
 * Whether whoever asks may govern still: a request that was under way while their role was taken, or they were shut out,
 * is not to undo that. To be asked in the transaction of the act.
 */
export async function governs(tx: Drizzle, { actor }: Caller): Promise<boolean> {
  if (!actor.startsWith("user/")) return true;
  const user = await findUser(tx, actor.slice("user/".length));
  return user?.disabledMs === null && user.roles.includes("admin");
}

export type UserRefusal = "user_unknown" | "last_admin" | "rights_ended";

/** Gives a user these roles and no others. Their sessions end: whoever is signed in signs in to what they may do now. */
export async function setUserRoles(
  people: People,
  emailOrId: string,
  wanted: readonly UserRole[],
  by: Caller,
): Promise<Result<User, UserRefusal>> {
  const roles = inOrder(wanted);
  return await changeUser(people, emailOrId, by, async (tx, user) => {
    if (!roles.includes("admin") && (await isLastAdmin(tx, user))) return err("last_admin");
    if (user.roles.join() === roles.join()) return ok(withoutHash(user));
    await tx.update(users).set({ roles }).where(eq(users.id, user.id));
    await tx.delete(sessions).where(eq(sessions.userId, user.id));
    const atMs = people.clock.nowMs();
    if (user.roles.includes("admin") && !roles.includes("admin"))
      await revokeLinksMadeBy(tx, { userId: user.id }, atMs, by);
    const subject = user.id;
    const [before, after] = [user.roles, roles];
    await audit(tx, { atMs, ...by, action: "user.role_changed", subject, before, after });
    return ok(withoutHash({ ...user, roles }));
  });
}

/** Shuts a user out, or lets them in again. What belongs to their accounts stays as it is. */
export async function setUserDisabled(
  people: People,
  emailOrId: string,
  disabled: boolean,
  by: Caller,
): Promise<Result<User, UserRefusal>> {
  return await changeUser(people, emailOrId, by, async (tx, user) => {
    if ((user.disabledMs !== null) === disabled) return ok(withoutHash(user));
    if (disabled && (await isLastAdmin(tx, user))) return err("last_admin");
    const nowMs = people.clock.nowMs();
    const disabledMs = disabled ? nowMs : null;
    await tx.update(users).set({ disabledMs }).where(eq(users.id, user.id));
    if (disabled) {
      await tx.delete(sessions).where(eq(sessions.userId, user.id));
      const theirs = and(eq(oneTimeLinks.userId, user.id), isNull(oneTimeLinks.usedMs));
      await tx.update(oneTimeLinks).set({ revokedMs: nowMs }).where(theirs);
      await revokeLinksMadeBy(tx, { userId: user.id }, nowMs, by);
    }
    const action = disabled ? "user.disabled" : "user.changed";
    await audit(tx, {
      atMs: nowMs,
      ...by,
      action,
      subject: user.id,
      before: { disabled: !disabled },
      after: { disabled },
    });
    return ok(withoutHash({ ...user, disabledMs }));
  });
}

async function changeUser<E>(
  { db }: People,
  emailOrId: string,
  by: Caller,
  change: (tx: Drizzle, user: UserRow) => Promise<Result<User, E>>,
): Promise<Result<User, E | "user_unknown" | "rights_ended">> {
  return await db.writer.transact(async (tx) => {
    if (!(await governs(tx, by))) return err("rights_ended");
    const user = await findUser(tx, emailOrId);
    return user === undefined ? err("user_unknown") : await change(tx, user);
  });
}

/** Changes how somebody is called; their own account is called the same. */
export async function renameUser(people: People, userId: string, name: string, by: Caller): Promise<void> {
  await people.db.writer.transact(async (tx) => {
    const user = await findUser(tx, userId);
    if (user === undefined || user.name === name) return;
    await tx.update(users).set({ name }).where(eq(users.id, userId));
    await tx.update(accounts).set({ name }).where(eq(accounts.id, user.accountId));
    const entry = { action: "user.changed", subject: userId, before: { name: user.name }, after: { name } } as const;
    await audit(tx, { atMs: people.clock.nowMs(), ...by, ...entry });
  });
}
