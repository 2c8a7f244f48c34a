// Join tokens, stored half: each lets one instance in, once, in one role. Only the secret's hash is kept; the token's
// text, which carries address and key too, is protocol/join-token.ts.
import { and, desc, eq, gt, isNull } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import { type Caller, SYSTEM_CALLER } from "../accounts/caller.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { hashJoinSecret, type JoinSecret, newJoinSecret } from "../protocol/join-token.ts";
import { type JoinTokenRow, joinTokens, type NodeRole } from "./schema.ts";

export const JOIN_TOKEN_TTL_MS = 24 * 60 * 60 * 1000;

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

/** Makes a token; `secret` is seen only here. `ttlMs` is a day where not given. */
export async function createJoinToken(
  { db, clock, random, by = SYSTEM_CALLER }: TokenDeps,
  { role, name, ttlMs = JOIN_TOKEN_TTL_MS }: { role: NodeRole; name?: string; ttlMs?: number },
): Promise<{ secret: JoinSecret; token: StoredJoinToken }> {
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
    accountId: null,
  };
  await db.writer.transact(async (tx) => {
    await tx.insert(joinTokens).values(row);
    const after = { role, expires_ms: row.expiresMs };
    await audit(tx, { ...by, atMs: createdMs, action: "join_token.created", subject: row.id, after });
  });
  return { secret, token: withoutHash(row) };
}

/** All tokens, used and expired ones included, the newest first. */
export async function listJoinTokens({ db }: { db: Db }): Promise<StoredJoinToken[]> {
  const rows = await db.read.select().from(joinTokens).orderBy(desc(joinTokens.createdMs), desc(joinTokens.id));
  return rows.map(withoutHash);
}

/** Ends a token before it is used. A used one stays what it is. */
export async function revokeJoinToken(
  { db, clock, by = SYSTEM_CALLER }: Pick<TokenDeps, "db" | "clock" | "by">,
  id: string,
): Promise<Result<StoredJoinToken, "join_token_unknown" | "join_token_used">> {
  return await db.writer.transact(async (tx) => {
    const nowMs = clock.nowMs();
    const [revoked] = await tx
      .update(joinTokens)
      .set({ revokedMs: nowMs })
      .where(and(eq(joinTokens.id, id), isNull(joinTokens.usedMs)))
      .returning();
    if (revoked !== undefined) {
      await audit(tx, { ...by, atMs: nowMs, action: "join_token.revoked", subject: id });
      return ok(withoutHash(revoked));
    }
    const [known] = await tx.select().from(joinTokens).where(eq(joinTokens.id, id));
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
    .where(
      and(
        mine,
        eq(joinTokens.role, role),
        isNull(joinTokens.usedMs),
        isNull(joinTokens.revokedMs),
        gt(joinTokens.expiresMs, nowMs),
      ),
    )
    .returning();
  if (used !== undefined) return ok(withoutHash(used));
  const [token] = await tx.select().from(joinTokens).where(mine);
  if (token === undefined) return err("join_token_unknown");
  if (token.revokedMs !== null) return err("join_token_revoked");
  if (token.usedMs !== null) return err("join_token_used");
  return err(token.expiresMs <= nowMs ? "join_token_expired" : "join_token_role");
}

const withoutHash = ({ tokenHash: _, ...token }: JoinTokenRow): StoredJoinToken => token;
