import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StopStrings } from "./stop-strings.ts";

function run(stops: string[], pieces: string[]): { given: string[]; stopped: boolean } {
  const filter = new StopStrings(stops);
  const given: string[] = [];
  for (const piece of pieces) {
    const { give, stopped } = filter.push(piece);
    given.push(give);
    if (stopped) return { given, stopped };
  }
  given.push(filter.end());
  return { given, stopped: false };
}

describe("stop strings", () => {
  test("however a text is cut into pieces, it ends before the first stop string", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(
          letters.filter((stop) => stop !== ""),
          { maxLength: 3 },
        ),
        fc.array(letters, { maxLength: 12 }),
        (stops, pieces) => {
          // The naive reading: look at the text so far after each piece.
          let text = "";
          let expected: string | null = null;
          for (const piece of pieces) {
            text += piece;
            const at = stops.map((stop) => text.indexOf(stop)).filter((i) => i >= 0);
            if (at.length > 0) {
              expected = text.slice(0, Math.min(...at));
              break;
            }
          }
          const { given, stopped } = run(stops, pieces);
          expect(stopped).toBe(expected !== null);
          expect(given.join("")).toBe(expected ?? text);
        },
      ),
      { numRuns: 1000 },
    );
  });
  test("no more is held back than could become a stop string", () => {
    expect(run(["<end>"], ["abc<", "e", "x", "yz"]).given).toEqual(["abc", "", "<ex", "yz", ""]);
  });
});
