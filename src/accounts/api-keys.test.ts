import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { eq } from "drizzle-orm";
import { drizzleOver } from "../db/executor.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { createApiKey, listApiKeys, revokeApiKey, rotateApiKey } from "./api-keys.ts";
import { listAudit } from "./audit-list.ts";
import { budgetsOf } from "./key-rights.ts";
import { type KeyHolder, openKeyRing } from "./key-ring.ts";
import type { RateMeter } from "./rate-limits.ts";
import { apiKeys } from "./schema.ts";

const hashKey = new Uint8Array(32).fill(7);
const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

async function keysOn(made: Awaited<ReturnType<typeof testDatabase>>) {
  const clock = manualClock();
  const { db } = made;
  const ring = await openKeyRing({ db, clock, hashKey });
  return { db, clock, ring, random };
}

test("a new key is found at once and after a restart, and stored only as a hash", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token, key } = await createApiKey(deps, { name: "laptop", scopes: ["chat"], pools: ["acme"] });
  expect(token).toMatch(/^inf_[0-9A-Za-z]{43}$/);
  const rights = { scopes: ["chat"], pools: ["acme"], models: null, meter: null, spend: null };
  const holder = { keyId: key.id, accountId: "local", name: "laptop", lineage: key.id, ...rights };
  expect(deps.ring.find(token)).toEqual(holder);
  const restarted = await openKeyRing({ ...deps, hashKey });
  expect(restarted.find(token)).toEqual(holder);
  const stored = JSON.stringify(await deps.db.query("SELECT * FROM api_keys"));
  expect(stored).not.toContain(token);
  expect(stored).toContain(token.slice(0, 12));
  expect(JSON.stringify(await listApiKeys(deps))).not.toContain(deps.ring.hash(token));
});

test("another instance's hash key finds nothing", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token } = await createApiKey(deps, { name: "a" });
  const other = await openKeyRing({ ...deps, hashKey: new Uint8Array(32).fill(8) });
  expect(other.find(token)).toBeUndefined();
});

test("what is not a live key is not found", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token } = await createApiKey(deps, { name: "a" });
  for (const wrong of ["", "inf_", token.slice(0, -1), `${token}x`, token.toLowerCase(), "sk-123"]) {
    expect(deps.ring.find(wrong)).toBeUndefined();
  }
});

test("a key ends at its expiry, in the ring and when the ring is read again", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token } = await createApiKey(deps, { name: "a", expiresMs: deps.clock.nowMs() + 1_000 });
  deps.clock.advance(999);
  expect(deps.ring.find(token)).toBeDefined();
  deps.clock.advance(1);
  expect(deps.ring.find(token)).toBeUndefined();
  await deps.ring.reload();
  expect(deps.ring.size).toBe(0);
});

test("a revoked key is refused at once, by id, by prefix and when pasted whole", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  for (const name of ["id", "prefix", "whole"] as const) {
    const { token, key } = await createApiKey(deps, { name });
    const which = { id: key.id, prefix: key.prefix, whole: token }[name];
    const revoked = await revokeApiKey(deps, { which });
    expect(revoked).toMatchObject({ ok: true, value: { id: key.id } });
    expect(deps.ring.find(token)).toBeUndefined();
    expect(await revokeApiKey(deps, { which })).toEqual({ ok: false, error: "key_unknown" });
  }
  await deps.ring.reload();
  expect(deps.ring.size).toBe(0);
  expect((await listApiKeys(deps)).every((key) => key.revokedMs !== null)).toBe(true);
});

test("a prefix that names several keys or none revokes nothing", async () => {
  await using made = await testDatabase();
  const deps = { ...(await keysOn(made)), random: (bytes: number) => new Uint8Array(bytes).fill(9) };
  const first = await createApiKey(deps, { name: "a" });
  const varied = {
    ...deps,
    random: (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i < 20 ? 9 : 10)),
  };
  // Another key with the same shown prefix; its id differs by hand.
  const { token } = await createApiKey(
    { ...varied, random: (n) => (n === 16 ? random(n) : varied.random(n)) },
    { name: "b" },
  );
  expect(await revokeApiKey(deps, { which: first.key.prefix })).toEqual({ ok: false, error: "key_ambiguous" });
  for (const which of ["inf_", "", "%", "inf_%"]) {
    expect(await revokeApiKey(deps, { which })).toEqual({ ok: false, error: "key_unknown" });
  }
  expect(deps.ring.find(token)).toBeDefined();
  expect(deps.ring.find(first.token)).toBeDefined();
});

test("a key changed by another coordinator counts after a reload", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const elsewhere = await openKeyRing({ ...deps, hashKey });
  const { token } = await createApiKey({ ...deps, ring: elsewhere }, { name: "a" });
  expect(deps.ring.find(token)).toBeUndefined();
  await deps.ring.reload();
  expect(deps.ring.find(token)).toBeDefined();
  await revokeApiKey({ ...deps, ring: elsewhere }, { which: token });
  await deps.ring.reload();
  expect(deps.ring.find(token)).toBeUndefined();
});

test("the last use is written behind, at most once a minute", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token } = await createApiKey(deps, { name: "a" });
  const lastUsed = async () => (await listApiKeys(deps))[0]?.lastUsedMs;
  const writes = () => deps.db.writer.stats().writes;
  const before = writes();
  for (let i = 0; i < 100; i += 1) deps.ring.find(token);
  expect(await lastUsed()).toBeNull();
  deps.clock.advance(5_000);
  await deps.db.writer.drain();
  expect(await lastUsed()).toBe(deps.clock.nowMs() - 5_000);
  for (let second = 0; second < 50; second += 1) {
    deps.ring.find(token);
    deps.clock.advance(1_000);
  }
  await deps.db.writer.drain();
  expect(writes() - before).toBe(1);
  deps.clock.advance(10_000);
  deps.ring.find(token);
  await deps.ring.close();
  expect(writes() - before).toBe(2);
  expect(await lastUsed()).toBe(deps.clock.nowMs());
});

test("a reload that was under way does not bring a revoked key back", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token, key } = await createApiKey(deps, { name: "a" });
  let taken = Promise.resolve();
  const slowRead = drizzleOver(async (sql, params) => {
    const rows = await made.db.query(sql, params);
    await taken;
    return rows;
  });
  const ring = await openKeyRing({ ...deps, db: { ...made.db, read: slowRead }, hashKey });
  const gate = Promise.withResolvers<void>();
  taken = gate.promise;
  const reloading = ring.reload();
  await revokeApiKey({ ...deps, ring }, { which: key.id });
  gate.resolve();
  await reloading;
  expect(ring.find(token)).toBeUndefined();
});

test("limits and rights are those of the key's row, also after a restart", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token } = await createApiKey(deps, {
    name: "limited",
    models: ["qwen3:*"],
    requestsPerMinute: 60,
    tokensPerMinute: 1_000,
    spendDayMicroUsd: 1_000_000,
  });
  for (const ring of [deps.ring, await openKeyRing({ ...deps, hashKey })]) {
    const holder = ring.find(token);
    expect([holder?.models?.("qwen3:8b"), holder?.models?.("llama")]).toEqual([true, false]);
    expect(holder?.meter?.limits).toEqual({ requests: 60, tokens: 1_000 });
    expect(holder?.spend).toEqual({ day: 1_000_000, total: null });
  }
});

test("what was used of a rate stays used when the keys are read again, unless the limit is another then", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  const { token, key } = await createApiKey(deps, { name: "limited", requestsPerMinute: 2 });
  const take = () => deps.ring.find(token)?.meter?.take(0).ok;
  expect([take(), take(), take()]).toEqual([true, true, false]);
  await deps.ring.reload();
  expect(take()).toBe(false);
  await deps.db.writer.transact((tx) => tx.update(apiKeys).set({ requestsPerMinute: 3 }).where(eq(apiKeys.id, key.id)));
  await deps.ring.reload();
  expect([take(), take(), take(), take()]).toEqual([true, true, true, false]);
});

describe("rotation", () => {
  test("both keys work until the overlap is over, with the same rights and one meter", async () => {
    await using made = await testDatabase();
    const deps = await keysOn(made);
    const limits = { requestsPerMinute: 2, spendTotalMicroUsd: 5, models: ["m"], scopes: ["chat" as const] };
    const first = await createApiKey(deps, { name: "a", accountId: "local", pools: ["acme"], ...limits });
    deps.ring.find(first.token)?.meter?.take(0);
    const rotated = await rotateApiKey(deps, { which: first.token }, { overlapMs: 1_000 });
    if (!rotated.ok) throw new Error(rotated.error);
    const { token, key, old } = rotated.value;
    expect(token).not.toBe(first.token);
    expect(key).toMatchObject({ name: "a", pools: ["acme"], ...limits, lineage: first.key.id, expiresMs: null });
    expect(old).toMatchObject({ id: first.key.id, expiresMs: deps.clock.nowMs() + 1_000 });
    const before = deps.ring.find(first.token);
    const after = deps.ring.find(token);
    expect(after?.meter).toBe(before?.meter as RateMeter);
    expect(budgetsOf(after as KeyHolder, 0)).toEqual(budgetsOf(before as KeyHolder, 0));
    expect(after?.meter?.standing().requests?.remaining).toBe(1);
    deps.clock.advance(1_000);
    expect(deps.ring.find(first.token)).toBeUndefined();
    expect(deps.ring.find(token)).toBe(after as KeyHolder);
    const restarted = await openKeyRing({ ...deps, hashKey });
    expect([restarted.find(first.token), restarted.find(token)?.lineage]).toEqual([undefined, first.key.id]);
  });

  test("without an overlap the old key ends at once; a third has the first one's lineage", async () => {
    await using made = await testDatabase();
    const deps = await keysOn(made);
    const first = await createApiKey(deps, { name: "a" });
    const second = await rotateApiKey(deps, { which: first.key.id }, { overlapMs: 0 });
    expect(deps.ring.find(first.token)).toBeUndefined();
    if (!second.ok) throw new Error(second.error);
    const third = await rotateApiKey(deps, { which: second.value.key.id }, { overlapMs: 0 });
    expect(third).toMatchObject({ ok: true, value: { key: { lineage: first.key.id } } });
  });

  test("a key with an end is followed by one that is good for as long; the overlap does not outlast the old end", async () => {
    await using made = await testDatabase();
    const deps = await keysOn(made);
    const { key } = await createApiKey(deps, { name: "a", expiresMs: deps.clock.nowMs() + 10_000 });
    deps.clock.advance(9_000);
    const nowMs = deps.clock.nowMs();
    expect(await rotateApiKey(deps, { which: key.id }, { overlapMs: 60_000 })).toMatchObject({
      value: { key: { expiresMs: nowMs + 10_000 }, old: { expiresMs: nowMs + 1_000 } },
    });
    expect(await rotateApiKey(deps, { which: key.id }, { overlapMs: 0, expiresMs: null })).toMatchObject({
      value: { key: { expiresMs: null } },
    });
  });

  test("what is not in force is not rotated, and another account's neither rotated nor revoked", async () => {
    await using made = await testDatabase();
    const deps = await keysOn(made);
    const { key, token } = await createApiKey(deps, { name: "a" });
    const { key: expired } = await createApiKey(deps, { name: "b", expiresMs: deps.clock.nowMs() });
    const unknown = { ok: false, error: "key_unknown" } as const;
    expect(await rotateApiKey(deps, { which: expired.id }, { overlapMs: 0 })).toEqual(unknown);
    expect(await rotateApiKey(deps, { which: key.id, accountId: "other" }, { overlapMs: 0 })).toEqual(unknown);
    expect(await revokeApiKey(deps, { which: key.id, accountId: "other" })).toEqual(unknown);
    expect(deps.ring.find(token)).toBeDefined();
    await revokeApiKey(deps, { which: key.id, accountId: "local" });
    expect(await rotateApiKey(deps, { which: key.id }, { overlapMs: 0 })).toEqual(unknown);
    expect(await listApiKeys(deps)).toHaveLength(2);
  });
});

test("each change of a key is in the audit log, without the key", async () => {
  await using made = await testDatabase();
  const deps = { ...(await keysOn(made)), by: { actor: "user/anna", from: "10.0.0.1" } as const };
  const { token, key } = await createApiKey(deps, { name: "a", tokensPerMinute: 5 });
  const rotated = await rotateApiKey(deps, { which: key.id }, { overlapMs: 0 });
  if (!rotated.ok) throw new Error(rotated.error);
  await revokeApiKey(deps, { which: rotated.value.key.id });
  const entries = (await listAudit(deps, 10)).toReversed();
  expect(entries.map(({ action, subject, actor, from }) => ({ action, subject, actor, from }))).toEqual([
    { action: "key.created", subject: key.id, actor: "user/anna", from: "10.0.0.1" },
    { action: "key.rotated", subject: key.id, actor: "user/anna", from: "10.0.0.1" },
    { action: "key.revoked", subject: rotated.value.key.id, actor: "user/anna", from: "10.0.0.1" },
  ]);
  expect(JSON.parse(entries[0]?.after ?? "")).toMatchObject({ name: "a", tokens_per_minute: 5 });
  const said = JSON.stringify(entries);
  for (const secret of [token, rotated.value.token, deps.ring.hash(token)]) expect(said).not.toContain(secret);
});

test("whatever of a key is changed in the database is counted as a change, but for its last use", async () => {
  await using made = await testDatabase();
  const deps = await keysOn(made);
  await createApiKey(deps, { name: "a" });
  const changed = async () => Number((await deps.db.query("SELECT n FROM changes WHERE name = 'api_keys'"))[0]?.[0]);
  const columns = (await deps.db.query("SELECT name FROM pragma_table_info('api_keys')")).map(([name]) => String(name));
  const fixed = ["id", "prefix", "key_hash", "created_ms", "last_used_ms"];
  for (const column of columns) {
    const before = await changed();
    await deps.db.writer.batch(`UPDATE api_keys SET ${column} = ${column}`, [[]]);
    expect([column, (await changed()) - before]).toEqual([column, fixed.includes(column) ? 0 : 1]);
  }
});
