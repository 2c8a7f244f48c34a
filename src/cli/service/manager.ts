// Service manager: systemd or launchd, spoken to by their own commands. Knows where a service's file lies, and how to
// start, stop and ask after it.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CliError } from "../cli-error.ts";
import { LAUNCHD_LABEL, launchdPlist, SERVICE_NAME, type ServiceSpec, systemdUnit } from "./definition.ts";

export type ServiceState = {
  manager: "systemd" | "launchd";
  /** Where its file is or would be. */
  path: string;
  installed: boolean;
  /** Started at boot or login. */
  enabled: boolean;
  active: boolean;
  pid: number | null;
};

export type ServiceManager = {
  path: string;
  definition(spec: ServiceSpec): string;
  state(): Promise<ServiceState>;
  /** Reads the file anew and, where it is to start, starts it; what runs by an older file is started again. */
  enable(start: boolean, changed: boolean): Promise<void>;
  /** Stops it, and forgets it. */
  disable(): Promise<void>;
};

export type ServiceWorld = {
  platform: NodeJS.Platform;
  env: Record<string, string | undefined>;
  uid: number;
};

export function serviceManager(world: ServiceWorld, system: boolean): ServiceManager {
  if (world.platform === "linux") return systemd(world, system);
  if (world.platform === "darwin") return launchd(world, system);
  const windows = world.platform === "win32";
  throw new CliError(`services are not supported on ${windows ? "Windows" : world.platform}`, {
    hint: windows
      ? 'let the Task Scheduler start it: schtasks /create /tn infernet /sc onlogon /rl limited /tr "infernet run"'
      : "let your system's own service manager start `infernet run`",
  });
}

type Ran = { code: number; out: string; err: string };
/** A start waits until the program runs. */
const TIMEOUT_MS = 120_000;
/** A manager that is only asked answers at once, or is broken. */
const ASK_MS = 5_000;

/** Throws where there is no such program. */
async function run(
  { env }: ServiceWorld,
  [name, ...args]: readonly [string, ...string[]],
  timeoutMs = TIMEOUT_MS,
): Promise<Ran> {
  const path = Bun.which(name, { PATH: env.PATH ?? "" });
  if (path === null)
    throw new CliError(`there is no ${name} here`, { hint: "`infernet start` runs it in the background without" });
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = Bun.spawn([path, ...args], { env: { ...env, LC_ALL: "C" }, stdio: [...stdio], timeout: timeoutMs });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, err };
}

async function must(world: ServiceWorld, command: readonly [string, ...string[]]): Promise<void> {
  const { code, out, err } = await run(world, command);
  if (code === 0) return;
  const said = (err || out).trim().split("\n").at(-1) ?? "";
  const noBus = /connect to bus|XDG_RUNTIME_DIR|not been booted with systemd/.test(err);
  throw new CliError(`\`${command.join(" ")}\` ended with ${code}${said === "" ? "" : `: ${said}`}`, {
    hint: noBus
      ? "no service manager runs for this user: log in on the machine itself, or use --system as root, or `infernet start`"
      : "`infernet service status` tells how it stands; --dry-run prints the file",
  });
}

function systemd(world: ServiceWorld, system: boolean): ServiceManager {
  const config = () => world.env.XDG_CONFIG_HOME || join(home(world), ".config");
  const folder = system ? "/etc/systemd/system" : join(config(), "systemd/user");
  const unit = `${SERVICE_NAME}.service`;
  const path = join(folder, unit);
  const scope = system ? [] : ["--user"];
  const call = (...args: string[]) => must(world, ["systemctl", ...scope, ...args]);
  const show = async (): Promise<Record<string, string>> => {
    const properties = "--property=ActiveState,UnitFileState,MainPID";
    const { out } = await run(world, ["systemctl", ...scope, "show", properties, unit], ASK_MS);
    return Object.fromEntries(out.split("\n").map((line) => line.split("=", 2)));
  };
  return {
    path,
    definition: systemdUnit,
    async state() {
      const { ActiveState = "", UnitFileState = "", MainPID = "" } = await show();
      return {
        manager: "systemd",
        path,
        installed: existsSync(path),
        enabled: UnitFileState === "enabled",
        active: ["active", "activating", "reloading"].includes(ActiveState),
        pid: Number(MainPID) || null,
      };
    },
    async enable(start, changed) {
      await call("daemon-reload");
      await call("enable", unit);
      if (start) await call(changed ? "restart" : "start", unit);
    },
    async disable() {
      await call("disable", "--now", unit);
      rmSync(path, { force: true });
      await call("daemon-reload");
    },
  };
}

function launchd(world: ServiceWorld, system: boolean): ServiceManager {
  const folder = system ? "/Library/LaunchDaemons" : join(home(world), "Library/LaunchAgents");
  const path = join(folder, `${LAUNCHD_LABEL}.plist`);
  const domain = system ? "system" : `gui/${world.uid}`;
  const target = `${domain}/${LAUNCHD_LABEL}`;
  const print = () => run(world, ["launchctl", "print", target], ASK_MS);
  return {
    path,
    definition: launchdPlist,
    async state() {
      const { code, out } = await print();
      const pid = Number(/^\s*pid = (\d+)$/m.exec(out)?.[1]) || null;
      const installed = existsSync(path);
      return { manager: "launchd", path, installed, enabled: code === 0, active: pid !== null, pid };
    },
    async enable(start, changed) {
      if (!start) return;
      const loaded = (await print()).code === 0;
      // A loaded job keeps the file it was loaded with.
      if (loaded && changed) await must(world, ["launchctl", "bootout", target]);
      await must(world, ["launchctl", "enable", target]);
      if (!loaded || changed) await must(world, ["launchctl", "bootstrap", domain, path]);
      await must(world, ["launchctl", "kickstart", target]);
    },
    async disable() {
      if ((await print()).code === 0) await must(world, ["launchctl", "bootout", target]);
      rmSync(path, { force: true });
    },
  };
}

function home({ env }: ServiceWorld): string {
  if (env.HOME) return env.HOME;
  throw new CliError("HOME is not set, so the user's services cannot be found", { hint: "use --system as root" });
}

/** Replaces the file in one step; false where it was like that already. */
export function writeDefinition(path: string, text: string): boolean {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return false;
  mkdirSync(dirname(path), { recursive: true });
  const next = `${path}.${process.pid}.new`;
  writeFileSync(next, text, { mode: 0o644 });
  renameSync(next, path);
  return true;
}
