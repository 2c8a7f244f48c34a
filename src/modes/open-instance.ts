// Open instance: what every mode does first: the data directory and its lock.
import type { Config } from "../config.ts";
import { type DataDirectory, openDataDirectory } from "../identity/data-dir.ts";
import { type DataLock, lockDataDirectory, type Owner } from "../identity/lock.ts";
import type { Clock } from "../lib/clock.ts";
import { versionText } from "../version.ts";
import { startValue } from "./start-error.ts";

export type Instance = {
  dir: DataDirectory;
  startedMs: number;
  /** Tells commands where this instance answers. */
  answersAt(url: string): void;
  release(): void;
};

/** Throws StartError where the directory is unusable or another process has it. */
export function openInstance(config: Config, clock: Clock): Instance {
  const dir = startValue(openDataDirectory(config.data_dir));
  const startedMs = clock.nowMs();
  const owner: Owner = {
    pid: process.pid,
    started_at_ms: startedMs,
    mode: config.mode,
    version: versionText,
    url: null,
  };
  const lock: DataLock = startValue(lockDataDirectory(dir, owner));
  return { dir, startedMs, answersAt: (url) => lock.describe({ ...owner, url }), release: () => lock.release() };
}

export const randomBytes = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes));
