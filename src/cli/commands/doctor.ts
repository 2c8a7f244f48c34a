// infernet doctor: looks at everything that commonly goes wrong, and says how to mend it. Changes nothing.
import { styleText } from "node:util";
import { loadConfig } from "../../config.ts";
import { checkBackends } from "../checks/backends.ts";
import { bad, type Check, good } from "../checks/check.ts";
import { checkDataDirectory, checkEngineModels, checkSpace, checkTls } from "../checks/disk.ts";
import { checkCoordinators, checkInstance } from "../checks/network.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, loadInput, printJson } from "../context.ts";
import { harmless } from "../harmless.ts";

/** Exits with 1 where something is bad; warnings alone are good. */
export async function doctor(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const checks = await runChecks(context, options);
  const isWell = checks.every((check) => check.state !== "bad");
  if (flags.json) printJson(context, { good: isWell, checks });
  else for (const check of checks) context.terminal.out(lines(check, context.terminal.colors));
  return isWell ? EXIT.good : EXIT.failed;
}

async function runChecks(context: Context, options: GlobalOptions): Promise<Check[]> {
  const loaded = loadConfig(loadInput(context, options));
  if (!loaded.ok) {
    const mend = "`infernet config example` prints every key with its default";
    return loaded.error.map(({ key, message, source }) =>
      bad("configuration", `${key || source.where}: ${message}`, mend),
    );
  }
  const { config, file } = loaded.value;
  const nodeSide =
    config.mode === "coordinator" ? [] : [checkBackends(context, config), checkCoordinators(context, config)];
  const all = await Promise.all([
    good("configuration", file ?? "no config.toml, defaults in effect"),
    checkDataDirectory(config),
    checkSpace(config),
    checkTls(config, context.nowMs()),
    checkInstance(context, config),
    checkEngineModels(config),
    ...nodeSide,
  ]);
  return all.flat();
}

const SIGNS = { good: ["✓", "green"], warning: ["!", "yellow"], bad: ["✗", "red"], skipped: ["-", "gray"] } as const;

function lines({ name, state, message, mend }: Check, colors: boolean): string {
  const [sign, color] = SIGNS[state];
  const mark = colors ? styleText(color, sign) : sign;
  const first = `${mark} ${harmless(name)}: ${harmless(message, 1000)}\n`;
  return mend === undefined ? first : `${first}    → ${harmless(mend, 1000)}\n`;
}
