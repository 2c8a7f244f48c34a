import { expect, test } from "bun:test";
import fc from "fast-check";
import { isReceiptsFrame, MAX_RECEIPTS_PER_FRAME, receiptsFrame } from "./receipt-frames.ts";

const chars = (alphabet: string, length: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: length, maxLength: length });
const sealed = fc.record({
  receipt: chars("AZaz09+/", 516),
  sig: chars("AZaz09+/", 86).map((text) => `${text}==`),
  salt: chars("09af", 64),
});
const odd: fc.Arbitrary<unknown> = fc.constantFrom(
  "",
  null,
  5,
  "=".repeat(516),
  "A".repeat(517),
  `${"A".repeat(516)}\n`,
);
const anySealed = fc.oneof(
  { weight: 8, arbitrary: sealed },
  fc
    .tuple(sealed, fc.constantFrom("receipt", "sig", "salt"), odd)
    .map(([one, key, value]) => ({ ...one, [key]: value })),
  fc.constantFrom(null, "x", []),
);

test("property: a page of receipts is taken by hand exactly where the schema takes it", () => {
  const frame = fc.record({
    type: fc.constantFrom("receipts", "receipts", "receipts", "receipt"),
    receipts: fc.oneof(fc.array(anySealed, { maxLength: 6 }), fc.constantFrom(null, {}, "x")),
  });
  fc.assert(
    fc.property(frame, (one) => {
      expect(isReceiptsFrame(one)).toBe(receiptsFrame.safeParse(one).success);
    }),
    { numRuns: 500 },
  );
});

test("a page has a bounded number of receipts", () => {
  const one = { receipt: "A".repeat(516), sig: `${"A".repeat(86)}==`, salt: "0".repeat(64) };
  const page = (count: number) => ({ type: "receipts", receipts: Array(count).fill(one) });
  expect([0, 1, MAX_RECEIPTS_PER_FRAME, MAX_RECEIPTS_PER_FRAME + 1].map((n) => isReceiptsFrame(page(n)))).toEqual([
    false,
    true,
    true,
    false,
  ]);
});
