// Settings on a real database, over the real configuration.
import { afterEach, expect, test } from "bun:test";
import { verifyAudit } from "../accounts/audit-check.ts";
import { listAudit as listAuditLog } from "../accounts/audit-list.ts";
import type { Db } from "../db/open.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import type { Log, LogFields } from "../lib/log.ts";
import { silentLog } from "../lib/log.ts";
import { testSettings } from "./testing/settings.ts";

const open: TestDatabase[] = [];
afterEach(async () => {
  for (const database of open.splice(0)) await database[Symbol.asyncDispose]();
});
async function database() {
  const made = await testDatabase();
  open.push(made);
  return made.db;
}
const ANNA = { actor: "user/anna", from: "192.0.2.7" } as const;
const LIMIT = "coordinator.queue_limit";
/** The oldest first. */
const listAudit = async (db: Db) => (await listAuditLog({ db }, 100)).reverse();

test("a change is in effect at once, kept, told to listeners and noted with what was before", async () => {
  const db = await database();
  const { config, settings } = await testSettings({ db });
  const { coordinator } = config;
  const seen: number[] = [];
  settings.onChange(() => seen.push(coordinator.queue_limit));
  const changed = await settings.change(LIMIT, { value: 3 }, ANNA);
  expect(changed.ok && changed.value).toMatchObject({ value: 3, beneath: 256, source: { from: "settings" } });
  // The same objects: who holds one reads the new value.
  expect([coordinator.queue_limit, seen]).toEqual([3, [3]]);
  const again = await testSettings({ db });
  expect(again.config.coordinator.queue_limit).toBe(3);
  await settings.reset(LIMIT, ANNA);
  expect(coordinator.queue_limit).toBe(256);
  expect((await testSettings({ db })).config.coordinator.queue_limit).toBe(256);
  const acts = (await listAudit(db)).map(({ actor, action, subject, before, after }) => [
    actor,
    action,
    subject,
    before,
    after,
  ]);
  expect(acts).toEqual([
    ["user/anna", "settings.changed", LIMIT, "256", "3"],
    ["user/anna", "settings.changed", LIMIT, "3", "256"],
  ]);
  expect((await verifyAudit(db)).broken).toBeNull();
});

test("what changes nothing is not noted", async () => {
  const db = await database();
  const { settings } = await testSettings({ db });
  expect((await settings.change(LIMIT, { text: "256" })).ok).toBe(true);
  expect((await settings.reset(LIMIT)).ok).toBe(true);
  expect(await listAudit(db)).toEqual([]);
});

test("several are changed at once, each noted; or, where one does not fit, none", async () => {
  const db = await database();
  const { config, settings } = await testSettings({ db });
  const seen: number[] = [];
  settings.onChange(() => seen.push(config.coordinator.queue_limit));
  const change = (limit: number, signup: string) =>
    settings.changeAll(
      new Map<string, unknown>([
        [LIMIT, limit],
        ["accounts.signup", signup],
      ]),
      ANNA,
    );
  expect(await change(3, "open")).toEqual({ ok: true, value: undefined });
  expect(await change(4, "nobody knows")).toMatchObject({
    ok: false,
    error: { code: "wrong", key: "accounts.signup" },
  });
  expect([config.coordinator.queue_limit, config.accounts.signup, seen]).toEqual([3, "open", [3]]);
  expect((await listAudit(db)).map(({ subject }) => subject)).toEqual([LIMIT, "accounts.signup"]);
  expect((await testSettings({ db })).config.coordinator.queue_limit).toBe(3);
});

test("text is read as in the environment", async () => {
  const { config, settings } = await testSettings({ db: await database() });
  for (const [key, text] of [
    ["coordinator.require_api_key", "false"],
    ["payouts.interval_h", "24"],
    ["aliases", '{"gpt-4o": ["llama3"]}'],
    ["accounts.signup", "open"],
  ] as const)
    expect((await settings.change(key, { text })).ok).toBe(true);
  expect(config.coordinator.require_api_key).toBe(false);
  expect(config.payouts.interval_h).toBe(24);
  expect(config.aliases).toEqual({ "gpt-4o": ["llama3"] });
  expect(config.accounts.signup).toBe("open");
  expect((await settings.change("payouts.interval_h", { text: "" })).ok).toBe(true);
  expect(config.payouts.interval_h).toBeNull();
});

test.each([
  [LIMIT, "-1", "wrong", "an integer from 0 to 100000"],
  [LIMIT, "many", "wrong", "an integer from 0 to 100000"],
  ["accounts.signup", "all", "wrong", '"open", "invite", "closed"'],
  ["aliases", "{", "wrong", "not valid JSON"],
  ["aliases", '{"a": []}', "wrong", "aliases"],
  ["node.prices", '{"a":{"input":1.5,"output":2}}', "wrong", "an integer from 0 to 1000000000000 (in a.input)"],
  ["node.prices", '{"a":{"input":1}}', "wrong", "is missing; must be an integer"],
  ["coordinator.price_input_min", "2000000000", "wrong", "price_input_max"],
  ["server.port", "80", "not_live", "start"],
  ["nothing.here", "1", "unknown", "no such key"],
  ["__proto__", "1", "unknown", "no such key"],
])("%s = %s is refused", async (key, text, code, words) => {
  const db = await database();
  const { config, settings } = await testSettings({ db });
  const before = JSON.stringify(config);
  const changed = await settings.change(key, { text });
  if (changed.ok) throw new Error("it was taken");
  expect(changed.error.code as string).toBe(code);
  expect(`${key} ${changed.error.message}`).toContain(words);
  expect(JSON.stringify(config)).toBe(before);
  expect(await listAudit(db)).toEqual([]);
});

test("what a flag or the environment says cannot be changed, and stands above what was kept", async () => {
  const db = await database();
  const before = await testSettings({ db });
  await before.settings.change(LIMIT, { value: 3 });
  const sources = { [LIMIT]: { from: "environment", where: "INFERNET_COORDINATOR_QUEUE_LIMIT" } } as const;
  const { config, settings } = await testSettings({ db, written: { coordinator: { queue_limit: 9 } }, sources });
  expect(config.coordinator.queue_limit).toBe(9);
  expect(settings.find(LIMIT)).toMatchObject({ value: 9, fixed: true, kept: { value: 3 } });
  const changed = await settings.change(LIMIT, { value: 4 });
  expect(changed.ok ? null : changed.error).toEqual({
    code: "fixed",
    message: "INFERNET_COORDINATOR_QUEUE_LIMIT says what it is",
  });
});

test("what no longer fits is left out and said; the rest stands", async () => {
  const db = await database();
  const first = await testSettings({ db });
  await first.settings.change("coordinator.price_input_min", { value: 500 });
  await first.settings.change(LIMIT, { value: 3 });
  await db.writer.transact((tx) => tx.run("insert into settings values ('gone.key', '1', 0, 'x')"));
  const said: LogFields[] = [];
  const log: Log = { ...silentLog, warn: (_, fields = {}) => said.push(fields) };
  // The file has another upper end now.
  const { config, settings } = await testSettings({ db, log, written: { coordinator: { price_input_max: 100 } } });
  expect([config.coordinator.price_input_min, config.coordinator.queue_limit]).toEqual([0, 3]);
  expect(said.map(({ key }) => key)).toEqual(["coordinator.price_input_min"]);
  expect(settings.list().some(({ name }) => name === "gone.key")).toBe(false);
});

test("what was written there by hand and cannot be read is left out and said; the rest stands", async () => {
  const db = await database();
  const first = await testSettings({ db });
  await first.settings.change(LIMIT, { value: 3 });
  const bad = ["", "{", "later", '{"__proto__": 1}'];
  const keys = ["coordinator.max_attempts", "accounts.signup", "aliases", "coordinator.price_input_min"];
  await db.writer.batch(
    "insert into settings values (?, ?, 0, 'x')",
    keys.map((key, i) => [key, bad[i] ?? ""]),
  );
  const said: LogFields[] = [];
  const log: Log = { ...silentLog, warn: (_, fields = {}) => said.push(fields) };
  const { config, settings } = await testSettings({ db, log });
  expect(config.coordinator).toMatchObject({ queue_limit: 3, max_attempts: first.config.coordinator.max_attempts });
  expect(said.map(({ key }) => key).sort()).toEqual([...keys].sort());
  // A change mends it.
  expect((await settings.change("accounts.signup", { value: "open" })).ok).toBe(true);
  expect((await testSettings({ db })).config.accounts.signup).toBe("open");
});

test("changes at the same time are made one after the other, each checked against the one before", async () => {
  const { config, settings } = await testSettings({ db: await database() });
  const [low, high] = await Promise.all([
    settings.change("coordinator.price_input_min", { value: 60 }),
    settings.change("coordinator.price_input_max", { value: 50 }),
  ]);
  expect([low.ok, high.ok]).toEqual([true, false]);
  expect(config.coordinator).toMatchObject({ price_input_min: 60, price_input_max: 1_000_000_000 });
});

test("of a table, what changed is noted alone, whatever its names are", async () => {
  const db = await database();
  const { settings } = await testSettings({ db, written: { aliases: { a: ["x"], b: ["y"] } } });
  await settings.change("aliases", { value: { a: ["x"], b: ["z"], secret_token: ["y"] } });
  const [entry] = await listAudit(db);
  expect([JSON.parse(entry?.before ?? ""), JSON.parse(entry?.after ?? "")]).toEqual([
    [["b", ["y"]]],
    [
      ["b", ["z"]],
      ["secret_token", ["y"]],
    ],
  ]);
});

test("secrets are masked, whatever they are", async () => {
  const { settings } = await testSettings({
    db: await database(),
    written: { accounts: { smtp_url: "smtp://me:hunter2@mail.example.org", mail_from: "a@example.org" } },
  });
  expect(JSON.stringify(settings.list())).not.toContain("hunter2");
});
