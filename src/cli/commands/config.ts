// infernet config check | print | example
import { configRows, configToml, exampleToml } from "../../config.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmlessText } from "../harmless.ts";

export async function check(context: Context, options: GlobalOptions): Promise<ExitCode> {
  const { file } = await requireConfig(context, options);
  context.terminal.out(
    `The configuration is good (${file ? harmlessText(file) : "no config.toml, defaults in effect"}).\n`,
  );
  return EXIT.good;
}

export async function print(
  context: Context,
  options: GlobalOptions,
  flags: { json?: boolean; showSecrets?: boolean },
): Promise<ExitCode> {
  const loaded = await requireConfig(context, options);
  const secrets = flags.showSecrets ? "shown" : "masked";
  if (flags.json) printJson(context, { file: loaded.file, keys: configRows(loaded, secrets) });
  else context.terminal.out(harmlessText(configToml(loaded, secrets)));
  return EXIT.good;
}

export async function example(context: Context): Promise<ExitCode> {
  context.terminal.out(exampleToml());
  return EXIT.good;
}
