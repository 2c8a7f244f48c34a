import { expect, test } from "bun:test";
import fc from "fast-check";
import { microUsd, usd, usdPerToken } from "./money.ts";

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

test("prices per token are written as OpenRouter writes them", () => {
  expect([0, 1, 100_000, 550_000, 1_000_000_000_000, 2_500_000, 10n].map(usdPerToken)).toEqual([
    "0",
    "0.000000000001",
    "0.0000001",
    "0.00000055",
    "1",
    "0.0000025",
    "0.00000000001",
  ]);
});

test("amounts have two digits behind the point, and more where they need them", () => {
  expect([0, 1, 100_000, 1_234_567, 1_000_000n, -2_500_000n, -1n].map(usd)).toEqual([
    "0.00",
    "0.000001",
    "0.10",
    "1.234567",
    "1.00",
    "-2.50",
    "-0.000001",
  ]);
});

/** What a decimal is worth in units of 10^-places; throws where it is no plain decimal, or written longer than it takes. */
function units(text: string, places: number): bigint {
  const match = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]*))?$/.exec(text);
  if (!match) throw new Error(`no plain decimal: ${text}`);
  const [, sign, whole = "", fraction = ""] = match;
  const amount = BigInt(whole + fraction.padEnd(places, "0"));
  return sign === "-" ? -amount : amount;
}

test("property: both writings are exact, plain and as short as can be", () => {
  const amount = fc.bigInt({ min: 0n, max: 2n ** 80n });
  fc.assert(
    fc.property(amount, (micro) => {
      const perToken = usdPerToken(micro);
      expect(units(perToken, 12)).toBe(micro);
      expect(perToken).not.toMatch(/\.\d*0$|\.$/);
      expect(units(usd(-micro), 6)).toBe(-micro);
      expect(usd(micro)).toMatch(/\.(\d{2}|\d{2,5}[1-9])$/);
    }),
  );
});

test("property: a price read from USD per million tokens is told as that price per token", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(999_999), (whole, micro) => {
      const perMillion = microUsd(`${whole}.${String(micro).padStart(6, "0")}`);
      expect(units(usdPerToken(perMillion ?? -1), 12)).toBe(BigInt(whole) * 1_000_000n + BigInt(micro));
    }),
  );
});
