import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { NO_LOG } from "../../jobs/testing/stage.ts";
import { manualClock } from "../../lib/clock.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { openPriceMemory, priceMemory } from "./price-memory.ts";
import { RECEIPTS_DIRECTORY } from "./receipt-file.ts";

const DAY_MS = 24 * 3_600_000;
const COORDINATOR = "a".repeat(64) as Pubkey;
const both = (input: number, output = input) => ({ input, output });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "infernet-prices-"));
});
afterEach(() => rm(directory, { recursive: true }));

const clock = manualClock();
const open = () => openPriceMemory({ clock, log: NO_LOG }, directory, COORDINATOR);

test("what was asked for counts for a day after it was changed, for a model by its own price", () => {
  const memory = priceMemory({ clock });
  expect(memory.asked("m")).toBeUndefined();
  memory.announced({ prices: both(1, 20) });
  clock.advance(2 * DAY_MS);
  memory.announced({ prices: both(10, 2), model_prices: { other: both(0) } });
  expect(memory.asked("m")).toEqual({ least: both(1, 2), most: both(10, 20) });
  expect(memory.asked("other")).toEqual({ least: both(0), most: both(1, 20) });
  clock.advance(DAY_MS + 1);
  expect(memory.asked("m")).toEqual({ least: both(10, 2), most: both(10, 2) });
});

test("what is said again, on each of several links, pushes nothing out", () => {
  const memory = priceMemory({ clock });
  memory.announced({ prices: both(1) });
  for (let i = 0; i < 100; i++) memory.announced({ prices: both(2), model_prices: { m: both(3) } });
  expect(memory.asked("m")).toEqual({ least: both(1), most: both(3) });
});

test("after a restart the node knows what it asked for before", async () => {
  const before = await open();
  before.announced({ prices: both(1) });
  await before.idle();
  const after = await open();
  after.announced({ prices: both(5) });
  expect(after.asked("m")).toEqual({ least: both(1), most: both(5) });
  await after.idle();
});

test("a file that somebody spoilt is as none", async () => {
  await open();
  await writeFile(path.join(directory, RECEIPTS_DIRECTORY, `${COORDINATOR}.prices.json`), '[{"prices":{"input":-1}}]');
  const memory = await open();
  expect(memory.asked("m")).toBeUndefined();
});
