// Live rules: a setting is read by what holds the rules, and what needs a deed beside gets it, once.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { silentLog } from "../lib/log.ts";
import { newNode } from "../registry/node.ts";
import { testSettings } from "../settings/testing/settings.ts";
import { defaultsOf, followSettings, leastPrices, limitsOf, priceBounds } from "./live-rules.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

test("what holds the rules reads them anew; what needs a deed gets it when its own setting changes", async () => {
  const { config, settings } = await testSettings({
    db: database.db,
    written: { coordinator: { require_api_key: false } },
  });
  const deeds: string[] = [];
  const node = newNode("ab".repeat(32) as never);
  followSettings(settings, config, {
    log: silentLog,
    registry: { nodes: new Map([[node.pubkey, node]]), boundAnew: () => deeds.push("bounds") },
    hasRoom: () => deeds.push("room"),
    ownKey: async () => deeds.push("key"),
    setLogLevel: (level) => deeds.push(level),
  });
  const [limits, defaults, bounds, least] = [
    limitsOf(config),
    defaultsOf(config),
    priceBounds(config),
    leastPrices(config),
  ];
  const change = async (key: string, text: string) => {
    deeds.length = 0;
    const changed = await settings.change(key, { text });
    if (!changed.ok) throw new Error(changed.error.message);
    return deeds;
  };
  expect(deeds).toEqual(["info"]);
  expect(await change("coordinator.queue_limit", "5")).toEqual([]);
  expect(await change("coordinator.first_token_timeout_s", "7")).toEqual([]);
  expect(await change("coordinator.default_max_tokens", "8")).toEqual([]);
  expect(await change("scheduler.strategy", "fastest")).toEqual([]);
  expect(await change("coordinator.price_output_min", "9")).toEqual(["bounds", "room"]);
  expect(await change("log.level", "debug")).toEqual(["debug"]);
  expect(await change("coordinator.require_api_key", "true")).toEqual(["key"]);
  expect([limits.queueLimit, limits.firstTokenTimeoutMs]).toEqual([5, 7_000]);
  expect([defaults.maxTokens, defaults.strategy]).toEqual([8, "fastest"]);
  expect([bounds.output.min, least.output]).toEqual([9, 9]);
});
