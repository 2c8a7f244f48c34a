// Bins: quantiles that are near the exact ones, however the counts were split and stored in between.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { addBins, addPacked, type Bins, countIn, newBins, packBins, quantile } from "./bins.ts";

const times = fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 1, maxLength: 300 });
const counted = (all: readonly number[]): Bins => {
  const bins = newBins();
  for (const ms of all) countIn(bins, ms);
  return bins;
};

test("a quantile is the exact one to within 5 %", () => {
  fc.assert(
    fc.property(times, fc.constantFrom(0.5, 0.95, 0.99), (all, q) => {
      const exact = all.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(q * all.length)) - 1] ?? 0;
      const found = quantile(counted(all), q) ?? 0;
      // And then rounded to whole milliseconds.
      expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact * 0.05 + 0.5);
    }),
  );
});

test("spans that are added up, or stored and read, count as if they had been one", () => {
  fc.assert(
    fc.property(times, times, (one, other) => {
      const merged = counted(one);
      addBins(merged, counted(other));
      expect(merged).toEqual(counted([...one, ...other]));
      const read = newBins();
      addPacked(read, JSON.parse(JSON.stringify([...packBins(counted(one)), ...packBins(counted(other))])));
      expect(read).toEqual(merged);
    }),
  );
});

test("nothing has no quantile; what is out of all bounds is in the first or last bin", () => {
  expect(quantile(newBins(), 0.5)).toBeNull();
  expect(quantile(counted([-5, 0]), 0.5)).toBe(1);
  expect(quantile(counted([1e12]), 0.5)).toBeGreaterThan(1_900_000);
  const bins = newBins();
  addPacked(bins, [-1, 3, 1_000_000, 4, 7]);
  expect(quantile(bins, 0.5)).toBeNull();
});
