import { expect, test } from "bun:test";
import { parsePeriod } from "./period.ts";

const NOW = Date.UTC(2026, 2, 4, 5, 6, 7);
const span = (text: Parameters<typeof parsePeriod>[0]) => {
  const parsed = parsePeriod(text, NOW);
  return parsed.ok ? [parsed.value.fromMs, parsed.value.toMs].map((ms) => new Date(ms).toISOString()) : parsed.error;
};

test("a month, days and moments", () => {
  expect(span({ month: "2025-12" })).toEqual(["2025-12-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"]);
  expect(span({ from: "2026-01-31", to: "2026-02-28" })).toEqual([
    "2026-01-31T00:00:00.000Z",
    "2026-03-01T00:00:00.000Z",
  ]);
  expect(span({ from: "2026-01-31T10:00:00+02:00", to: "2026-01-31T10:00Z" })).toEqual([
    "2026-01-31T08:00:00.000Z",
    "2026-01-31T10:00:00.000Z",
  ]);
});

test("left out, it is this month until now", () => {
  expect(span({})).toEqual(["2026-03-01T00:00:00.000Z", "2026-03-04T05:06:07.001Z"]);
  expect(span({ month: null, from: "", to: "2026-03-02" })).toEqual([
    "2026-03-01T00:00:00.000Z",
    "2026-03-03T00:00:00.000Z",
  ]);
});

test.each([
  [{ month: "2026-13" }, "no month"],
  [{ month: "26-01" }, "no month"],
  [{ month: "2026-01", to: "2026-01-02" }, "either"],
  [{ from: "yesterday" }, "no day"],
  [{ from: "2026-02-30" }, "no day"],
  [{ to: "2026-01-01T10:00" }, "no day"],
  [{ from: "2026-01-02", to: "2026-01-01" }, "after"],
])("%j is refused", (text, why) => {
  expect(span(text)).toContain(why);
});
