// Freshness: whether the executable is older than anything it is made of.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** What the build reads, relative to the repository. Missing ones are skipped. */
export const INPUTS = [
  "src",
  "web",
  "migrations",
  "build",
  "package.json",
  "bun.lockb",
  "tsconfig.json",
  "config.example.toml",
];

/** True when `executable` is missing or older than a file, or a folder's listing, that it is built from. */
export function isStale(executable: string, root: string, inputs: string[] = INPUTS): boolean {
  if (!existsSync(executable)) return true;
  const builtAtMs = statSync(executable).mtimeMs;
  return inputs.map((input) => join(root, input)).some((input) => existsSync(input) && newestMs(input) > builtAtMs);
}

/** The latest change below `path`; a folder's own time tells that something in it was added or removed. */
function newestMs(path: string): number {
  const { mtimeMs } = statSync(path);
  const inside = statSync(path).isDirectory() ? readdirSync(path).filter((name) => !name.includes(".test.")) : [];
  return inside.reduce((newest, name) => Math.max(newest, newestMs(join(path, name))), mtimeMs);
}
