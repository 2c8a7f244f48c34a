// Join tokens, stored half: each lets one instance in, once, in one role. Only the secret's hash is kept; the token's
// text, which carries address and key too, is protocol/join-token.ts. One made for an account gives it the node.
import { and, count, eq, gt, isNull, type SQL } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import { type Caller, SYSTEM_CALLER } from "../accounts/caller.ts";
import { newestFirst, type Span, spanOf } from "../accounts/listing.ts";
import { LOCAL_ACCOUNT_ID, members, users } from "../accounts/schema.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { hashJoinSecret, type JoinSecret, newJoinSecret } from "../protocol/join-token.ts";
import { type JoinTokenRow, joinTokens, type NodeRole } from "./schema.ts";

export const JOIN_TOKEN_TTL_MS = 24 * 60 * 60 * 1000;
/** Of one account, neither used nor over. */
export const MAX_OPEN_TOKENS = 32;

/** A join token as people see it. */
export type StoredJoinToken = Omit<JoinTokenRow, "tokenHash">;
export type JoinTokenRefusal =
  | "join_token_unknown"
  | "join_token_expired"
  | "join_token_used"
  | "join_token_revoked"
  /** It names another role than the instance registers for. */
  | "join_token_role";

type TokenDeps = {
  db: Db;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  /** Who asks, for the audit log. */
  by?: Caller;
};

export type NewJoinToken = {
  role: NodeRole;
  name?: string;
  /** A day where left out. */
  ttlMs?: number;
  /** Whose the node will be that it lets in; left out: the built-in account's, and there may be any number of them. */
  accountId?: string;
};

/** Makes a token; `secret` is seen only here. */
export async function createJoinToken(
  { db, clock, random, by = SYSTEM_CALLER }: TokenDeps,
  { role, name, ttlMs = JOIN_TOKEN_TTL_MS, accountId }: NewJoinToken,
): Promise<Result<{ secret: JoinSecret; token: StoredJoinToken }, "too_many_tokens">> {
  const secret = newJoinSecret(random);
  const createdMs = clock.nowMs();
  const row: JoinTokenRow = {
    id: `join_${toHex(random(8))}`,
    tokenHash: hashJoinSecret(secret),
    role,
    name: name ?? null,
    createdMs,
    expiresMs: createdMs + ttlMs,
    usedMs: null,
    usedBy: null,
    revokedMs: null,
    accountId: ownerOf(accountId),
  };
  return await db.writer.transact(async (tx) => {
    if (row.accountId !== null && (await countOpen(tx, row.accountId, createdMs)) >= MAX_OPEN_TOKENS) {
      return err("too_many_tokens");
    }
    await tx.insert(joinTokens).values(row);
    const after = { role, expires_ms: row.expiresMs, ...(row.accountId === null ? {} : { account: row.accountId }) };
    await audit(tx, { ...by, atMs: createdMs, action: "join_token.created", subject: row.id, after });
    return ok({ secret, token: withoutHash(row) });
  });
}

async function countOpen(tx: Drizzle, accountId: string, nowMs: number): Promise<number> {
  const here = and(eq(joinTokens.accountId, accountId), isOpen(nowMs));
  const [row] = await tx.select({ n: count() }).from(joinTokens).where(here);
  return row?.n ?? 0;
}

/** As it is stored. */
const ownerOf = (accountId: string | undefined): string | null =>
  accountId === undefined || accountId === LOCAL_ACCOUNT_ID ? null : accountId;
const isOf = (accountId: string | undefined): SQL | undefined => {
  if (accountId === undefined) return undefined;
  const owner = ownerOf(accountId);
  return owner === null ? isNull(joinTokens.accountId) : eq(joinTokens.accountId, owner);
};

const isOpen = (nowMs: number) =>
  and(isNull(joinTokens.usedMs), isNull(joinTokens.revokedMs), gt(joinTokens.expiresMs, nowMs));

/** Tokens, used and expired ones included, the newest first; of one account where one is given. */
export async function listJoinTokens(
  { db }: { db: Db },
  { accountId, ...span }: Span & { accountId?: string } = {},
): Promise<StoredJoinToken[]> {
  const { where, order, limit } = spanOf(joinTokens, span);
  const rows = await db.read
    .select()
    .from(joinTokens)
    .where(and(isOf(accountId), where))
    .orderBy(...order)
    .limit(limit);
  return newestFirst(span, rows.map(withoutHash));
}

/** Ends a token before it is used, of this account where one is given. A used one stays what it is. */
export async function revokeJoinToken(
  { db, clock, by = SYSTEM_CALLER }: Pick<TokenDeps, "db" | "clock" | "by">,
  id: string,
  accountId?: string,
): Promise<Result<StoredJoinToken, "join_token_unknown" | "join_token_used">> {
  const mine = and(eq(joinTokens.id, id), isOf(accountId));
  return await db.writer.transact(async (tx) => {
    const nowMs = clock.nowMs();
    const [revoked] = await tx
      .update(joinTokens)
      .set({ revokedMs: nowMs })
      .where(and(mine, isNull(joinTokens.usedMs)))
      .returning();
    if (revoked !== undefined) {
      await audit(tx, { ...by, atMs: nowMs, action: "join_token.revoked", subject: id });
      return ok(withoutHash(revoked));
    }
    const [known] = await tx.select().from(joinTokens).where(mine);
    return err(known === undefined ? "join_token_unknown" : "join_token_used");
  });
}

/**
 * Uses the token up for `pubkey`, inside the transaction that registers it. The WHERE clause is the lock: of two
 * callers with one token exactly one gets ok.
 */
export async function admitWithToken(
  tx: Drizzle,
  { secret, pubkey, role, nowMs }: { secret: JoinSecret; pubkey: string; role: NodeRole; nowMs: number },
): Promise<Result<StoredJoinToken, JoinTokenRefusal>> {
  const mine = eq(joinTokens.tokenHash, hashJoinSecret(secret));
  const [used] = await tx
    .update(joinTokens)
    .set({ usedMs: nowMs, usedBy: pubkey })
    .where(and(mine, eq(joinTokens.role, role), isOpen(nowMs)))
    .returning();
  if (used?.accountId != null && !(await runsNodes(tx, used.accountId))) {
    await tx.update(joinTokens).set({ usedMs: null, usedBy: null }).where(mine);
    return err("join_token_revoked");
  }
  if (used !== undefined) return ok(withoutHash(used));
  const [token] = await tx.select().from(joinTokens).where(mine);
  if (token === undefined) return err("join_token_unknown");
  if (token.revokedMs !== null) return err("join_token_revoked");
  if (token.usedMs !== null) return err("join_token_used");
  return err(token.expiresMs <= nowMs ? "join_token_expired" : "join_token_role");
}

/** Whether anybody who may run nodes still acts for the account: its tokens are no good while nobody does. */
async function runsNodes(tx: Drizzle, accountId: string): Promise<boolean> {
  const people = await tx
    .select({ roles: users.roles })
    .from(members)
    .innerJoin(users, eq(users.id, members.userId))
    .where(and(eq(members.accountId, accountId), isNull(users.disabledMs)));
  return people.some(({ roles }) => roles.includes("operator") || roles.includes("admin"));
}

const withoutHash = ({ tokenHash: _, ...token }: JoinTokenRow): StoredJoinToken => token;
