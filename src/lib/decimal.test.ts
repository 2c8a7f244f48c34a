// Decimals: written and read without a loss.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { decimal, fromDecimal } from "./decimal.ts";

test("what is written is read as the same integer", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 0, max: 12 }), (amount, behind) => {
      expect(fromDecimal(decimal(BigInt(amount), behind), behind)).toBe(amount);
    }),
  );
});

test.each([
  ["12", 2, 1200],
  ["12.5", 2, 1250],
  ["0.000001", 6, 1],
  ["7", 0, 7],
] as const)("%p with %i digits behind the point is %i", (text, behind, amount) => {
  expect(fromDecimal(text, behind)).toBe(amount);
});

test.each(["", ".5", "5.", "-1", "1e3", "1,5", "0.001", " 1", "9999999999999999"])("%p is none with two", (text) => {
  expect(fromDecimal(text, 2)).toBeUndefined();
});
