// API keys: made, listed and revoked here, and kept in memory as a ring, so that no request waits for the database.
// A key is shown once; what is stored is HMAC-SHA256(hash key, key), useless without the instance's own secret.
import { and, desc, eq, gt, isNull, or, sql } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type ApiKeyRow, apiKeys, LOCAL_ACCOUNT_ID } from "./schema.ts";

export const API_KEY_PREFIX = "inf_";
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 43 characters of base 62 hold 256 bits. */
const SECRET_CHARS = 43;
const ID_CHARS = 16;
/** How much of a key is shown in listings. */
const SHOWN_CHARS = API_KEY_PREFIX.length + 8;
/** A key's last use is written down at most so often. */
const LAST_USED_EVERY_MS = 60_000;
const WRITE_BEHIND_MS = 5_000;

/** An API key as people see it. */
export type ApiKey = Omit<ApiKeyRow, "keyHash">;
/** Who stands behind a key that was accepted. */
export type KeyHolder = {
  keyId: string;
  accountId: string;
  name: string;
  scopes: readonly string[];
  /** Private pools whose nodes its requests may use. */
  pools: readonly string[];
};

export type KeyRing = {
  /** Who holds `token`; undefined where it is unknown, expired or revoked. No query, and the same cost for each. */
  find(token: string): KeyHolder | undefined;
  /** What is stored of `token`, hex. */
  hash(token: string): string;
  add(row: ApiKeyRow): void;
  remove(keyId: string): void;
  /** Reads all live keys again: another coordinator on the same database may have changed them. */
  reload(): Promise<void>;
  /** Writes down the uses that are only in memory so far. */
  flush(): Promise<void>;
  /** Stops the writing behind, after a last time. */
  close(): Promise<void>;
  readonly size: number;
};
type Entry = { holder: KeyHolder; expiresMs: number; lastUsedMs: number };
type RingDeps = {
  db: Db;
  clock: Clock;
  /** Key of the HMAC: 32 secret bytes of this instance. */
  hashKey: Uint8Array;
  /** Told when last uses could not be written; they are tried again. */
  onFault?: (fault: unknown) => void;
};

/** Loads every live key. */
export async function openKeyRing({ db, clock, hashKey, onFault }: RingDeps): Promise<KeyRing> {
  let byHash = new Map<string, Entry>();
  let changes = 0;
  const used = new Map<string, number>();
  const hash = (token: string) => new Bun.CryptoHasher("sha256", hashKey).update(token).digest("hex");

  async function flush(): Promise<void> {
    if (used.size === 0) return;
    const rows = [...used].map(([id, atMs]) => [atMs, id]);
    used.clear();
    try {
      await db.writer.batch("UPDATE api_keys SET last_used_ms = ? WHERE id = ?", rows, { durable: false });
    } catch (error) {
      for (const [atMs, id] of rows) if (!used.has(String(id))) used.set(String(id), Number(atMs));
      throw error;
    }
  }
  const stop: Cancel = clock.every(WRITE_BEHIND_MS, () => void flush().catch((fault: unknown) => onFault?.(fault)));

  const ring: KeyRing = {
    find(token) {
      const entry = byHash.get(hash(token));
      const nowMs = clock.nowMs();
      if (entry === undefined || entry.expiresMs <= nowMs) return undefined;
      if (nowMs - entry.lastUsedMs >= LAST_USED_EVERY_MS) {
        entry.lastUsedMs = nowMs;
        used.set(entry.holder.keyId, nowMs);
      }
      return entry.holder;
    },
    hash,
    add(row) {
      changes += 1;
      byHash.set(row.keyHash, entryOf(row));
    },
    remove(keyId) {
      changes += 1;
      for (const [keyHash, entry] of byHash) if (entry.holder.keyId === keyId) byHash.delete(keyHash);
    },
    async reload() {
      // Read again where a key was made or revoked meanwhile: the rows may be from before that.
      for (let at = -1; at !== changes; ) {
        at = changes;
        const rows = await liveKeys(db, clock.nowMs());
        if (at === changes) byHash = new Map(rows.map((row) => [row.keyHash, entryOf(row)]));
      }
    },
    flush,
    async close() {
      stop();
      await flush();
    },
    get size() {
      return byHash.size;
    },
  };
  await ring.reload();
  return ring;
}

/** The pools of a key, known by its id; none where it is not in force any more. */
export async function poolsOfKey({ db }: { db: Db }, keyId: string): Promise<readonly string[]> {
  const [row] = await db.read
    .select({ pools: apiKeys.pools, revokedMs: apiKeys.revokedMs })
    .from(apiKeys)
    .where(eq(apiKeys.id, keyId));
  return row?.revokedMs === null ? row.pools : [];
}

async function liveKeys(db: Db, nowMs: number): Promise<ApiKeyRow[]> {
  const lasting = or(isNull(apiKeys.expiresMs), gt(apiKeys.expiresMs, nowMs));
  return await db.read
    .select()
    .from(apiKeys)
    .where(and(isNull(apiKeys.revokedMs), lasting));
}

const entryOf = ({ id, accountId, name, scopes, pools, expiresMs, lastUsedMs }: ApiKeyRow): Entry => ({
  holder: { keyId: id, accountId, name, scopes, pools },
  expiresMs: expiresMs ?? Number.POSITIVE_INFINITY,
  lastUsedMs: lastUsedMs ?? 0,
});

export type KeyDeps = { db: Db; ring: KeyRing; clock: Clock; random: (bytes: number) => Uint8Array };
export type NewApiKey = { name: string; accountId?: string; scopes?: string[]; pools?: string[]; expiresMs?: number };

/** Makes a key; `token` is the only time it is ever seen. It works as soon as this resolves. */
export async function createApiKey(deps: KeyDeps, wanted: NewApiKey): Promise<{ token: string; key: ApiKey }> {
  const { db, ring, clock, random } = deps;
  const token = API_KEY_PREFIX + base62(random, SECRET_CHARS);
  const id = `key_${base62(random, ID_CHARS)}`;
  const row: ApiKeyRow = {
    id,
    accountId: wanted.accountId ?? LOCAL_ACCOUNT_ID,
    name: wanted.name,
    prefix: token.slice(0, SHOWN_CHARS),
    keyHash: ring.hash(token),
    scopes: wanted.scopes ?? [],
    pools: wanted.pools ?? [],
    models: [],
    requestsPerMinute: null,
    tokensPerMinute: null,
    spendDayMicroUsd: null,
    spendTotalMicroUsd: null,
    lineage: id,
    createdMs: clock.nowMs(),
    expiresMs: wanted.expiresMs ?? null,
    revokedMs: null,
    lastUsedMs: null,
  };
  await db.writer.transact((tx) => tx.insert(apiKeys).values(row));
  ring.add(row);
  return { token, key: withoutHash(row) };
}

/** All keys, revoked and expired ones included, the newest first; of one account where given. */
export async function listApiKeys({ db }: { db: Db }, accountId?: string): Promise<ApiKey[]> {
  const mine = accountId === undefined ? undefined : eq(apiKeys.accountId, accountId);
  const rows = await db.read.select().from(apiKeys).where(mine).orderBy(desc(apiKeys.createdMs), desc(apiKeys.id));
  return rows.map(withoutHash);
}

/**
 * Ends the key with this id, or whose shown prefix begins with `which`. It is refused from the moment this resolves.
 * `key_ambiguous`: several live keys begin so.
 */
export async function revokeApiKey(
  { db, ring, clock }: Pick<KeyDeps, "db" | "ring" | "clock">,
  which: string,
): Promise<Result<ApiKey, "key_unknown" | "key_ambiguous">> {
  const revoked = await db.writer.transact(async (tx) => {
    const named = or(eq(apiKeys.id, which), beginsWith(which));
    const found = await tx
      .select()
      .from(apiKeys)
      .where(and(named, isNull(apiKeys.revokedMs)))
      .limit(2);
    const [key] = found;
    if (key === undefined) return err("key_unknown");
    if (found.length > 1) return err("key_ambiguous");
    const now = { revokedMs: clock.nowMs() };
    await tx.update(apiKeys).set(now).where(eq(apiKeys.id, key.id));
    return ok({ ...key, ...now });
  });
  if (!revoked.ok) return revoked;
  ring.remove(revoked.value.id);
  return ok(withoutHash(revoked.value));
}

/** Only what tells keys apart counts: `inf_` alone names none. A whole key pasted by mistake names its own prefix. */
function beginsWith(which: string) {
  const shown = which.slice(0, SHOWN_CHARS);
  if (!shown.startsWith(API_KEY_PREFIX) || shown.length <= API_KEY_PREFIX.length) return undefined;
  return sql`substr(${apiKeys.prefix}, 1, ${shown.length}) = ${shown}`;
}

const withoutHash = ({ keyHash: _, ...key }: ApiKeyRow): ApiKey => key;

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
