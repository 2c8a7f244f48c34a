// infernet service install | uninstall | status: started by the system, at boot or at login.
import { existsSync, rmSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import { CONFIG_KEYS, type Config } from "../../config.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { runningOwner } from "../instance.ts";
import { type ServiceSpec, SYSTEM_DATA_DIRECTORY } from "../service/definition.ts";
import { type ServiceState, type ServiceWorld, serviceManager, writeDefinition } from "../service/manager.ts";
import { checkForRun } from "./run.ts";

export type ServiceFlags = { system?: boolean; json?: boolean };
export type InstallFlags = ServiceFlags & { start?: boolean; dryRun?: boolean; runAs?: string };

/** Beyond the drain of running jobs. */
const STOP_MARGIN_S = 20;

export const worldOf = ({ env }: Pick<Context, "env">): ServiceWorld => ({
  platform: process.platform,
  env,
  uid: process.getuid?.() ?? -1,
});

/** Once more changes nothing, or brings its file up to date. */
export async function install(context: Context, given: GlobalOptions, flags: InstallFlags): Promise<ExitCode> {
  const system = flags.system === true;
  const world = worldOf(context);
  const manager = serviceManager(world, system);
  const options = system ? withSystemDirectory(context, given) : given;
  const loaded = await requireConfig(context, options);
  const { config } = loaded;
  const spec = specOf(context, options, config, flags);
  const text = manager.definition(spec);
  if (flags.dryRun) {
    if (flags.json) printJson(context, { path: manager.path, definition: text });
    else context.terminal.out(text);
    context.terminal.err(`# would be written to ${harmless(manager.path)}\n`);
    return EXIT.good;
  }
  needsRoot(world, system);
  checkForRun(loaded);
  if (system) isMade(spec);
  const start = flags.start !== false;
  const before = await manager.state();
  if (start) refuseSecondInstance(config, before);
  const changed = writeDefinition(manager.path, text);
  try {
    await manager.enable(start, changed && before.active);
  } catch (error) {
    // A file that nothing reads would look like a service.
    if (!before.installed && !(await manager.state()).enabled) rmSync(manager.path, { force: true });
    throw error;
  }
  if (flags.json) printJson(context, await manager.state());
  else sayInstalled(context, await manager.state(), { system, changed, start });
  return EXIT.good;
}

function sayInstalled(
  { terminal }: Context,
  { manager, path, active }: ServiceState,
  { system, changed, start }: { system: boolean; changed: boolean; start: boolean },
): void {
  terminal.out(`${changed ? "wrote" : "left as it is:"} ${harmless(path)}${active ? "; infernet runs" : ""}\n`);
  if (!start) terminal.err("It was not started: `infernet service install` without --no-start does.\n");
  const log = `journalctl ${system ? "" : "--user "}-u infernet -f`;
  terminal.err(`Its log: ${manager === "systemd" ? log : "infernet logs -f"}\n`);
  if (manager === "systemd" && !system)
    terminal.err("It runs while you are logged in; `loginctl enable-linger` lets it run without.\n");
}

/** Good as well where there is none. Data and configuration stay. */
export async function uninstall(context: Context, _: GlobalOptions, flags: ServiceFlags): Promise<ExitCode> {
  const system = flags.system === true;
  const world = worldOf(context);
  const manager = serviceManager(world, system);
  const there = existsSync(manager.path);
  if (there) {
    needsRoot(world, system);
    await manager.disable();
  }
  if (flags.json) printJson(context, { path: manager.path, removed: there });
  else context.terminal.out(there ? `removed ${harmless(manager.path)}\n` : "there was no service\n");
  if (there && !flags.json) context.terminal.err("Data and configuration are still there.\n");
  return EXIT.good;
}

/** Exits with 3 where it does not run. */
export async function status(context: Context, _: GlobalOptions, flags: ServiceFlags): Promise<ExitCode> {
  const state = await serviceManager(worldOf(context), flags.system === true).state();
  if (flags.json) printJson(context, state);
  else context.terminal.out(`${describeService(state)}\n`);
  return state.active ? EXIT.good : EXIT.unreachable;
}

export function describeService({ manager, path, installed, enabled, active, pid }: ServiceState): string {
  if (!installed) return `no service of ${manager} is installed (${harmless(path)})`;
  const runs = active ? `runs${pid === null ? "" : ` (pid ${pid})`}` : "does not run";
  return `the service of ${manager} ${runs} and is ${enabled ? "" : "not "}started by itself (${harmless(path)})`;
}

function needsRoot({ uid }: ServiceWorld, system: boolean): void {
  if (!system || uid === 0) return;
  const hint = "run it with sudo, or leave --system out for a service of your own";
  throw new CliError("a service of the machine needs root", { exitCode: EXIT.notAllowed, hint });
}

/** A service of the machine keeps its data where services do, unless a directory was named. */
function withSystemDirectory({ env }: Context, options: GlobalOptions): GlobalOptions {
  if (options.flags.data_dir !== undefined || env.INFERNET_DATA_DIR || options.configFile !== undefined) return options;
  return { ...options, flags: { ...options.flags, data_dir: SYSTEM_DATA_DIRECTORY } };
}

function specOf(context: Context, options: GlobalOptions, config: Config, flags: InstallFlags): ServiceSpec {
  const args: string[] = [`--data-dir=${config.data_dir}`];
  if (options.configFile !== undefined) args.push(`--config=${resolve(context.cwd, options.configFile)}`);
  for (const { name, flag, meta } of CONFIG_KEYS) {
    const value = options.flags[name];
    if (value === undefined || name === "data_dir") continue;
    if (meta.secret || name === "node.backends")
      throw new CliError(`--${flag} may hold a secret, and a service's file can be read by everybody`, {
        exitCode: EXIT.usage,
        hint: "write it into config.toml: `infernet setup` takes the same flag",
      });
    args.push(`--${flag}=${value}`);
  }
  return {
    command: [...context.self, ...args, "run"],
    dataDirectory: config.data_dir,
    system: flags.system === true,
    user: flags.system ? (flags.runAs ?? ownerOf(context, config)) : null,
    stopTimeoutS: config.coordinator.drain_timeout_s + STOP_MARGIN_S,
  };
}

/** Whoever has the data directory already, else whoever became root to do this. */
function ownerOf({ env }: Context, { data_dir: path }: Config): string | null {
  const { username, uid } = userInfo();
  if (existsSync(path) && statSync(path).uid === uid) return username;
  return env.SUDO_USER || username;
}

/** A service that is closed in cannot make its own directory. */
function isMade({ dataDirectory: path, user }: ServiceSpec): void {
  if (existsSync(path) || path === SYSTEM_DATA_DIRECTORY) return;
  const hint = `make it: install -d -m 700 -o ${user ?? "root"} ${path}`;
  throw new CliError(`the data directory ${path} is not there`, { hint });
}

/** Two processes never share a data directory: the second would only fail, again and again. */
function refuseSecondInstance(config: Config, { pid, active }: ServiceState): void {
  const owner = runningOwner(config);
  if (!owner || (active && owner.pid === pid)) return;
  throw new CliError(`infernet already runs on ${config.data_dir} (pid ${owner.pid})`, {
    hint: "`infernet stop` first, or --no-start",
  });
}
