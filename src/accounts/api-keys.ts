// API keys: made, listed, rotated and revoked. A key is shown once; what is stored is HMAC-SHA256(hash key, key), useless
// without the instance's own secret. Those in force are kept in memory (key-ring.ts).
import { and, eq, isNull, or, sql } from "drizzle-orm";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { audit } from "./audit.ts";
import { type Caller, SYSTEM_CALLER } from "./caller.ts";
import type { KeyScope } from "./key-rights.ts";
import type { KeyRing } from "./key-ring.ts";
import { newestFirst, type Span, spanOf } from "./listing.ts";
import { type ApiKeyRow, accounts, apiKeys, LOCAL_ACCOUNT_ID } from "./schema.ts";

export const API_KEY_PREFIX = "inf_";
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 43 characters of base 62 hold 256 bits. */
const SECRET_CHARS = 43;
const ID_CHARS = 16;
/** How much of a key is shown in listings. */
const SHOWN_CHARS = API_KEY_PREFIX.length + 8;

/** An API key as people see it. */
export type ApiKey = Omit<ApiKeyRow, "keyHash">;

export type KeyDeps = {
  db: Db;
  ring: KeyRing;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  /** Who asks, for the audit log. */
  by?: Caller;
};
/** What is left out is not limited. */
export type NewApiKey = Partial<
  Pick<
    ApiKey,
    | "accountId"
    | "pools"
    | "models"
    | "requestsPerMinute"
    | "tokensPerMinute"
    | "spendDayMicroUsd"
    | "spendTotalMicroUsd"
    | "expiresMs"
  >
> & { name: string; scopes?: KeyScope[] };
/** `token` is the only time that the key is ever seen. */
export type MadeApiKey = { token: string; key: ApiKey };

/** Makes a key. It works as soon as this resolves. */
export async function createApiKey(deps: KeyDeps, wanted: NewApiKey): Promise<MadeApiKey> {
  const { db, ring, clock, by = SYSTEM_CALLER } = deps;
  const made = newKey(deps, (id) => ({
    accountId: wanted.accountId ?? LOCAL_ACCOUNT_ID,
    name: wanted.name,
    scopes: wanted.scopes ?? [],
    pools: wanted.pools ?? [],
    models: wanted.models ?? [],
    requestsPerMinute: wanted.requestsPerMinute ?? null,
    tokensPerMinute: wanted.tokensPerMinute ?? null,
    spendDayMicroUsd: wanted.spendDayMicroUsd ?? null,
    spendTotalMicroUsd: wanted.spendTotalMicroUsd ?? null,
    expiresMs: wanted.expiresMs ?? null,
    lineage: id,
  }));
  await db.writer.transact(async (tx) => {
    await tx.insert(apiKeys).values(made.row);
    const after = noted(made.row);
    await audit(tx, { ...by, atMs: clock.nowMs(), action: "key.created", subject: made.row.id, after });
  });
  ring.add(made.row);
  return { token: made.token, key: withoutHash(made.row) };
}

/** What a new key has in common with one that it takes over from. */
type Rights = Omit<ApiKeyRow, "id" | "prefix" | "keyHash" | "createdMs" | "revokedMs" | "lastUsedMs">;

function newKey({ ring, clock, random }: KeyDeps, rightsOf: (id: string) => Rights): { token: string; row: ApiKeyRow } {
  const token = API_KEY_PREFIX + base62(random, SECRET_CHARS);
  const id = `key_${base62(random, ID_CHARS)}`;
  const made = { createdMs: clock.nowMs(), revokedMs: null, lastUsedMs: null };
  return {
    token,
    row: { ...rightsOf(id), ...made, id, prefix: token.slice(0, SHOWN_CHARS), keyHash: ring.hash(token) },
  };
}

/** All keys, revoked and expired ones included, or a span of them, the newest first; of one account where given. */
export async function listApiKeys(
  { db }: { db: Db },
  { accountId, ...span }: Span & { accountId?: string | undefined } = {},
): Promise<ApiKey[]> {
  const mine = accountId === undefined ? undefined : eq(apiKeys.accountId, accountId);
  const { where, order, limit } = spanOf(apiKeys, span);
  const rows = await db.read
    .select()
    .from(apiKeys)
    .where(and(mine, where))
    .orderBy(...order)
    .limit(limit);
  return newestFirst(span, rows).map(withoutHash);
}

/** Whether there is an account of this id for keys to be of. */
export async function isAccount({ db }: { db: Db }, id: string): Promise<boolean> {
  const rows = await db.read.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, id));
  return rows.length > 0;
}

/** A key, in force or not, by its id. */
export async function findApiKey({ db }: { db: Db }, id: string): Promise<ApiKey | undefined> {
  const [row] = await db.read.select().from(apiKeys).where(eq(apiKeys.id, id));
  return row && withoutHash(row);
}

/** Why no key was found by what was given: `key_ambiguous`: several keys in force begin so. */
export type KeyNotFound = "key_unknown" | "key_ambiguous";
/** Id of a key, or how the key itself begins; of one account's where that is given. */
export type WhichKey = { which: string; accountId?: string };

/** Ends a key. It is refused from the moment this resolves. */
export async function revokeApiKey(
  { db, ring, clock, by = SYSTEM_CALLER }: Pick<KeyDeps, "db" | "ring" | "clock" | "by">,
  named: WhichKey,
): Promise<Result<ApiKey, KeyNotFound>> {
  const revoked = await db.writer.transact(async (tx) => {
    const found = await findUnrevoked(tx, named);
    if (!found.ok) return found;
    const key = { ...found.value, revokedMs: clock.nowMs() };
    await tx.update(apiKeys).set({ revokedMs: key.revokedMs }).where(eq(apiKeys.id, key.id));
    await audit(tx, { ...by, atMs: key.revokedMs, action: "key.revoked", subject: key.id, before: { name: key.name } });
    return ok(key);
  });
  if (!revoked.ok) return revoked;
  ring.remove(revoked.value.id);
  return ok(withoutHash(revoked.value));
}

/** `overlapMs`: how long the old key is still good. `expiresMs`: when the new one ends; left out: after as long a life. */
export type Rotation = { overlapMs: number; expiresMs?: number | null };

/**
 * Makes a key that takes over from another: same rights, same limits, and what was used of them stays used. The old one
 * ends after the overlap, or when it would have anyway.
 */
export async function rotateApiKey(
  deps: KeyDeps,
  named: WhichKey,
  { overlapMs, expiresMs }: Rotation,
): Promise<Result<MadeApiKey & { old: ApiKey }, KeyNotFound>> {
  const { db, ring, clock, by = SYSTEM_CALLER } = deps;
  const rotated = await db.writer.transact(async (tx) => {
    const found = await findUnrevoked(tx, named);
    if (!found.ok) return found;
    const before = found.value;
    const nowMs = clock.nowMs();
    if (before.expiresMs !== null && before.expiresMs <= nowMs) return err("key_unknown");
    const sameLife = before.expiresMs === null ? null : nowMs + before.expiresMs - before.createdMs;
    const made = newKey(deps, () => ({ ...before, expiresMs: expiresMs === undefined ? sameLife : expiresMs }));
    const old = { ...before, expiresMs: Math.min(before.expiresMs ?? Number.POSITIVE_INFINITY, nowMs + overlapMs) };
    await tx.insert(apiKeys).values(made.row);
    await tx.update(apiKeys).set({ expiresMs: old.expiresMs }).where(eq(apiKeys.id, old.id));
    const after = { new_id: made.row.id, expires_ms: made.row.expiresMs, old_expires_ms: old.expiresMs };
    await audit(tx, { ...by, atMs: nowMs, action: "key.rotated", subject: old.id, after });
    return ok({ made, old });
  });
  if (!rotated.ok) return rotated;
  const { made, old } = rotated.value;
  ring.add(made.row);
  ring.expire(old.id, old.expiresMs);
  return ok({ token: made.token, key: withoutHash(made.row), old: withoutHash(old) });
}

async function findUnrevoked(tx: Drizzle, { which, accountId }: WhichKey): Promise<Result<ApiKeyRow, KeyNotFound>> {
  const found = await tx
    .select()
    .from(apiKeys)
    .where(
      and(
        or(eq(apiKeys.id, which), beginsWith(which)),
        accountId === undefined ? undefined : eq(apiKeys.accountId, accountId),
        isNull(apiKeys.revokedMs),
      ),
    )
    .limit(2);
  const [key] = found;
  if (key === undefined) return err("key_unknown");
  return found.length > 1 ? err("key_ambiguous") : ok(key);
}

/** Only what tells keys apart counts: `inf_` alone names none. A whole key pasted by mistake names its own prefix. */
function beginsWith(which: string) {
  const shown = which.slice(0, SHOWN_CHARS);
  if (!shown.startsWith(API_KEY_PREFIX) || shown.length <= API_KEY_PREFIX.length) return undefined;
  return sql`substr(${apiKeys.prefix}, 1, ${shown.length}) = ${shown}`;
}

const withoutHash = ({ keyHash: _, ...key }: ApiKeyRow): ApiKey => key;

/** A key's rights and limits, as the audit log keeps them. */
const noted = (key: ApiKeyRow) => ({
  name: key.name,
  account: key.accountId,
  scopes: key.scopes,
  pools: key.pools,
  models: key.models,
  requests_per_minute: key.requestsPerMinute,
  tokens_per_minute: key.tokensPerMinute,
  spend_day: key.spendDayMicroUsd,
  spend_total: key.spendTotalMicroUsd,
  expires_ms: key.expiresMs,
});

/** Random text of `length` characters; bytes that would favour some characters are thrown away. */
function base62(random: (bytes: number) => Uint8Array, length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of random(length)) {
      if (byte < 248 && text.length < length) text += BASE62[byte % 62];
    }
  }
  return text;
}
