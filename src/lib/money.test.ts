import { expect, test } from "bun:test";
import fc from "fast-check";
import { microUsd } from "./money.ts";

test("decimals are read exactly, as text and as JSON's numbers", () => {
  expect(["1", "0.5", " 0.000001 ", "12.3456789", "0", "1e-6", "1.5E3", 0.1, 3, 1e-7, 1.1e21].map(microUsd)).toEqual([
    1_000_000,
    500_000,
    1,
    12_345_678,
    0,
    1,
    1_500_000_000,
    100_000,
    3_000_000,
    0,
    undefined,
  ]);
});

test("what is no amount is none", () => {
  for (const wrong of ["", "-1", "+1", ".5", "1.", "0x10", "1,5", "NaN", "1e9999", "9".repeat(40), Number.NaN, -0.1])
    expect([wrong, microUsd(wrong)]).toEqual([wrong, undefined]);
  expect(microUsd(Number.POSITIVE_INFINITY)).toBeUndefined();
});

test("property: any amount written with up to six decimals comes back as it is", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (micro) => {
      const text = `${Math.floor(micro / 1e6)}.${String(micro % 1e6).padStart(6, "0")}`;
      expect(microUsd(text)).toBe(micro);
    }),
  );
});
