import { expect, test } from "bun:test";
import { amountOf, dollars } from "./amounts.ts";

test.each([
  ["25", 25_000_000],
  ["$0.50", 500_000],
  ["0.000001", 1],
  ["+3", 3_000_000],
  [" 999999999.999999 ", 999_999_999_999_999],
])("%j is an amount in USD", (text, micro) => {
  expect(amountOf(text)).toBe(micro);
});

test.each(["0", "-1", "0.0000001", "1e3", "1,5", "", "five", "0x10", "NaN", "Infinity", "1.2.3", "9999999999"])(
  "%j is refused rather than rounded",
  (text) => {
    expect(() => amountOf(text)).toThrow("amount");
  },
);

test("corrections may be below zero, and never nothing", () => {
  expect(amountOf("-3.20", { signed: true })).toBe(-3_200_000);
  expect(() => amountOf("-0", { signed: true })).toThrow("amount");
});

test("amounts are shown exactly", () => {
  expect([1_250_000, -1, 0].map(dollars)).toEqual(["$1.25", "-$0.000001", "$0.00"]);
});
