// Settings of a node, in its own file: kept over restarts, in effect at once, and never lost unseen.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configGround } from "../config/ground.ts";
import { configSchema } from "../config/schema.ts";
import { StorageError } from "../db/errors.ts";
import { manualClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { fileStore } from "./file-store.ts";
import { openSettings } from "./settings.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "infernet-settings-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = async () => {
  const loaded = { ...configSchema.parse({ mode: "node", node: { price_input: 5 } }), data_dir: directory };
  const { config, ground } = configGround(loaded, {});
  const settings = await openSettings({
    store: fileStore(directory, silentLog),
    clock: manualClock(),
    log: silentLog,
    ground,
  });
  return { config, settings };
};

test("what is changed is in effect, in a file of its owner's only, and there after a restart", async () => {
  const first = await open();
  expect(await first.settings.change("node.price_input", { text: "7" })).toMatchObject({
    ok: true,
    value: { value: 7 },
  });
  expect(await first.settings.change("node.schedule", { value: ["mon-fri 18:00-08:00"] })).toMatchObject({ ok: true });
  expect([first.config.node.price_input, first.config.node.schedule]).toEqual([7, ["mon-fri 18:00-08:00"]]);
  expect(statSync(join(directory, "settings.json")).mode & 0o777).toBe(0o600);
  const second = await open();
  expect([second.config.node.price_input, second.config.node.schedule]).toEqual([7, ["mon-fri 18:00-08:00"]]);
  await second.settings.reset("node.price_input");
  expect(second.config.node.price_input).toBe(5);
  expect((await open()).config.node.price_input).toBe(5);
});

test("a node changes what is a node's, and what does not fit is refused and changes nothing", async () => {
  const { config, settings } = await open();
  for (const [key, text, code] of [
    ["coordinator.queue_limit", "7", "not_live"],
    ["node.coordinators", "[]", "not_live"],
    ["node.price_input", "-1", "wrong"],
    ["node.price_input", "1.5", "wrong"],
    ["node.schedule", '["someday"]', "wrong"],
    ["node.nothing", "1", "unknown"],
  ] as const) {
    expect([key, await settings.change(key, { text })]).toMatchObject([key, { ok: false, error: { code } }]);
  }
  expect(config.node.price_input).toBe(5);
});

test("the longest list of prices that may be set is read again at the next start", async () => {
  const prices = Object.fromEntries(
    Array.from({ length: 1024 }, (_, i) => [`${String(i).padStart(256, "ö")}*`, { input: 1e12, output: 1e12 }]),
  );
  const { settings } = await open();
  expect((await settings.change("node.prices", { value: prices })).ok).toBe(true);
  expect((await settings.change("node.price_input", { value: 7 })).ok).toBe(true);
  expect((await open()).config.node).toMatchObject({ prices, price_input: 7 });
});

test("what cannot be written is refused in words, is not in effect, and is taken once it can be", async () => {
  const { config, settings } = await open();
  const inTheWay = join(directory, "settings.json.new");
  mkdirSync(inTheWay);
  const fault = await settings.change("node.price_input", { text: "7" }).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(StorageError);
  expect(String(fault)).toContain("settings.json");
  expect(config.node.price_input).toBe(5);
  rmSync(inTheWay, { recursive: true });
  expect((await settings.change("node.price_input", { text: "7" })).ok).toBe(true);
  expect(config.node.price_input).toBe(7);
});

test.each(["", "{}", '[{"key":1}]'])(
  "a file that is no list of settings (%p) stops the start and stays as it is",
  async (text) => {
    const file = join(directory, "settings.json");
    writeFileSync(file, text);
    const fault = await open().catch((error: unknown) => error);
    expect(String(fault)).toContain(file);
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);
