// Kept pause: the operator's pause in a small file of the data directory, so that a restart does not undo it.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILE = "paused";

/** The reason given; null where it is not paused. */
export function keptPause(dataDirectory: string): string | null {
  const path = join(dataDirectory, FILE);
  if (!existsSync(path)) return null;
  return readFileSync(path, "utf8").trim().slice(0, 128) || "paused by its operator";
}

export function keepPause(dataDirectory: string, reason: string): void {
  writeFileSync(join(dataDirectory, FILE), `${reason}\n`, { mode: 0o600 });
}

export const forgetPause = (dataDirectory: string): void => rmSync(join(dataDirectory, FILE), { force: true });
