// infernet config check | print | example
import { existsSync } from "node:fs";
import { join } from "node:path";
import { configGround, configRows, configToml, exampleToml, type LoadedConfig } from "../../config.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import { DATABASE_FILE } from "../../modes/data-files.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmlessText } from "../harmless.ts";
import { readDatabase } from "../read-database.ts";

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
  const loaded = await withSettings(context, await requireConfig(context, options));
  const secrets = flags.showSecrets ? "shown" : "masked";
  if (flags.json) printJson(context, { file: loaded.file, keys: configRows(loaded, secrets) });
  else context.terminal.out(harmlessText(configToml(loaded, secrets)));
  return EXIT.good;
}

/** The same with what admins changed while it ran, where there is a database that says so. */
async function withSettings({ terminal }: Context, loaded: LoadedConfig): Promise<LoadedConfig> {
  const { config, sources } = loaded;
  const isHere = config.database.url !== null || existsSync(join(config.data_dir, DATABASE_FILE));
  if (config.mode === "node" || !isHere) return loaded;
  const { ground, config: effective } = configGround(config, sources);
  try {
    const settings = await readDatabase(config, async (db) => {
      const { openSettings } = await import("../../settings/settings.ts");
      const { databaseStore } = await import("../../settings/database-store.ts");
      return await openSettings({ store: databaseStore(db), clock: systemClock, log: silentLog, ground });
    });
    const from = settings.list().map(({ name, source }) => [name, source] as const);
    return { ...loaded, config: effective, sources: { ...sources, ...Object.fromEntries(from) } };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    terminal.err(`infernet: warning: settings made while it ran are left out: ${harmlessText(why)}\n`);
    return loaded;
  }
}

export async function example(context: Context): Promise<ExitCode> {
  context.terminal.out(exampleToml());
  return EXIT.good;
}
