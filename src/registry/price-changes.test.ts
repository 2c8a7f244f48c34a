import { expect, test } from "bun:test";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import type { HeartbeatFrame, ReadyFrame } from "../protocol/frames.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { createRegistry, type Offer, priceAt, type Registry } from "./registry.ts";

const KEY = pubkeySchema.parse("ab".repeat(32));
const CHANNEL = { send() {}, acknowledge() {}, close() {} };
const DETAILS = { context_length: null, digest: null, loaded: null, quantization: null, demo: false, backend: 0 };
const serves = (price: number): NonNullable<HeartbeatFrame["serves"]> => ({
  backends: [{ kind: "openai", continues: false, healthy: true }],
  models: [
    { name: "m", ...DETAILS },
    { name: "other", ...DETAILS },
  ],
  slots: 1,
  prices: { input: 1, output: 2 },
  model_prices: { m: { input: price, output: 2 * price } },
});
const ready = (price: number): ReadyFrame => ({
  type: "ready",
  sig: "",
  name: "n",
  device: { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] },
  attempts: [],
  ...serves(price),
});
/** A node that asks 10 from the start. */
function stage() {
  const clock = manualClock();
  const registry = createRegistry({ clock });
  const node = registry.attach(KEY, CHANNEL, ready(10));
  const ask = (price: number) =>
    registry.heartbeat(node, { type: "heartbeat", status: "available", running: 0, serves: serves(price) });
  return { clock, registry, node, ask, startMs: clock.nowMs() };
}
const offer = (registry: Registry, model = "m"): Offer => {
  const [found] = registry.offersOf(model);
  if (!found) throw new Error(`${model} is not offered`);
  return found;
};
const pass = (clock: ManualClock, ms: number): number => {
  clock.advance(ms);
  return clock.nowMs();
};

test("a price that changed is told with its time, and what it was at any time since the model was on offer", () => {
  const { clock, registry, ask, startMs } = stage();
  const raisedMs = pass(clock, 1000);
  ask(20);
  const loweredMs = pass(clock, 1000);
  ask(5);
  const now = offer(registry);
  expect(now).toMatchObject({ priceInput: 5, priceOutput: 10, priceSinceMs: loweredMs });
  const inputAt = (ms: number) => priceAt(now, ms)?.input;
  expect([startMs - 1, startMs, raisedMs - 1, raisedMs, loweredMs - 1, loweredMs, loweredMs + 1].map(inputAt)).toEqual([
    undefined,
    10,
    10,
    20,
    20,
    5,
    5,
  ]);
  // Its neighbour's price stayed what it was.
  expect(offer(registry, "other")).toMatchObject({ priceSinceMs: startMs, formerPrices: [] });
});

test("what is said again changes nothing, and what a node asked before it was away is remembered", () => {
  const { clock, registry, node, ask, startMs } = stage();
  pass(clock, 1000);
  ask(10);
  expect(offer(registry)).toMatchObject({ priceSinceMs: startMs, formerPrices: [] });
  registry.detach(node);
  const backMs = pass(clock, 5000);
  registry.attach(KEY, CHANNEL, ready(30));
  expect(offer(registry)).toMatchObject({ priceInput: 30, priceSinceMs: backMs });
  expect(priceAt(offer(registry), backMs - 1)).toEqual({ input: 10, output: 20 });
});

test("who changes its prices all the time is not remembered for ever", () => {
  const { clock, registry, ask, startMs } = stage();
  for (let price = 11; price <= 100; price++) {
    pass(clock, 10);
    ask(price);
  }
  const now = offer(registry);
  expect(now.formerPrices.length).toBeLessThan(20);
  expect(priceAt(now, startMs)).toBeUndefined();
  expect(priceAt(now, clock.nowMs() - 5)?.input).toBe(99);
});

test("bounds that change count at once for what is on offer, and for what was refused", () => {
  const bounds = { input: { min: 0, max: 100 }, output: { min: 0, max: 200 } };
  const prices = {
    get input() {
      return bounds.input;
    },
    get output() {
      return bounds.output;
    },
  };
  const registry = createRegistry({ clock: manualClock(), prices });
  const node = registry.attach(KEY, CHANNEL, ready(10));
  const offered = () => [...registry.models.keys()].sort();
  expect([offered(), node.refused]).toEqual([["m", "other"], null]);
  bounds.input.max = 9;
  registry.boundAnew();
  expect([offered(), node.refused]).toEqual([["other"], expect.stringContaining("the most here is 9")]);
  bounds.input.max = 10;
  registry.boundAnew();
  expect([offered(), node.refused]).toEqual([["m", "other"], null]);
  // Whoever is away is looked at when it comes back.
  registry.detach(node);
  bounds.input.max = 9;
  registry.boundAnew();
  expect(offered()).toEqual([]);
  registry.attach(KEY, CHANNEL, ready(10));
  expect(offered()).toEqual(["other"]);
});
