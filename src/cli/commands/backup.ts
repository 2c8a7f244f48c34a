// infernet backup FILE
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";

/** A consistent copy of the database, made while the instance goes on; without the content of jobs. */
export async function backup(
  context: Context,
  options: GlobalOptions,
  file: string,
  flags: { json?: boolean },
): Promise<ExitCode> {
  const path = resolve(context.cwd, file);
  if (existsSync(path)) throw new CliError(`${path} exists already`, { hint: "name another file, or remove it first" });
  const { config } = await requireConfig(context, options);
  const made = await withAdmin(context, config, "backup", async (admin) =>
    answerOrThrow(await admin.backup({ file: path })),
  );
  if (flags.json) printJson(context, made);
  else {
    context.terminal.out(`${harmless(made.file)}: ${made.bytes} bytes\n`);
    context.terminal.err(
      "It holds the database. The keys (*.key in the data directory) are not in it: keep a copy of them elsewhere.\n",
    );
  }
  return EXIT.good;
}
