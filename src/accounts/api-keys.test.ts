import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { drizzleOver } from "../db/executor.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { createApiKey, listApiKeys, openKeyRing, revokeApiKey } from "./api-keys.ts";

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
  const holder = { keyId: key.id, accountId: "local", name: "laptop", scopes: ["chat"], pools: ["acme"] };
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
    const revoked = await revokeApiKey(deps, which);
    expect(revoked).toMatchObject({ ok: true, value: { id: key.id } });
    expect(deps.ring.find(token)).toBeUndefined();
    expect(await revokeApiKey(deps, which)).toEqual({ ok: false, error: "key_unknown" });
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
  expect(await revokeApiKey(deps, first.key.prefix)).toEqual({ ok: false, error: "key_ambiguous" });
  for (const which of ["inf_", "", "%", "inf_%"]) {
    expect(await revokeApiKey(deps, which)).toEqual({ ok: false, error: "key_unknown" });
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
  await revokeApiKey({ ...deps, ring: elsewhere }, token);
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
  await revokeApiKey({ ...deps, ring }, key.id);
  gate.resolve();
  await reloading;
  expect(ring.find(token)).toBeUndefined();
});
