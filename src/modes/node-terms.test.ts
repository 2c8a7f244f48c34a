// Node terms over the real settings, in a file and in a database.
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Source } from "../config/layers.ts";
import { configSchema } from "../config/schema.ts";
import { configGround } from "../config.ts";
import { OPERATOR } from "../daemon/commands/node-commands.ts";
import { manualClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { nodeTermsSchema, termsChangeSchema } from "../protocol/terms.ts";
import { fileStore } from "../settings/file-store.ts";
import { openSettings } from "../settings/settings.ts";
import { nodeTermsOf } from "./node-terms.ts";

const COORDINATOR = "c".repeat(64);
const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

async function stage({
  directory = mkdtempSync(join(tmpdir(), "infernet-terms-")),
  written = {},
  sources = {},
  governed = false,
}: {
  directory?: string;
  written?: object;
  sources?: Record<string, Source>;
  governed?: boolean;
} = {}) {
  made.push(directory);
  const loaded = { ...configSchema.parse({ mode: "node", node: written }), data_dir: directory };
  const { config, ground } = configGround(loaded, sources);
  const settings = await openSettings({
    ...{ store: fileStore(directory, silentLog), clock: manualClock(), log: silentLog, ground },
  });
  return { directory, config, settings, terms: nodeTermsOf({ config, settings, governed }) };
}

test("what is told is what is configured, within what a coordinator takes", async () => {
  const { terms } = await stage({
    written: { slots: 3, schedule: ["sat,sun"], prices: { "*": { input: 1, output: 2 } } },
  });
  expect(nodeTermsSchema.parse(terms.now())).toEqual(terms.now());
  expect(terms.now()).toMatchObject({ slots: 3, schedule: ["sat,sun"], prices: { "*": { input: 1, output: 2 } } });
  expect(terms.now().allows).toEqual(["models", "drain", "resume", "refresh", "restart"]);
});

test("a change is in effect and kept over a restart, under the coordinator's name", async () => {
  const on = await stage();
  const change = termsChangeSchema.parse({ slots: 4, price_output: 250_000, schedule: ["22:00-06:00"] });
  expect(await on.terms.configure(change, COORDINATOR)).toMatchObject({ ok: true });
  expect(on.config.node).toMatchObject({ slots: 4, price_output: 250_000, schedule: ["22:00-06:00"] });
  expect(on.settings.find("node.slots")?.kept?.changedBy).toBe(`coordinator/${COORDINATOR}`);
  expect((await stage({ directory: on.directory })).terms.now()).toMatchObject({ slots: 4, price_output: 250_000 });
});

test("a change takes effect as a whole: half of it is seen by nobody, and what does not fit changes nothing", async () => {
  const on = await stage();
  const seen: unknown[] = [];
  on.settings.onChange(() => {
    const { slots, price_input, price_output } = on.terms.now();
    seen.push([slots, price_input, price_output]);
  });
  await on.terms.configure({ slots: 4, price_input: 5, price_output: 6 }, COORDINATOR);
  expect(seen).toEqual([[4, 5, 6]]);
  const wrong = await on.terms.configure({ slots: 1, price_input: 9, schedule: ["whenever"] }, COORDINATOR);
  expect(wrong).toMatchObject({ ok: false, error: expect.stringMatching(/^node\.schedule.*nothing was changed$/) });
  expect(on.terms.now()).toMatchObject({ slots: 4, price_input: 5, price_output: 6, schedule: [] });
  expect(seen).toHaveLength(1);
});

test("one that a flag fixes is told, and a change with it changes nothing at all", async () => {
  const flag: Source = { from: "flag", where: "--node-slots" };
  const on = await stage({ written: { slots: 2 }, sources: { "node.slots": flag } });
  expect(on.terms.now().fixed).toEqual(["slots"]);
  expect(await on.terms.configure({ price_input: 9, slots: 4 }, COORDINATOR)).toEqual({
    ok: false,
    error: "a flag or the environment of this node says otherwise: slots (--node-slots); nothing was changed",
  });
  expect(on.config.node).toMatchObject({ slots: 2, price_input: 0 });
});

test("a coordinator in the same process may configure it: its admins change these settings anyway", async () => {
  const on = await stage({ governed: true, written: { allow_commands: [] } });
  expect(on.terms.allowed()).toEqual(["configure"]);
  expect((await stage({ written: { allow_commands: [] } })).terms.allowed()).toEqual([]);
  await on.terms.configure({ slots: 1 }, COORDINATOR);
  await on.terms.configure({ price_input: 1 }, OPERATOR);
  expect(["node.slots", "node.price_input"].map((key) => on.settings.find(key)?.kept?.changedBy)).toEqual([
    "system",
    "local",
  ]);
});
