// Two coordinators on one database, the real libSQL server: what one decides, the other takes over.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createApiKey, revokeApiKey, rotateApiKey } from "../accounts/api-keys.ts";
import { openKeyRing } from "../accounts/key-ring.ts";
import type { RateMeter } from "../accounts/rate-limits.ts";
import { migrateDatabase } from "../db/migrate.ts";
import { type Db, openDatabase } from "../db/open.ts";
import { sqldPath, type TestServer, testServer } from "../db/test-server.ts";
import { manualClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { allowNode, approveNode, ejectNode, noteSeen, placeNode } from "../registry/nodes.ts";
import type { NodeRow } from "../registry/schema.ts";
import { testSettings } from "../settings/testing/settings.ts";
import { followChanges } from "./follow-changes.ts";
import { loadKeys } from "./key-directory.ts";

const clock = manualClock();
const NODE = pubkeySchema.parse("ab".repeat(32));
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

async function coordinator(url: string) {
  const db = await openDatabase({ url });
  await migrateDatabase({ db, clock });
  const ring = await openKeyRing({ db, clock, hashKey: new Uint8Array(32) });
  const placed = new Map<string, NodeRow>();
  const { keys } = await loadKeys(db, (row) => placed.set(row.pubkey, row));
  const { config, settings } = await testSettings({ db, clock });
  return { db, ring, keys, placed, config, settings };
}

describe.skipIf(sqldPath === null)("coordinators that share a database", () => {
  let server: TestServer;
  let one: Awaited<ReturnType<typeof coordinator>>;
  let other: Awaited<ReturnType<typeof coordinator>>;
  /** What the other coordinator asked of its database since it was last cleared. */
  const asked: string[] = [];
  const resets: string[] = [];
  const warnings: string[] = [];
  /** Resolves at the end of the look that is started by the clock's next second. */
  let look: () => Promise<void>;
  beforeAll(async () => {
    server = await testServer(sqldPath ?? "");
    one = await coordinator(server.url);
    other = await coordinator(server.url);
    let ended = () => {};
    const read = new Proxy(other.db.read, {
      get(target, name, receiver) {
        if (name === "select") asked.push("changes");
        return Reflect.get(target, name, receiver);
      },
    });
    const db: Db = { ...other.db, read };
    const noted =
      <T>(name: string, act: () => Promise<T>) =>
      async () => {
        asked.push(name);
        return act();
      };
    const log = { warn: (message: string) => warnings.push(message) } as unknown as Log;
    followChanges({
      db,
      clock,
      log,
      ring: { reload: noted("api_keys", () => other.ring.reload()) },
      keys: { reloadAll: noted("nodes", () => other.keys.reloadAll()) },
      settings: { reload: noted("settings", () => other.settings.reload()) },
      links: { reset: (pubkey) => resets.push(pubkey) },
      looked: () => ended(),
    });
    look = async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      ended = resolve;
      asked.length = 0;
      clock.advance(1_000);
      await promise;
    };
    await look();
  });
  afterAll(async () => {
    await Promise.all([one.db.close(), other.db.close()]);
    await server[Symbol.asyncDispose]();
  });

  test("a key made here works there, and a revoked one does not", async () => {
    const { token, key } = await createApiKey({ ...one, clock, random }, { name: "shared" });
    expect(other.ring.find(token)).toBeUndefined();
    await look();
    expect(other.ring.find(token)?.keyId).toBe(key.id);
    await revokeApiKey({ ...one, clock }, { which: key.id });
    await look();
    expect(other.ring.find(token)).toBeUndefined();
  });

  test("a key rotated here ends there, and the new one works there with what the old one had", async () => {
    const made = await createApiKey({ ...one, clock, random }, { name: "shared", requestsPerMinute: 5, models: ["m"] });
    await look();
    const meter = other.ring.find(made.token)?.meter;
    const rotated = await rotateApiKey({ ...one, clock, random }, { which: made.key.id }, { overlapMs: 0 });
    if (!rotated.ok) throw new Error(rotated.error);
    await look();
    expect(other.ring.find(made.token)).toBeUndefined();
    const holder = other.ring.find(rotated.value.token);
    expect([holder?.models?.("m"), holder?.models?.("x"), holder?.lineage]).toEqual([true, false, made.key.id]);
    expect(holder?.meter).toBe(meter as RateMeter);
  });

  test("a setting changed here is in effect there, and so is its reset", async () => {
    await one.settings.change("coordinator.queue_limit", { value: 7 });
    await look();
    expect(other.config.coordinator.queue_limit).toBe(7);
    await one.settings.reset("coordinator.queue_limit");
    await look();
    expect(other.config.coordinator.queue_limit).toBe(256);
  });

  test("an ejected node is known as ejected there, and its link is ended", async () => {
    await allowNode({ db: one.db, clock }, NODE);
    await look();
    expect(other.keys.lookup(NODE)?.status).toBe("approved");
    expect(resets).toEqual([]);
    await ejectNode({ db: one.db, clock }, NODE, "test");
    await look();
    expect(other.keys.lookup(NODE)?.status).toBe("ejected");
    expect(resets).toEqual([NODE]);
  });

  test("a node's pool and maintenance are taken over there, and its link stays", async () => {
    resets.length = 0;
    await placeNode({ db: one.db, clock }, NODE, { pool: "acme", maintenance: true });
    await look();
    expect(other.placed.get(NODE)).toMatchObject({ pool: "acme", maintenance: true });
    expect(resets).toEqual([]);
  });

  test("where nothing changed that matters, nothing but the counters is read", async () => {
    await look();
    await noteSeen({ db: one.db }, [[NODE, 5]]);
    await approveNode({ db: one.db, clock }, NODE);
    await look();
    expect(asked).toEqual(["changes"]);
  });

  test("a database that is away is said to be away once", async () => {
    await server.kill();
    await look();
    await look();
    expect(warnings).toHaveLength(1);
  });
});
