// infernet doctor: looks at everything that commonly goes wrong, and says how to mend it. Changes nothing.
import { styleText } from "node:util";
import { type Config, loadConfig } from "../../config.ts";
import { checkBackends, lookForBackends } from "../checks/backends.ts";
import { bad, type Check, good } from "../checks/check.ts";
import { checkDataDirectory, checkEngineModels, checkSpace, checkTls } from "../checks/disk.ts";
import { checkLinks, runningStatus } from "../checks/links.ts";
import { checkIdleOnly, checkMachine, checkModelsFit, type SeenMachine, seeMachine } from "../checks/machine.ts";
import { checkCoordinators, checkInstance } from "../checks/network.ts";
import { checkService } from "../checks/service.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, loadInput, printJson } from "../context.ts";
import { harmless } from "../harmless.ts";
import { machineJson } from "../machine-json.ts";

/** Exits with 1 where something is bad; warnings alone are good. */
export async function doctor(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { checks, machine } = await runChecks(context, options);
  const isWell = checks.every((check) => check.state !== "bad");
  if (flags.json) printJson(context, { good: isWell, checks, ...(machine && machineJson(machine)) });
  else for (const check of checks) printCheck(context, check);
  return isWell ? EXIT.good : EXIT.failed;
}

/** `machine`: null where this one does not serve. */
type Findings = { checks: Check[]; machine: SeenMachine | null };

async function runChecks(context: Context, options: GlobalOptions): Promise<Findings> {
  const loaded = loadConfig(loadInput(context, options));
  if (!loaded.ok) {
    const mend = "`infernet config example` prints every key with its default";
    const checks = loaded.error.map(({ key, message, source }) =>
      bad("configuration", `${key || source.where}: ${message}`, mend),
    );
    return { checks, machine: null };
  }
  const { config, file } = loaded.value;
  const machine = config.mode === "coordinator" ? null : await seeMachine(config, context.env);
  const all = await Promise.all([
    good("configuration", file ?? "no config.toml, defaults in effect"),
    checkDataDirectory(config),
    checkSpace(config),
    checkTls(config, context.nowMs()),
    checkInstance(context, config),
    checkEngineModels(config),
    checkService(context),
    machine ? nodeChecks(context, config, machine) : [],
  ]);
  return { checks: all.flat(), machine };
}

/** What concerns a machine that serves. */
async function nodeChecks(context: Context, config: Config, machine: SeenMachine): Promise<Check[]> {
  const [found, running, coordinators] = await Promise.all([
    lookForBackends(context, config),
    runningStatus(context, config),
    checkCoordinators(context, config),
  ]);
  return [
    ...checkMachine(machine),
    ...checkBackends(found, config),
    ...checkModelsFit(machine, found),
    ...checkIdleOnly(config, new Date(context.nowMs())),
    ...coordinators,
    ...(await checkLinks(context, config, running)),
  ];
}

const SIGNS = { good: ["✓", "green"], warning: ["!", "yellow"], bad: ["✗", "red"], skipped: ["-", "gray"] } as const;

/** For people: how it stands, and what to do. */
export function printCheck({ terminal }: Context, { name, state, message, mend }: Check): void {
  const [sign, color] = SIGNS[state];
  const mark = terminal.colors ? styleText(color, sign) : sign;
  const first = `${mark} ${harmless(name)}: ${harmless(message, 1000)}\n`;
  terminal.out(mend === undefined ? first : `${first}    → ${harmless(mend, 1000)}\n`);
}
