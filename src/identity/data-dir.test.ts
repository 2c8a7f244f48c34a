import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataDirectory } from "./data-dir.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "infernet-data-dir-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);
function existing(permissions: number, files: string[] = []): string {
  const path = join(base, "data");
  mkdirSync(path);
  for (const file of files) writeFileSync(join(path, file), "");
  chmodSync(path, permissions);
  return path;
}

test("a missing directory is made, parents too, for its owner alone", () => {
  const path = join(base, "a", "b", "data");
  const opened = openDataDirectory(path);
  if (!opened.ok) throw new Error(opened.error.message);
  expect(opened.value.path).toBe(path);
  expect(opened.value.file("node.key")).toBe(join(path, "node.key"));
  expect(mode(path)).toBe("700");
});

test("an empty directory, even one others may write, is closed to them", () => {
  for (const permissions of [0o755, 0o777]) {
    const path = existing(permissions);
    expect(openDataDirectory(path).ok).toBe(true);
    expect(mode(path)).toBe("700");
    rmSync(path, { recursive: true });
  }
});

test("one with nothing but a config.toml, or run from before, is closed to others", () => {
  for (const files of [["config.toml"], ["lock", "node.key", "infernet.db"]]) {
    const path = existing(0o755, files);
    expect(openDataDirectory(path).ok).toBe(true);
    expect(mode(path)).toBe("700");
    rmSync(path, { recursive: true });
  }
});

test("one that holds somebody's files, or that others may write into, is refused unchanged, with the mend", () => {
  const cases: [number, string[]][] = [
    [0o755, ["notes.txt"]],
    [0o777, ["lock", "node.key"]],
    [0o775, ["config.toml"]],
    [0o1777, []],
  ];
  for (const [permissions, files] of cases) {
    const path = existing(permissions, files);
    const opened = openDataDirectory(path);
    if (opened.ok) throw new Error(`accepted ${permissions.toString(8)} with ${files}`);
    expect(opened.error.code).toBe("data_directory_open_to_others");
    expect(opened.error.message).toContain(path);
    expect(opened.error.hint).toContain(`chmod 700 ${path}`);
    expect(mode(path)).toBe(permissions.toString(8));
    rmSync(path, { recursive: true });
  }
});

test("a private directory is taken whatever it holds", () => {
  expect(openDataDirectory(existing(0o700, ["notes.txt"])).ok).toBe(true);
});

test("a file in its place is refused with what is wrong", () => {
  const path = join(base, "file");
  writeFileSync(path, "");
  for (const place of [path, join(path, "below")]) {
    const opened = openDataDirectory(place);
    if (opened.ok) throw new Error("accepted");
    expect(opened.error.code).toBe("data_directory_unusable");
    expect(opened.error.message).toContain("not a directory");
  }
});
