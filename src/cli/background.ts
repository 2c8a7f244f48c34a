// Background: starting this program as a process of its own, finding it again and stopping it.
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { CONFIG_KEYS, type Config } from "../config.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import { type Owner, readOwner } from "../identity/lock.ts";
import { readSecretFile, writeSecretFile } from "../identity/secret-file.ts";
import { StartError, startValue } from "../modes/start-error.ts";
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

/** Starts `run` in the background with the same flags. Resolves once it answers; throws what it said if it dies. */
export async function startInBackground(context: Context, options: GlobalOptions, config: Config): Promise<Owner> {
  const already = runningOwner(config);
  if (already) {
    const hint = "`infernet restart` stops and starts it";
    throw new CliError(`infernet is already running (pid ${already.pid})`, { hint });
  }
  const dir = dataDirectory(config);
  const path = logPath(config);
  if (existsSync(path) && statSync(path).size > LOG_ROTATE_BYTES) renameSync(path, `${path}.1`);
  const log = openSync(path, "a", 0o600);
  const offset = fstatSync(log).size;
  const { args, env } = childArguments(context, options);
  const child = Bun.spawn({
    cmd: [...context.self, "run", ...args],
    cwd: context.cwd,
    env,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    detached: true,
  });
  closeSync(log);
  child.unref();
  rememberStart(dir, options);
  const deadlineMs = context.nowMs() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw diedAtStart(path, offset);
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
  const args: string[] = [];
  for (const { name, flag, env: variable, meta } of CONFIG_KEYS) {
    const value = flags[name];
    if (value === undefined) continue;
    if ((meta.secret || name === "node.backends") && value !== "") env[variable] = value;
    else args.push(`--${flag}=${value}`);
  }
  if (configFile !== undefined) args.push(`--config=${configFile}`);
  if (debug) args.push("--debug");
  return { args, env };
}

/** The child's own error, where it wrote one. */
function diedAtStart(path: string, offset: number): CliError {
  const said = readFileSync(path).subarray(offset).toString("utf8").split("\n");
  const line = (kind: string) =>
    said.findLast((text) => text.startsWith(`infernet: ${kind}: `))?.slice(kind.length + 12);
  const message = line("error");
  if (message === undefined)
    return new CliError("it stopped right after its start", { hint: `\`infernet logs\` says why (${path})` });
  return new CliError(message, { hint: line("hint") });
}

const startSchema = z.object({ flags: z.record(z.string(), z.string()), config_file: z.string().nullable() });
const START_FILE = "start.json";

/** Keeps the flags, so that `restart` does not forget them. */
function rememberStart(dir: DataDirectory, { flags, configFile }: GlobalOptions): void {
  const start: z.output<typeof startSchema> = { flags, config_file: configFile ?? null };
  startValue(writeSecretFile(dir.file(START_FILE), `${JSON.stringify(start)}\n`));
}

/** The flags of the last `start`, under those given now. */
export function withRememberedFlags(options: GlobalOptions, config: Config): GlobalOptions {
  const file = readSecretFile(join(config.data_dir, START_FILE));
  if (!file.ok) {
    if (file.error.code === "secret_file_missing") return options;
    throw new StartError(file.error);
  }
  const { flags, config_file } = startSchema.parse(JSON.parse(file.value));
  const { data_dir: _, ...others } = flags;
  const configFile = options.configFile ?? config_file ?? undefined;
  return { ...options, configFile, flags: { ...others, ...options.flags } };
}

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
