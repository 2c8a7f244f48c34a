// The data directory: where an instance keeps its keys, its database and its lock. Only its owner may look into it.
import { chmodSync, mkdirSync, readdirSync, type Stats, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { err, ok, type Result } from "../lib/result.ts";
import { type StartRefusal, systemCode } from "./start-refusal.ts";

export type DataDirectory = {
  /** Absolute. */
  path: string;
  /** Absolute path of a file in it. */
  file(name: string): string;
};
export type DataDirectoryRefusal = StartRefusal<"data_directory_unusable" | "data_directory_open_to_others">;

/** Files that a data directory may hold before its first start. */
const BEFORE_FIRST_START = new Set(["config.toml"]);
/** Says that an instance has run here. */
const LOCK_FILE = "lock";

/**
 * Makes the directory with mode 0700 where it is missing. One that exists and others can enter is closed to them where
 * it is plainly ours (new, holding only a `config.toml`, or run from before), else refused: it may be somebody's home or
 * `/tmp`. Modes are looked at on POSIX systems only.
 */
export function openDataDirectory(path: string): Result<DataDirectory, DataDirectoryRefusal> {
  const absolute = resolve(path);
  const directory: DataDirectory = { path: absolute, file: (name) => join(absolute, name) };
  try {
    mkdirSync(absolute, { recursive: true, mode: 0o700 });
    const stats = statSync(absolute);
    if (process.platform === "win32" || (stats.mode & 0o077) === 0) return ok(directory);
    if (!isOurs(absolute, stats)) return err(openToOthers(absolute, stats));
    chmodSync(absolute, 0o700);
    return ok(directory);
  } catch (error) {
    const code = systemCode(error);
    if (code === null) throw error;
    return err({
      code: "data_directory_unusable",
      message: `cannot use ${absolute} as the data directory: ${reason(code)}`,
      hint: "name another one with --data-dir, or make this one yours",
    });
  }
}

function isOurs(path: string, stats: Stats): boolean {
  if (typeof process.getuid === "function" && stats.uid !== process.getuid()) return false;
  const sticky = (stats.mode & 0o1000) !== 0;
  if (sticky) return false;
  const names = readdirSync(path);
  if (names.length === 0) return true;
  // Where others could write, they may have put these files here.
  const writable = (stats.mode & 0o022) !== 0;
  return !writable && (names.includes(LOCK_FILE) || names.every((name) => BEFORE_FIRST_START.has(name)));
}

function openToOthers(path: string, stats: Stats): DataDirectoryRefusal {
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  return {
    code: "data_directory_open_to_others",
    message: `others can look into the data directory ${path} (mode ${mode})`,
    hint: `run \`chmod 700 ${path}\` if it is infernet's alone, else name another one with --data-dir`,
  };
}

function reason(code: string): string {
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "EEXIST" || code === "ENOTDIR") return "it is not a directory";
  if (code === "EROFS") return "its file system is read-only";
  if (code === "ENOSPC") return "its disk is full";
  return code;
}
