// Instance: how `up` asks the executable and its data directory where infernet answers and how to call it.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXECUTABLE } from "./tools.ts";

/** What `infernet config print --json` says of the keys that matter here. */
export type Effective = { dataDir: string };

/** The configuration in effect with these flags. Throws with the program's own words when it is wrong. */
export async function effectiveConfig(flags: string[]): Promise<Effective> {
  const child = Bun.spawn([EXECUTABLE, ...flags, "config", "print", "--json"], { stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(err.trim() || `infernet config print ended with ${code}`);
  const { keys } = JSON.parse(out) as { keys: { key: string; value: unknown }[] };
  return { dataDir: String(keys.find(({ key }) => key === "data_dir")?.value) };
}

/** The process that runs on a data directory, and its address once it listens. */
export type Owner = { pid: number; url: string | null };

/**
 * Who last said that it runs on the data directory; null where nobody did. Only a started child may be watched this
 * way: asking the lock instead would take it for an instant, and the child could find it taken.
 */
export function lastOwner(dataDir: string): Owner | null {
  const text = readIfThere(join(dataDir, "instance.json"));
  return text === null ? null : (JSON.parse(text) as Owner);
}

/** Who runs on the data directory now, told by the lock that the operating system holds; null where nobody does. */
export async function runningOwner(dataDir: string): Promise<Owner | null> {
  if (!existsSync(dataDir)) return null;
  // Loaded late: it needs installed packages.
  const { checkLockFree } = await import("../../src/identity/lock.ts");
  const free = checkLockFree({ path: dataDir, file: (name) => join(dataDir, name) });
  if (free.ok) return null;
  if (free.error.code !== "already_running") throw new Error(`${free.error.message}; ${free.error.hint}`);
  return free.error.owner;
}

/** Where the program keeps that key. */
export const keyFile = (dataDir: string): string => join(dataDir, "local-api-key");

/** The key that works at every run; null where the instance keeps none (a node). */
export function readLocalKey(dataDir: string): string | null {
  return readIfThere(keyFile(dataDir))?.trim() || null;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Whether the instance is ready for work; false while it cannot be reached. */
export async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) });
    return response.ok;
  } catch (error) {
    if (error instanceof DOMException || error instanceof TypeError || (error as { code?: string }).code) return false;
    throw error;
  }
}

/**
 * The first model that answers there. Its node joins a moment after the coordinator is ready, so this asks again for
 * a while; null where none is served by then.
 */
export async function firstModel(url: string, key: string | null, patienceMs = 10_000): Promise<string | null> {
  const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
  const startedMs = performance.now();
  do {
    const response = await fetch(`${url}/v1/models`, { headers, signal: AbortSignal.timeout(5000) });
    if (!response.ok) return null;
    const { data } = (await response.json()) as { data?: { id?: string }[] };
    if (data?.[0]?.id !== undefined) return data[0].id;
    await sleep(100);
  } while (performance.now() - startedMs < patienceMs);
  return null;
}
