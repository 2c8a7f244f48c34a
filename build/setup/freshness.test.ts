import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isStale } from "./freshness.ts";

let root: string;
let executable: string;
const at = (path: string, seconds: number) => utimesSync(join(root, path), seconds, seconds);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "infernet-fresh-"));
  executable = join(root, "built");
  mkdirSync(join(root, "src/jobs"), { recursive: true });
  for (const path of ["src/jobs/a.ts", "src/jobs/a.test.ts", "built"]) writeFileSync(join(root, path), "");
  for (const path of ["src/jobs/a.ts", "src/jobs/a.test.ts", "src/jobs", "src"]) at(path, 100);
  at("built", 200);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("an executable newer than all its sources is fresh", () => {
  expect(isStale(executable, root, ["src", "not-there"])).toBe(false);
});

test("one that is missing is stale", () => {
  rmSync(executable);
  expect(isStale(executable, root, ["src"])).toBe(true);
});

test("a changed source makes it stale", () => {
  at("src/jobs/a.ts", 300);
  expect(isStale(executable, root, ["src"])).toBe(true);
});

test("a removed source makes it stale: the folder changed", () => {
  at("src/jobs", 300);
  expect(isStale(executable, root, ["src"])).toBe(true);
});

test("a changed test does not", () => {
  at("src/jobs/a.test.ts", 300);
  expect(isStale(executable, root, ["src"])).toBe(false);
});
