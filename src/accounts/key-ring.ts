// Key ring: every key in force, in memory, so that no request waits for the database to know who asks.
import { and, gt, isNull, or } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import { type ModelRule, modelRule, type SpendLimits, spendLimitsOf } from "./key-rights.ts";
import { type RateMeter, rateMeter } from "./rate-limits.ts";
import { type ApiKeyRow, apiKeys } from "./schema.ts";

/** A key's last use is written down at most so often. */
const LAST_USED_EVERY_MS = 60_000;
const WRITE_BEHIND_MS = 5_000;

/** Who stands behind a key that was accepted, and what it is good for. */
export type KeyHolder = {
  keyId: string;
  accountId: string;
  name: string;
  scopes: readonly string[];
  /** Private pools whose nodes its requests may use. */
  pools: readonly string[];
  /** Id of the first of the keys that took over from one another: they share their limits. */
  lineage: string;
  /** Null where all are allowed. */
  models: ModelRule | null;
  /** Null where there are no limits. */
  meter: RateMeter | null;
  spend: SpendLimits | null;
};

export type KeyRing = {
  /** Who holds `token`; undefined where it is unknown, expired or revoked. No query, and the same cost for each. */
  find(token: string): KeyHolder | undefined;
  /** What is stored of `token`, hex. */
  hash(token: string): string;
  add(row: ApiKeyRow): void;
  /** The key ends then; one that is not in force stays so. */
  expire(keyId: string, expiresMs: number): void;
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
  let meterOf = meters(clock);
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
      byHash.set(row.keyHash, entryOf(row, meterOf(row)));
    },
    expire(keyId, expiresMs) {
      changes += 1;
      for (const entry of byHash.values()) if (entry.holder.keyId === keyId) entry.expiresMs = expiresMs;
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
        if (at !== changes) continue;
        meterOf = meters(
          clock,
          [...byHash.values()].map(({ holder }) => holder),
        );
        byHash = new Map(rows.map((row) => [row.keyHash, entryOf(row, meterOf(row))]));
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

async function liveKeys(db: Db, nowMs: number): Promise<ApiKeyRow[]> {
  const lasting = or(isNull(apiKeys.expiresMs), gt(apiKeys.expiresMs, nowMs));
  return await db.read
    .select()
    .from(apiKeys)
    .where(and(isNull(apiKeys.revokedMs), lasting));
}

const entryOf = (row: ApiKeyRow, meter: RateMeter | null): Entry => ({
  holder: {
    keyId: row.id,
    accountId: row.accountId,
    name: row.name,
    scopes: row.scopes,
    pools: row.pools,
    lineage: row.lineage,
    models: modelRule(row.models),
    meter,
    spend: spendLimitsOf(row),
  },
  expiresMs: row.expiresMs ?? Number.POSITIVE_INFINITY,
  lastUsedMs: row.lastUsedMs ?? 0,
});

/** The meter of each key that has limits: one for all of a lineage, and the one it had as long as its limits stay. */
function meters(clock: Clock, known: readonly KeyHolder[] = []): (row: ApiKeyRow) => RateMeter | null {
  const byLimits = new Map<string, RateMeter>();
  const nameOf = (lineage: string, requests: number | null, tokens: number | null) =>
    `${lineage} ${requests} ${tokens}`;
  for (const { lineage, meter } of known)
    if (meter) byLimits.set(nameOf(lineage, meter.limits.requests, meter.limits.tokens), meter);
  return ({ lineage, requestsPerMinute: requests, tokensPerMinute: tokens }) => {
    if (requests === null && tokens === null) return null;
    const name = nameOf(lineage, requests, tokens);
    const meter = byLimits.get(name) ?? rateMeter(clock, { requests, tokens });
    byLimits.set(name, meter);
    return meter;
  };
}
