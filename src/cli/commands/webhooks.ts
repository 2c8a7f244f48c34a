// infernet webhooks secret
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";

/** Prints the secret alone on stdout, so that a script can take it. */
export async function secret(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const shown = await withAdmin(context, config, "webhooks secret", async (admin) =>
    answerOrThrow(await admin.webhookSecret({})),
  );
  if (flags.json) printJson(context, shown);
  else context.terminal.out(`${shown.secret}\n`);
  return EXIT.good;
}
