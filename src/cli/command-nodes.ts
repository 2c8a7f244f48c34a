// Command nodes: asks nodes for something, shows how far each is until all have ended, and stops it at Ctrl-C. A restart
// of the instance in between is waited for: the command goes on without it.
import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, CommandRow } from "../admin/operations.ts";
import type { Config } from "../config.ts";
import type { Command } from "../protocol/commands.ts";
import type { TermsChange } from "../protocol/terms.ts";
import { chooseNodes } from "./choose-nodes.ts";
import { CliError, EXIT, type ExitCode } from "./cli-error.ts";
import { type CommandView, commandView, hasEnded, nodeLabel } from "./command-view.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "./context.ts";
import { harmless, harmlessText } from "./harmless.ts";
import { answerOrThrow, reachAdmin, withAdmin } from "./instance.ts";

export type Ask = { command: Command; model?: string; terms?: TermsChange };
export type CommandFlags = { json?: boolean; detach?: boolean };

const POLL_MS = 250;
/** An instance that starts again answers within this time. */
const AWAY_MS = 60_000;

/** Asks the nodes that `node` means, and waits until each has ended unless `detach` is set. */
export async function commandNodes(
  context: Context,
  options: GlobalOptions,
  { ask, node }: { ask: Ask; node: string | undefined },
  flags: CommandFlags,
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  return withAdmin(context, config, ask.command, async (admin, running) => {
    const rows: CommandRow[] = [];
    let refused: CliError | null = null;
    for (const { pubkey } of await chooseNodes(admin, node)) {
      try {
        rows.push(answerOrThrow(await admin.issueCommand({ pubkey, ...ask })));
      } catch (error) {
        // The others have been asked: they are followed all the same.
        if (!(error instanceof CliError)) throw error;
        refused ??= error;
        context.terminal.err(`infernet: error: ${harmlessText(error.message)}\n`);
      }
    }
    if (refused && rows.length === 0) throw refused;
    if (flags.detach || running === null) return leave(context, rows, flags, running !== null);
    const ended = await follow(context, config, admin, rows);
    return refused ? EXIT.failed : report(context, ended, flags);
  });
}

function leave(context: Context, rows: readonly CommandRow[], flags: CommandFlags, isRunning: boolean): ExitCode {
  if (flags.json) printJson(context, { commands: rows });
  else for (const row of rows) context.terminal.out(`${row.id} for ${nodeLabel(row)}\n`);
  const when = isRunning ? "" : " Infernet is not running here: the nodes are told when it is.";
  context.terminal.err(
    `\`infernet nodes commands\` shows how far it is, \`infernet nodes cancel ID\` ends it.${when}\n`,
  );
  return EXIT.good;
}

/** Until all have ended, or the user will not wait. */
async function follow(
  context: Context,
  config: Config,
  first: Admin,
  asked: readonly CommandRow[],
): Promise<CommandRow[]> {
  const view = commandView(context.terminal);
  let rows = [...asked];
  let signals = 0;
  let cancelled = false;
  const release = context.onSignal(() => {
    signals++;
  });
  const reach = reacher(context, config, first);
  try {
    view.show(rows, context.nowMs());
    while (rows.some((row) => !hasEnded(row)) && signals < 2) {
      await sleep(POLL_MS);
      rows = await reach(async (admin) => {
        if (signals > 0 && !cancelled) {
          cancelled = true;
          await cancelAll(admin, rows, view);
        }
        return newest(rows, answerOrThrow(await admin.watchCommands({ ids: rows.map(({ id }) => id) })).commands);
      }, rows);
      view.show(rows, context.nowMs());
    }
    return rows;
  } finally {
    release();
    view.end();
  }
}

async function cancelAll(admin: Admin, rows: readonly CommandRow[], view: CommandView): Promise<void> {
  view.note("Stopping it on the nodes; Ctrl-C again does not wait for them.");
  for (const row of rows) {
    // One that has ended meanwhile says so with the next look.
    if (!hasEnded(row)) await admin.cancelCommand({ id: row.id });
  }
}

/** What a node does for its own operator it keeps in memory. */
const FORGOTTEN = "infernet was restarted and does not know of it any more; ask again";

/** The rows as they are now; one that is not known any more has failed. */
export const newest = (before: readonly CommandRow[], now: readonly CommandRow[]): CommandRow[] => {
  const byId = new Map(now.map((row) => [row.id, row]));
  return before.map((row) => byId.get(row.id) ?? (hasEnded(row) ? row : { ...row, state: "failed", error: FORGOTTEN }));
};

/** Calls the instance, and waits for it where it is away; what was known is the answer meanwhile. */
function reacher(context: Context, config: Config, first: Admin) {
  let admin: Admin | null = first;
  let awaySinceMs: number | null = null;
  return async <T>(call: (admin: Admin) => Promise<T>, known: T): Promise<T> => {
    try {
      admin ??= reachAdmin(context, config);
      if (admin) {
        const answer = await call(admin);
        awaySinceMs = null;
        return answer;
      }
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) throw error;
      admin = null;
    }
    awaySinceMs ??= context.nowMs();
    if (context.nowMs() - awaySinceMs > AWAY_MS) {
      const hint = "the nodes go on; `infernet nodes commands` shows how far they are once it is back";
      throw new CliError("infernet does not answer any more", { exitCode: EXIT.unreachable, hint });
    }
    return known;
  };
}

const DONE: Record<Command, (model: string, node: string) => string> = {
  model_install: (model, node) => `${model} is installed on ${node}`,
  model_remove: (model, node) => `${model} is removed from ${node}`,
  model_load: (model, node) => `${model} is loaded on ${node}`,
  model_unload: (model, node) => `${model} is unloaded on ${node}`,
  drain: (_, node) => `${node} takes no more jobs`,
  resume: (_, node) => `${node} is not drained any more`,
  refresh: (_, node) => `${node} has looked for its models`,
  restart: (_, node) => `${node} starts again`,
  configure: (_, node) => `${node} has other terms now`,
};

/** Good where all did it; not allowed where all the others refused. */
function report(context: Context, rows: readonly CommandRow[], flags: CommandFlags): ExitCode {
  const { terminal } = context;
  if (flags.json) printJson(context, { commands: rows });
  for (const row of rows) {
    if (row.state === "completed") {
      if (!flags.json) terminal.out(`${DONE[row.command](harmless(row.model ?? ""), nodeLabel(row))}\n`);
      continue;
    }
    const state = hasEnded(row) ? row.state : "not ended yet";
    terminal.err(
      `infernet: error: ${nodeLabel(row)}: ${state}${row.error === null ? "" : `: ${harmless(row.error, 1024)}`}\n`,
    );
  }
  const wrong = rows.filter(({ state }) => state !== "completed");
  if (wrong.length === 0) return EXIT.good;
  return wrong.every(({ state }) => state === "refused") ? EXIT.notAllowed : EXIT.failed;
}
