import { expect, test } from "bun:test";
import fc from "fast-check";
import { isDeeper } from "./json-depth.ts";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test("what is deeper is found, whatever is in the strings", () => {
  const json = fc.json({ depthSize: "large", noUnicodeString: false });
  fc.assert(
    fc.property(json, fc.nat(6), (text, levels) => {
      // Brackets that nest nothing, so that the short way is not taken.
      const padded = `[${"[],".repeat(100)}"[{\\"[",${text}]`;
      expect(isDeeper(padded, levels)).toBe(depthOf(JSON.parse(padded)) > levels);
    }),
  );
});

test("brackets without end are found at once", () => {
  for (const bracket of ["[", '{"a":']) expect(isDeeper(bracket.repeat(1_000_000), 64)).toBe(true);
  expect([isDeeper("[".repeat(64), 64), isDeeper("[".repeat(65), 64)]).toEqual([false, true]);
});
