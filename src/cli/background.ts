// Background: starting this program as a process of its own, finding it again and stopping it.
import { existsSync, openSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CONFIG_KEYS, type Config } from "../config.ts";
import { type Owner, readOwner } from "../identity/lock.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Context, GlobalOptions } from "./context.ts";
import { dataDirectory, runningOwner } from "./instance.ts";

/** A log larger than this is set aside as `infernet.log.1` at the next start. */
const LOG_ROTATE_BYTES = 32 * 1024 * 1024;
const POLL_MS = 50;
/** The longest a start may take: a cold embedded engine on a slow disk. */
const START_TIMEOUT_MS = 60_000;
/** Given to a stopping instance beyond its drain time. */
const STOP_MARGIN_MS = 15_000;

export const logPath = (config: Config): string => join(config.data_dir, "infernet.log");

/** Starts `run` in the background with the same flags. Resolves once it answers; throws with the log's end if it dies. */
export async function startInBackground(context: Context, options: GlobalOptions, config: Config): Promise<Owner> {
  const already = runningOwner(config);
  if (already)
    throw new CliError(`infernet is already running (pid ${already.pid})`, {
      hint: "`infernet restart` stops and starts it",
    });
  const dir = dataDirectory(config);
  const path = logPath(config);
  if (existsSync(path) && statSync(path).size > LOG_ROTATE_BYTES) renameSync(path, `${path}.1`);
  const log = openSync(path, "a", 0o600);
  const { flags, env } = childArguments(context, options);
  const child = Bun.spawn({
    cmd: [...context.self, "run", ...flags],
    cwd: context.cwd,
    env,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    detached: true,
  });
  child.unref();
  const deadlineMs = context.nowMs() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw diedAtStart(path);
    // Not by the lock: looking takes it for an instant, and the child could find it taken.
    const owner = readOwner(dir);
    if (owner?.pid === child.pid && owner.url !== null) return owner;
    if (context.nowMs() > deadlineMs) {
      throw new CliError(`it was started (pid ${child.pid}) but does not answer yet`, { hint: "see `infernet logs`" });
    }
    await sleep(POLL_MS);
  }
}

/** The flags of this call for the child; secrets go by the environment, where `ps` does not show them. */
function childArguments(context: Context, { flags, configFile, debug }: GlobalOptions) {
  const env = { ...context.env };
  const list: string[] = [];
  for (const { name, flag, env: variable, meta } of CONFIG_KEYS) {
    const value = flags[name];
    if (value === undefined) continue;
    if (meta.secret && value !== "") env[variable] = value;
    else list.push(`--${flag}=${value}`);
  }
  if (configFile !== undefined) list.push(`--config=${configFile}`);
  if (debug) list.push("--debug");
  return { flags: list, env };
}

const diedAtStart = (path: string): CliError =>
  new CliError("it stopped right after its start", { hint: `\`infernet logs\` says why (${path})` });

/** Sends SIGTERM and waits until the data directory is free. Null where nothing ran. */
export async function stopRunning(
  context: Context,
  config: Config,
  { force }: { force: boolean },
): Promise<Owner | null> {
  const owner = runningOwner(config);
  if (!owner) return null;
  signal(owner.pid, "SIGTERM");
  const deadlineMs = context.nowMs() + config.coordinator.drain_timeout_s * 1000 + STOP_MARGIN_MS;
  while (runningOwner(config)?.pid === owner.pid) {
    if (context.nowMs() > deadlineMs) {
      if (!force) {
        const hint =
          "look at `infernet logs`; `infernet stop --force` kills it, and loses nothing that was acknowledged";
        throw new CliError(`pid ${owner.pid} does not stop`, { hint });
      }
      signal(owner.pid, "SIGKILL");
    }
    await sleep(POLL_MS);
  }
  return owner;
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It went by itself in the meantime.
    if (code === "ESRCH") return;
    if (code !== "EPERM") throw error;
    throw new CliError(`pid ${pid} belongs to another user`, {
      exitCode: EXIT.notAllowed,
      hint: "run it as that user",
    });
  }
}
