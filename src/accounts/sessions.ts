// Sessions: who is signed in where. A session is known by the random token in its cookie; the database has only the
// token's hash, and is asked at each request, so that whatever ends a session ends it on every coordinator at once.
import { and, asc, desc, eq, gt, lte, ne, or } from "drizzle-orm";
import { storageFault } from "../db/errors.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import type { Caller } from "./caller.ts";
import type { Origin, People } from "./people.ts";
import type { MemberRole } from "./roles.ts";
import { accounts, members, type SessionRow, sessions, type UserRow, users } from "./schema.ts";
import { hashSecret, isSecret, newId, newSecret } from "./secrets.ts";
import { type User, withoutHash } from "./users.ts";

/** Sessions of one user; the oldest ends when there would be more. */
const MAX_SESSIONS = 50;
/** A session's last use is written down at most so often. */
const SEEN_EVERY_MS = 60_000;
/** Writes that have been under way for so long may never end. */
const BUSY_MS = 1_000;
const USER_AGENT_CHARS = 256;

/** A session as its user sees it. */
export type Session = Omit<SessionRow, "tokenHash">;
/** Who is signed in, and for which account they act. */
export type SignedIn = {
  session: Session;
  user: User;
  account: { id: string; kind: string; name: string };
  /** What they are in that account. */
  memberRole: MemberRole;
};

/** Opens a session, inside the transaction of whatever proved who it is. `token` is seen only here. */
export async function openSession(
  tx: Drizzle,
  { clock, random, settings }: Pick<People, "clock" | "random" | "settings">,
  user: UserRow,
  { address, userAgent }: Origin,
  accountId = user.accountId,
): Promise<string> {
  const nowMs = clock.nowMs();
  const token = newSecret(random);
  const mine = await tx
    .select({ id: sessions.id })
    .from(sessions)
    .where(eq(sessions.userId, user.id))
    .orderBy(asc(sessions.lastSeenMs));
  for (const { id } of mine.slice(0, Math.max(0, mine.length - MAX_SESSIONS + 1))) {
    await tx.delete(sessions).where(eq(sessions.id, id));
  }
  const row: SessionRow = {
    id: newId("ses", random),
    tokenHash: hashSecret("session", token),
    userId: user.id,
    accountId,
    createdMs: nowMs,
    lastSeenMs: nowMs,
    expiresMs: nowMs + settings.sessionLifeMs,
    address,
    userAgent: userAgent.slice(0, USER_AGENT_CHARS),
  };
  await tx.insert(sessions).values(row);
  await tx.update(users).set({ lastLoginMs: nowMs }).where(eq(users.id, user.id));
  const actor = `user/${user.id}` as const;
  await audit(tx, { atMs: nowMs, actor, from: address, action: "session.created", subject: row.id });
  return token;
}

/** Who a session's token stands for; undefined where it is unknown, over, or its user is shut out. */
export async function findSession(
  { db, clock, settings }: Pick<People, "db" | "clock" | "settings">,
  token: string,
): Promise<SignedIn | undefined> {
  if (!isSecret(token)) return undefined;
  const nowMs = clock.nowMs();
  const alive = and(gt(sessions.expiresMs, nowMs), gt(sessions.lastSeenMs, nowMs - settings.sessionIdleMs));
  const [row] = await db.read
    .select({ session: sessions, user: users, account: accounts, memberRole: members.role })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .innerJoin(accounts, eq(accounts.id, sessions.accountId))
    .innerJoin(members, and(eq(members.accountId, sessions.accountId), eq(members.userId, sessions.userId)))
    .where(and(eq(sessions.tokenHash, hashSecret("session", token)), alive));
  if (row === undefined || row.user.disabledMs !== null) return undefined;
  if (nowMs - row.session.lastSeenMs >= SEEN_EVERY_MS) await noteSeen(db, row.session.id, nowMs);
  const { tokenHash: _, ...session } = row.session;
  const { id, kind, name } = row.account;
  return { session, user: withoutHash(row.user), account: { id, kind, name }, memberRole: row.memberRole };
}

/** Whoever only looks is not to wait, or be refused, for a disk that is full or hangs. */
async function noteSeen({ writer }: Db, id: string, nowMs: number): Promise<void> {
  if (writer.busyMs() >= BUSY_MS) return;
  try {
    const seen = { lastSeenMs: nowMs };
    await writer.transact((tx) => tx.update(sessions).set(seen).where(eq(sessions.id, id)), { durable: false });
  } catch (error) {
    if (storageFault(error) === null) throw error;
  }
}

/**
 * A text that only pages of this session know, made while it acts for that account: what a page shows is of one account,
 * and so is what it does. It is not stored; whoever has the cookie's token has it too.
 */
export const csrfToken = (token: string, accountId: string): string =>
  new Bun.CryptoHasher("sha256", token).update(`infernet-csrf-v2\n${accountId}`).digest("base64url");

/** Sessions of a user that are not over, the latest used first. */
export async function listSessions(
  { db, clock, settings }: Pick<People, "db" | "clock" | "settings">,
  userId: string,
): Promise<Session[]> {
  const nowMs = clock.nowMs();
  const rows = await db.read
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.userId, userId),
        gt(sessions.expiresMs, nowMs),
        gt(sessions.lastSeenMs, nowMs - settings.sessionIdleMs),
      ),
    )
    .orderBy(desc(sessions.lastSeenMs), desc(sessions.id));
  return rows.map(({ tokenHash: _, ...session }) => session);
}

/** Ends the session of this token, where there is one: its user signs out, or another is about to sign in. */
export async function endSession(tx: Drizzle, token: string): Promise<void> {
  if (isSecret(token)) await tx.delete(sessions).where(eq(sessions.tokenHash, hashSecret("session", token)));
}

/** Ends one session of a user, all but one, or all. How many ended. */
export async function revokeSessions(
  { db, clock }: Pick<People, "db" | "clock">,
  userId: string,
  which: { id: string } | { allBut: string } | "all",
  by: Caller,
): Promise<number> {
  return await db.writer.transact(async (tx) => {
    const one = which === "all" ? undefined : "id" in which ? eq(sessions.id, which.id) : ne(sessions.id, which.allBut);
    const ended = await tx
      .delete(sessions)
      .where(and(eq(sessions.userId, userId), one))
      .returning({ id: sessions.id });
    for (const { id } of ended) {
      await audit(tx, { atMs: clock.nowMs(), ...by, action: "session.revoked", subject: id });
    }
    return ended.length;
  });
}

/** Has the session act for another account of its user. */
export async function switchAccount(
  { db }: Pick<People, "db">,
  { session, user }: SignedIn,
  accountId: string,
): Promise<Result<void, "account_unknown">> {
  return await db.writer.transact(async (tx) => {
    const mine = and(eq(members.userId, user.id), eq(members.accountId, accountId));
    if ((await tx.select({ role: members.role }).from(members).where(mine)).length === 0) return err("account_unknown");
    await tx.update(sessions).set({ accountId }).where(eq(sessions.id, session.id));
    return ok(undefined);
  });
}

/** Deletes the sessions that are over. */
export async function forgetSessions({
  db,
  clock,
  settings,
}: { db: Db } & Pick<People, "clock" | "settings">): Promise<void> {
  const nowMs = clock.nowMs();
  const over = or(lte(sessions.expiresMs, nowMs), lte(sessions.lastSeenMs, nowMs - settings.sessionIdleMs));
  await db.writer.transact((tx) => tx.delete(sessions).where(over), { durable: false });
}
