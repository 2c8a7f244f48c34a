import { expect, test } from "bun:test";
import { testCounts } from "./test-counts.ts";

const closing = (...lines: string[]) =>
  `(pass) a\n${lines.map((line) => ` ${line}`).join("\n")}\nRan 4 tests across 1 file.`;

test("counts what passed and what was skipped", () => {
  expect(testCounts(closing("31 pass", "2 skip", "1 todo", "0 fail", "40 expect() calls"), 0)).toEqual({
    passed: 31,
    failed: 0,
    skipped: 3,
  });
});

test("counts failures, and errors outside of tests", () => {
  expect(testCounts(closing("3 pass", "2 fail", "1 error"), 1)).toEqual({ passed: 3, failed: 3, skipped: 0 });
});

test("a run that died before it counted is one failure", () => {
  expect(testCounts("Segmentation fault", 139)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a bad exit code is a failure even where every test passed", () => {
  expect(testCounts(closing("3 pass", "0 fail"), 1)).toEqual({ passed: 3, failed: 1, skipped: 0 });
});

test("a run without a single test is a failure", () => {
  expect(testCounts("", 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("numbers that tests themselves print are not counted", () => {
  const noise = Array.from({ length: 60 }, () => " 7 fail").join("\n");
  const end = Array.from({ length: 40 }, (_, i) => (i === 30 ? " 5 pass" : i === 31 ? " 0 fail" : "x")).join("\n");
  expect(testCounts(`${noise}\n${end}`, 0)).toEqual({ passed: 5, failed: 0, skipped: 0 });
});
