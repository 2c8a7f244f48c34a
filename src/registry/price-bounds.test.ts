import { expect, test } from "bun:test";
import fc from "fast-check";
import { manualClock } from "../lib/clock.ts";
import type { ReadyFrame } from "../protocol/frames.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { priceFault, priceRefusal } from "./price-bounds.ts";
import { createRegistry } from "./registry.ts";

test("prices are fine from the least to the most, and else refused with the bound", () => {
  const bound = fc.tuple(fc.nat(1_000), fc.nat(1_000)).map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }));
  fc.assert(
    fc.property(fc.record({ input: bound, output: bound }), fc.nat(1_100), fc.nat(1_100), (bounds, input, output) => {
      const refused = priceFault(bounds, { input, output });
      const fits = (price: number, { min, max }: { min: number; max: number }) => price >= min && price <= max;
      const fine = fits(input, bounds.input) && fits(output, bounds.output);
      expect(refused === null).toBe(fine);
      if (refused === null) return;
      const broken = !fits(input, bounds.input) ? bounds.input : bounds.output;
      const price = !fits(input, bounds.input) ? input : output;
      expect(refused).toContain(
        price < broken.min ? `the least here is ${broken.min}` : `the most here is ${broken.max}`,
      );
    }),
  );
});

const ready = (input: number): ReadyFrame => ({
  type: "ready",
  sig: "",
  name: "n",
  device: { os: "linux", arch: "x64", cpu: "c", cores: 1, memory_mib: 1, gpus: [] },
  backends: [{ kind: "openai", continues: false, healthy: true }],
  models: [
    { name: "m", context_length: null, digest: null, loaded: true, quantization: null, demo: false, backend: 0 },
  ],
  slots: 1,
  prices: { input, output: 5 },
  attempts: [],
});
const channel = { send() {}, acknowledge() {}, close() {} };

test("a node whose prices are out of bounds offers nothing until it asks for something else", () => {
  const prices = { input: { min: 10, max: 20 }, output: { min: 0, max: 5 } };
  const registry = createRegistry({ clock: manualClock(), prices });
  const node = registry.attach(pubkeySchema.parse("ab".repeat(32)), channel, ready(21));
  expect(registry.offersOf("m")).toEqual([]);
  expect(node.notice).toContain("price_input is 21, and the most here is 20");
  const { backends, models, slots } = ready(0);
  const beat = (input: number) =>
    registry.heartbeat(node, {
      type: "heartbeat",
      status: "available",
      running: 0,
      serves: { backends, models, slots, prices: { input, output: 5 } },
    });
  beat(20);
  expect(registry.offersOf("m")).toHaveLength(1);
  expect(node.notice).toBeNull();
  beat(9);
  expect(registry.offersOf("m")).toEqual([]);
  expect(node.notice).toContain("the least here is 10");
});

test("a model whose prices are out of bounds is not offered, and the node's others are", () => {
  const prices = { input: { min: 10, max: 20 }, output: { min: 0, max: 5 } };
  const registry = createRegistry({ clock: manualClock(), prices });
  const { models, ...rest } = ready(10);
  const named = (name: string) => ({ ...models[0], name }) as ReadyFrame["models"][number];
  const node = registry.attach(pubkeySchema.parse("ab".repeat(32)), channel, {
    ...rest,
    models: ["m", "dear", "cheap"].map(named),
    model_prices: {
      dear: { input: 10, output: 6 },
      cheap: { input: 20, output: 0 },
      elsewhere: { input: 99, output: 0 },
    },
  });
  expect([...registry.models.keys()]).toEqual(["m", "cheap"]);
  expect(node.notice).toBe("not offered: dear (price_output is 6, and the most here is 5) (µ$ per million tokens)");
  expect(registry.offersOf("cheap")[0]).toMatchObject({ priceInput: 20, priceOutput: 0, cheapest: 21 });
  expect(registry.offersOf("m")[0]).toMatchObject({ priceInput: 10, priceOutput: 5, cheapest: 16 });
});

test("many models out of bounds are counted, and their notice fits a frame", () => {
  const bounds = { input: { min: 0, max: 20 }, output: { min: 0, max: 5 } };
  const models = Array.from({ length: 10 }, (_, i) => ({ name: `${i}${"x".repeat(255)}` }));
  const dear = { input: Number.MAX_SAFE_INTEGER, output: Number.MAX_SAFE_INTEGER };
  const model_prices = Object.fromEntries(models.slice(1).map(({ name }) => [name, dear]));
  const refused = priceRefusal(bounds, { prices: { input: 0, output: 0 }, model_prices, models }) ?? "";
  expect(refused).toContain(" and 6 more ");
  expect(refused.length).toBeLessThanOrEqual(1024);
});
