// infernet migrate
import type { Config } from "../../config.ts";
import type { Migrated } from "../../db/migrate.ts";
import { systemClock } from "../../lib/clock.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { dataDirectory, runningOwner, withLock } from "../instance.ts";

/** Brings the database to this program's tables. A running instance did that before it listened. */
export async function migrate(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const owner = runningOwner(config);
  const done = owner ? { applied: [], backup: null } : await migrateHere(context, config);
  if (flags.json) printJson(context, done);
  else if (done.applied.length === 0) context.terminal.out("The database is up to date.\n");
  else {
    context.terminal.out(`applied ${done.applied.map((name) => harmless(name)).join(", ")}\n`);
    if (done.backup !== null) context.terminal.err(`The database before that is kept at ${harmless(done.backup)}.\n`);
  }
  return EXIT.good;
}

async function migrateHere(context: Context, config: Config): Promise<Migrated> {
  const { openDirectAdmin } = await import("../direct-admin.ts");
  const dir = dataDirectory(config);
  return withLock(context, dir, "migrate", async () => {
    const { migrated, close } = await openDirectAdmin({ clock: systemClock, config, dir });
    await close();
    return migrated;
  });
}
