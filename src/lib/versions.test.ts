// Versions by Semantic Versioning 2.0.0.
import { describe, expect, test } from "bun:test";
import { compareVersions, VERSION_PATTERN } from "./versions.ts";

/** semver.org §11's own order, and numbers that text would put the other way round. */
const ASCENDING = [
  "0.9.0",
  "0.10.0",
  "1.0.0-alpha",
  "1.0.0-alpha.1",
  "1.0.0-alpha.beta",
  "1.0.0-beta",
  "1.0.0-beta.2",
  "1.0.0-beta.11",
  "1.0.0-rc.1",
  "1.0.0",
  "1.0.1",
  "1.2.0",
  "1.10.0",
  "2.0.0",
];

test("each of semver's own examples is newer than the one before", () => {
  for (const [i, one] of ASCENDING.entries()) {
    for (const [j, other] of ASCENDING.entries()) {
      const expected = i === j ? "same" : i > j ? "newer" : "older";
      expect([one, other, compareVersions(one, other)]).toEqual([one, other, expected]);
    }
  }
});

test("build metadata makes no difference", () => {
  expect(compareVersions("1.0.0+5217dc9", "1.0.0+abcdef0")).toBe("same");
  expect(compareVersions("1.0.0+5217dc9", "1.0.0")).toBe("same");
});

describe("what is a version", () => {
  test.each([...ASCENDING, "1.2.3+5217dc9", "1.2.3-x.7.z.92", "1.0.0-0a"])("%s is one", (text) => {
    expect(VERSION_PATTERN.test(text)).toBe(true);
  });
  test.each(["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3 ", "1.2.3\n", "1.2.3-ä", "latest"])(
    "%j is none",
    (text) => {
      expect(VERSION_PATTERN.test(text)).toBe(false);
    },
  );
});
