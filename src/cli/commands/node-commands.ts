// infernet models install | remove · nodes command | commands | cancel
import { CONFIG_KEYS, fromText } from "../../config.ts";
import { type Command, modelNameSchema } from "../../protocol/commands.ts";
import { TERM_NAMES, type TermsChange, termsChangeSchema } from "../../protocol/terms.ts";
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
  configure: "configure",
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
  [node, action, words]: [string, string, readonly string[]],
  flags: CommandFlags,
): Promise<ExitCode> {
  const known = Object.entries(ACTIONS).find(([name]) => name === action);
  if (!known) {
    const hint = `one of ${Object.keys(ACTIONS).join(", ")}`;
    throw new CliError(`${JSON.stringify(action)} is nothing that a node does`, { exitCode: EXIT.usage, hint });
  }
  const [, asked] = known;
  if (asked === "configure") {
    return commandNodes(context, options, { ask: { command: asked, terms: typedTerms(words) }, node }, flags);
  }
  const needsModel = asked.startsWith("model_");
  const [model, ...more] = words;
  if (more.length > 0) throw new CliError(`${action} takes one word at most`, { exitCode: EXIT.usage });
  if (needsModel !== (model !== undefined)) {
    const message = needsModel ? `${action} needs a model` : `${action} takes no model`;
    throw new CliError(message, { exitCode: EXIT.usage });
  }
  const ask = model === undefined ? { command: asked } : { command: asked, model: checkedModel(model) };
  return commandNodes(context, options, { ask, node }, flags);
}

/** `slots=4 price_output=250000 "schedule=mon-fri 18:00-08:00,sat"`: named and written as in `[node]` and its variables. */
function typedTerms(words: readonly string[]): TermsChange {
  const wrong = (message: string) => {
    const hint = `for instance slots=4 price_output=250000; of ${TERM_NAMES.join(", ")}`;
    return new CliError(message, { exitCode: EXIT.usage, hint });
  };
  const entries = words.map((word) => {
    const [, name = "", text = ""] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    const key = TERM_NAMES.some((term) => term === name) && CONFIG_KEYS.find((one) => one.name === `node.${name}`);
    if (!key) throw wrong(`${JSON.stringify(word)} sets nothing that a node lets others set`);
    const read = fromText(key, text);
    if (!read.ok) throw wrong(`${name} is ${read.error}`);
    return [name, read.value] as const;
  });
  const parsed = termsChangeSchema.safeParse(Object.fromEntries(entries));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw wrong([issue?.path.join("."), issue?.message].filter(Boolean).join(": "));
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
      row.terms === undefined ? row.model : Object.keys(row.terms).join(", "),
      row.cancelling && row.state === "running" ? "cancelling" : row.state,
      relativeTime(row.created_ms, context.nowMs()),
      row.error ?? row.progress?.phase ?? "",
    ]);
    const head = ["ID", "NODE", "COMMAND", "WHAT", "STATE", "ASKED", ""];
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
