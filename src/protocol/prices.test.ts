import { expect, test } from "bun:test";
import fc from "fast-check";
import { modelPricesSchema, patternPrice, priceOf } from "./prices.ts";

const at = (input: number) => ({ input, output: 0 });

test("a model has its own price, else the node's", () => {
  const list = { prices: at(1), model_prices: { m: at(2), free: at(0) } };
  expect(["m", "free", "other", "toString", "__proto__"].map((model) => priceOf(list, model).input)).toEqual([
    2, 0, 1, 1, 1,
  ]);
  expect(priceOf({ prices: at(1) }, "m")).toEqual(at(1));
});

test("the longest pattern that fits counts, and a whole name before any beginning", () => {
  const patterns = { "*": at(1), "llama3*": at(2), "llama3:8b": at(3), "llama3:8b*": at(4), qwen3: at(5) };
  const cases = [
    ["mistral", 1],
    ["llama3.1", 2],
    ["llama3:8b", 3],
    ["llama3:8b-q4", 4],
    ["qwen3", 5],
    ["qwen3:latest", 5],
    ["qwen3:32b", 1],
  ] as const;
  for (const [model, price] of cases) expect([model, patternPrice(patterns, model)?.input]).toEqual([model, price]);
  expect(patternPrice({ "llama3*": at(1) }, "qwen")).toBeUndefined();
  expect(patternPrice({ "m:latest": at(1) }, "m")).toEqual(at(1));
});

test("property: the order in which patterns stand does not matter", () => {
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", ":"), minLength: 1, maxLength: 4 });
  const written = fc.tuple(pattern, fc.boolean()).map(([text, open]) => (open ? `${text}*` : text));
  fc.assert(
    fc.property(fc.uniqueArray(written, { maxLength: 8 }), pattern, (patterns, model) => {
      const list = patterns.map((one, i) => [one, at(i)] as const);
      const forwards = patternPrice(Object.fromEntries(list), model);
      expect(patternPrice(Object.fromEntries(list.toReversed()), model)).toEqual(forwards);
      const fits = (one: string) => (one.endsWith("*") ? model.startsWith(one.slice(0, -1)) : one === model);
      expect(forwards !== undefined).toBe(patterns.some(fits));
    }),
  );
});

test("prices of models are whole, not below zero and bounded in number", () => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, at(1)]));
  const isGood = (value: unknown) => modelPricesSchema.safeParse(value).success;
  expect([{}, { m: at(0) }, many(1024)].map(isGood)).toEqual([true, true, true]);
  const wrong = [many(1025), { m: at(-1) }, { m: at(0.5) }, { m: { input: 1 } }, { "": at(1) }, [at(1)], null];
  expect(wrong.map(isGood)).toEqual(wrong.map(() => false));
});
