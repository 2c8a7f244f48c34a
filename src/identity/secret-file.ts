// Secret files: made whole or not at all, readable by their owner only, and refused when others can read them.
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { err, ok, type Result } from "../lib/result.ts";
import { type StartRefusal, systemCode } from "./start-refusal.ts";

const MAX_SECRET_BYTES = 64 * 1024;

export type SecretFileRefusal = StartRefusal<
  "secret_file_missing" | "secret_file_open_to_others" | "secret_file_unusable"
>;

/** The file's text. Refused where group or others have any right to it (POSIX), or where it is no plain small file. */
export function readSecretFile(path: string): Result<string, SecretFileRefusal> {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    return err(openRefusal(path, error));
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > MAX_SECRET_BYTES) return err(unusable(path, "it is not a small plain file"));
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0) return err(openToOthers(path, stats.mode));
    return ok(readFileSync(file, "utf8"));
  } finally {
    closeSync(file);
  }
}

/**
 * The file's text, or, where there is no file, `make()` written to it: two processes that start at once end up with the
 * same text, and a crash leaves the whole file or none. On disk before this returns.
 */
export function readOrCreateSecretFile(
  path: string,
  make: () => string,
): Result<{ text: string; created: boolean }, SecretFileRefusal> {
  const found = readSecretFile(path);
  if (found.ok) return ok({ text: found.value, created: false });
  if (found.error.code !== "secret_file_missing") return found;
  const text = make();
  const written = publish(path, text, "create");
  if (!written.ok) return written;
  if (written.value) return ok({ text, created: true });
  const others = readSecretFile(path);
  return others.ok ? ok({ text: others.value, created: false }) : others;
}

/** Writes `text`, in place of what was there, at once and durably. */
export function writeSecretFile(path: string, text: string): Result<void, SecretFileRefusal> {
  const written = publish(path, text, "replace");
  return written.ok ? ok(undefined) : written;
}

/** True where the file is now ours; false where `create` found one already there. */
function publish(path: string, text: string, how: "create" | "replace"): Result<boolean, SecretFileRefusal> {
  const draft = `${path}.${randomUUID()}.new`;
  try {
    writeDurably(draft, text);
    if (how === "create" && !linkNew(draft, path)) return ok(false);
    if (how === "replace") renameSync(draft, path);
    syncDirectory(dirname(path));
    return ok(true);
  } catch (error) {
    const code = systemCode(error);
    if (code === null) throw error;
    return err(unusable(path, `cannot write it (${code})`));
  } finally {
    removeDraft(draft);
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, "wx", 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Gives a draft its name unless it is taken: link(2) fails where rename(2) would silently replace. */
function linkNew(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === "EEXIST") return false;
    // No hard links on this file system: the data directory's lock has to be enough.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw error;
    renameSync(draft, path);
    return true;
  }
}

function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function removeDraft(draft: string): void {
  try {
    unlinkSync(draft);
  } catch (error) {
    // Renamed, or never made.
    if (systemCode(error) !== "ENOENT") throw error;
  }
}

function openRefusal(path: string, error: unknown): SecretFileRefusal {
  const code = systemCode(error);
  if (code === null) throw error;
  if (code === "ENOENT") {
    return { code: "secret_file_missing", message: `${path} is missing`, hint: "start infernet once to make it" };
  }
  return unusable(path, `cannot read it (${code})`);
}

const unusable = (path: string, why: string): SecretFileRefusal => ({
  code: "secret_file_unusable",
  message: `secret file ${path}: ${why}`,
  hint: "restore it from a backup, or move it away if what it protects may be lost",
});

const openToOthers = (path: string, mode: number): SecretFileRefusal => ({
  code: "secret_file_open_to_others",
  message: `others can read the secret file ${path} (mode ${(mode & 0o7777).toString(8).padStart(4, "0")})`,
  hint: `run \`chmod 600 ${path}\``,
});
