// Instance: how a command reaches what it acts on. Where an instance runs on the data directory, its local routes;
// where none does, the data itself, under the directory's lock.
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, AdminError } from "../admin/operations.ts";
import type { Config } from "../config.ts";
import { type DataDirectory, openDataDirectory } from "../identity/data-dir.ts";
import { loadIdentity } from "../identity/keys.ts";
import { checkLockFree, type DataLock, lockDataDirectory, type Owner } from "../identity/lock.ts";
import { signedFetch } from "../identity/signed-fetch.ts";
import { systemCode } from "../identity/start-refusal.ts";
import { systemClock } from "../lib/clock.ts";
import type { Result } from "../lib/result.ts";
import { StartError, startValue } from "../modes/start-error.ts";
import { versionText } from "../version.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { remoteAdmin } from "./remote-admin.ts";

export type OpenAdmin = {
  admin: Admin /** Who runs, or null where the data is worked on directly. */;
  running: Owner | null;
  close(): Promise<void>;
};

/** The data directory, made where it is missing. */
export function dataDirectory(config: Config): DataDirectory {
  isThere(config.data_dir);
  return startValue(openDataDirectory(config.data_dir));
}

/** Whether there is such a directory. One that is closed to this user ends the command. */
function isThere(dataDir: string): boolean {
  try {
    accessSync(dataDir, constants.R_OK | constants.X_OK);
    return true;
  } catch (error) {
    if (systemCode(error) !== "EACCES") return false;
    throw new CliError(`the data directory ${dataDir} is closed to this user`, {
      exitCode: EXIT.notAllowed,
      hint: "run it as the user that runs infernet, or name another directory with --data-dir",
      cause: error,
    });
  }
}

/** Who runs on the data directory now; null where nobody does. Looks without making anything. */
export function runningOwner(config: Config): Owner | null {
  if (!isThere(config.data_dir)) return null;
  const { data_dir: path } = config;
  const free = checkLockFree({ path, file: (name) => join(path, name) });
  if (free.ok) return null;
  if (free.error.code !== "already_running") throw new StartError(free.error);
  return free.error.owner;
}

/** The operations of the instance that belongs to this configuration. */
export async function openAdmin(context: Context, config: Config, command: string): Promise<OpenAdmin> {
  const dir = dataDirectory(config);
  const owner = runningOwner(config);
  if (owner) return { admin: adminOver(context, dir, owner), running: owner, close: async () => undefined };
  return openDirect(context, config, dir, command);
}

/** The operations of the instance that answers on this data directory now; null where none does. */
export function reachAdmin(context: Context, config: Config): Admin | null {
  const owner = runningOwner(config);
  return owner !== null && owner.url !== null ? adminOver(context, dataDirectory(config), owner) : null;
}

function adminOver(context: Context, dir: DataDirectory, owner: Owner): Admin {
  if (owner.url === null) {
    throw new CliError(
      `another infernet (pid ${owner.pid}, ${owner.mode}) has the data directory and does not answer yet`,
      {
        exitCode: EXIT.unreachable,
        hint: "try again in a moment; `infernet logs` shows what it does",
      },
    );
  }
  const identity = startValue(loadIdentity(dir, owner.mode === "node" ? "node" : "coordinator"));
  const fetchSigned = signedFetch({
    identity,
    aud: identity.pubkey,
    clock: { nowMs: context.nowMs },
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    fetch: context.fetch,
    sleep: (ms) => sleep(ms),
  });
  return remoteAdmin({ url: owner.url, signedFetch: fetchSigned });
}

async function openDirect(context: Context, config: Config, dir: DataDirectory, command: string): Promise<OpenAdmin> {
  if (config.mode === "node") {
    throw new CliError("this node does not run; keys, tokens and nodes are its coordinator's", {
      hint: "for what is this node's own start it with `infernet start`; for all else run the command where the coordinator runs",
    });
  }
  if (config.database.url !== null) {
    throw new CliError("no instance runs here, and its database is on a server that others may be using", {
      exitCode: EXIT.unreachable,
      hint: "start it with `infernet start`, then try again",
    });
  }
  const lock = takeLock(context, dir, command);
  try {
    const { openDirectAdmin } = await import("./direct-admin.ts");
    const { admin, close } = await openDirectAdmin({ clock: systemClock, config, dir });
    return {
      admin,
      running: null,
      async close() {
        await close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function takeLock(context: Context, dir: DataDirectory, command: string): DataLock {
  const started_at_ms = context.nowMs();
  return startValue(
    lockDataDirectory(dir, { pid: process.pid, started_at_ms, mode: command, version: versionText, url: null }),
  );
}

/** Runs `act` with the data directory to itself. */
export async function withLock<T>(
  context: Context,
  dir: DataDirectory,
  command: string,
  act: () => Promise<T>,
): Promise<T> {
  const lock = takeLock(context, dir, command);
  try {
    return await act();
  } finally {
    lock.release();
  }
}

/** The value of an operation; what it refused becomes the command's error. */
export function answerOrThrow<T>(result: Result<T, AdminError>): T {
  if (result.ok) return result.value;
  const { code, message, hint } = result.error;
  throw new CliError(message, { hint, exitCode: code === "invalid" ? EXIT.usage : EXIT.failed });
}

/** Opens, runs `act`, and closes whatever happens. */
export async function withAdmin<T>(
  context: Context,
  config: Config,
  command: string,
  act: (admin: Admin, running: Owner | null) => Promise<T>,
): Promise<T> {
  const open = await openAdmin(context, config, command);
  try {
    return await act(open.admin, open.running);
  } finally {
    await open.close();
  }
}
