// infernet pause | resume: whether the node of this machine takes jobs.
import type { Admin, NodeStanding } from "../../admin/operations.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, runningOwner, withAdmin } from "../instance.ts";

/** Stays so over restarts, until `resume`. */
export async function pause(
  context: Context,
  options: GlobalOptions,
  flags: { json?: boolean; reason?: string },
): Promise<ExitCode> {
  const { reason } = flags;
  const input = reason === undefined ? {} : { reason };
  const { config, standing } = await onNode(context, options, "pause", async (admin) =>
    answerOrThrow(await admin.pauseNode(input)),
  );
  if (flags.json) printJson(context, standing);
  else {
    context.terminal.out("the node takes no more jobs\n");
    const limit = config.node.idle_drain_s;
    context.terminal.err(
      `What runs may go on for ${limit} s, then other nodes get it. \`infernet resume\` ends this.\n`,
    );
  }
  return EXIT.good;
}

/** Good as well where it was not paused; a schedule or a foreign load is said, and is not undone. */
export async function resume(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { standing } = await onNode(context, options, "resume", async (admin) =>
    answerOrThrow(await admin.resumeNode({})),
  );
  if (flags.json) printJson(context, standing);
  else if (standing.status === "available") context.terminal.out("the node takes jobs\n");
  else context.terminal.out(`the node is still ${standing.status}: ${harmless(standing.reason ?? "-")}\n`);
  return EXIT.good;
}

async function onNode(
  context: Context,
  options: GlobalOptions,
  command: string,
  act: (admin: Admin) => Promise<NodeStanding>,
) {
  const { config } = await requireConfig(context, options);
  if (!runningOwner(config)) {
    const hint = "`infernet start` starts it";
    throw new CliError(`infernet is not running on ${config.data_dir}`, { exitCode: EXIT.unreachable, hint });
  }
  return { config, standing: await withAdmin(context, config, command, act) };
}
