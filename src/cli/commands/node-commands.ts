// infernet models install | remove · nodes command | commands | cancel
import { type Command, modelNameSchema } from "../../protocol/commands.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type CommandFlags, commandNodes } from "../command-nodes.ts";
import { nodeLabel } from "../command-view.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";
import { pick } from "../values.ts";

/** What `nodes command` calls each of them. */
const ACTIONS = {
  drain: "drain",
  resume: "resume",
  restart: "restart",
  refresh: "refresh",
  install: "model_install",
  remove: "model_remove",
  load: "model_load",
  unload: "model_unload",
} as const satisfies Record<string, Command>;

export const modelCommand = (
  context: Context,
  options: GlobalOptions,
  command: "model_install" | "model_remove",
  model: string,
  flags: CommandFlags & { node?: string },
): Promise<ExitCode> =>
  commandNodes(context, options, { ask: { command, model: checkedModel(model) }, node: flags.node }, flags);

export async function command(
  context: Context,
  options: GlobalOptions,
  [node, action, model]: [string, string, string | undefined],
  flags: CommandFlags,
): Promise<ExitCode> {
  const known = Object.entries(ACTIONS).find(([name]) => name === action);
  if (!known) {
    const hint = `one of ${Object.keys(ACTIONS).join(", ")}`;
    throw new CliError(`${JSON.stringify(action)} is nothing that a node does`, { exitCode: EXIT.usage, hint });
  }
  const [, asked] = known;
  const needsModel = asked.startsWith("model_");
  if (needsModel !== (model !== undefined)) {
    const message = needsModel ? `${action} needs a model` : `${action} takes no model`;
    throw new CliError(message, { exitCode: EXIT.usage });
  }
  const ask = model === undefined ? { command: asked } : { command: asked, model: checkedModel(model) };
  return commandNodes(context, options, { ask, node }, flags);
}

function checkedModel(model: string): string {
  const parsed = modelNameSchema.safeParse(model);
  if (parsed.success) return parsed.data;
  throw new CliError(`${JSON.stringify(model)} is no model's name: ${parsed.error.issues[0]?.message ?? ""}`, {
    exitCode: EXIT.usage,
    hint: "as its library has it, e.g. llama3.2:1b or hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF",
  });
}

/** The newest first. */
export async function commands(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const rows = await withAdmin(context, config, "nodes commands", async (admin) =>
    answerOrThrow(await admin.listCommands({})),
  );
  if (flags.json) printJson(context, rows);
  else if (rows.commands.length === 0) context.terminal.err("No node was asked for anything yet.\n");
  else {
    const cells = rows.commands.map((row) => [
      row.id,
      nodeLabel(row),
      row.command.replace("_", " "),
      row.model,
      row.cancelling && row.state === "running" ? "cancelling" : row.state,
      relativeTime(row.created_ms, context.nowMs()),
      row.error ?? row.progress?.phase ?? "",
    ]);
    const head = ["ID", "NODE", "COMMAND", "MODEL", "STATE", "ASKED", ""];
    context.terminal.out(table(head, cells, context.terminal.colors));
  }
  return EXIT.good;
}

/** `which`: its id, or the first signs of it. */
export async function cancel(
  context: Context,
  options: GlobalOptions,
  which: string,
  flags: { json?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const row = await withAdmin(context, config, "nodes cancel", async (admin) => {
    const known = answerOrThrow(await admin.listCommands({})).commands;
    const { id } = pick(known, (one) => one.id, which, "command");
    return answerOrThrow(await admin.cancelCommand({ id }));
  });
  if (flags.json) printJson(context, row);
  else context.terminal.out(row.state === "cancelled" ? `cancelled ${row.id}\n` : `asked its node to stop ${row.id}\n`);
  return EXIT.good;
}
