// Node commands, as operations of a coordinator: what its nodes are asked to do beside inference.
import type { Caller } from "../accounts/caller.ts";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok } from "../lib/result.ts";
import { type Command, type CommandArgs, wrongArgs } from "../protocol/commands.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import type { CommandDelivery } from "../registry/command-delivery.ts";
import {
  cancelCommand,
  commandsByIds,
  type IssueRefusal,
  issueCommand,
  listCommands,
  MAX_OPEN_COMMANDS,
} from "../registry/commands.ts";
import { listNodes } from "../registry/nodes.ts";
import type { Registry } from "../registry/registry.ts";
import type { CommandRow as StoredCommand } from "../registry/schema.ts";
import { type Answer, operation } from "./operation.ts";
import { type AdminError, type CommandRow, OPERATIONS } from "./operations.ts";
import { argsOf, type CommandAdmin, cancelError } from "./own-commands.ts";

const LISTED = 200;

export type CommandsDeps = {
  db: Db;
  clock: Clock;
  /** The instance that runs; null where none does, and commands wait for one. */
  live: { registry: Pick<Registry, "nodes">; delivery: Pick<CommandDelivery, "nudge" | "progressOf"> } | null;
};

/** The commands of a coordinator's nodes. */
export function coordinatorCommands(deps: CommandsDeps): CommandAdmin {
  return {
    issueCommand: operation(OPERATIONS.issueCommand, ({ pubkey, command, model }, by) =>
      issue({ ...deps, by }, pubkey, command, argsOf(model)),
    ),
    listCommands: operation(OPERATIONS.listCommands, async () => {
      const rows = await listCommands(deps, LISTED);
      return ok({ commands: await rowsOf(deps, rows) });
    }),
    watchCommands: operation(OPERATIONS.watchCommands, async ({ ids }) => {
      const rows = await commandsByIds(deps, ids);
      return ok({ commands: await rowsOf(deps, rows) });
    }),
    cancelCommand: operation(OPERATIONS.cancelCommand, ({ id }, by) => cancel({ ...deps, by }, id)),
  };
}

async function issue(
  deps: CommandsDeps & { by: Caller },
  node: Pubkey,
  command: Command,
  args: CommandArgs,
): Answer<CommandRow> {
  const wrong = wrongArgs(command, args);
  if (wrong !== null) return err({ code: "invalid", message: wrong });
  const made = { node, command, args, accountId: LOCAL_ACCOUNT_ID };
  const issued = await issueCommand({ ...deps, newId: () => Bun.randomUUIDv7() }, made);
  if (!issued.ok) return err(issueError(issued.error, node, command));
  deps.live?.delivery.nudge(node);
  return one(deps, issued.value);
}

function issueError(refusal: IssueRefusal, node: Pubkey, command: Command): AdminError {
  const hint = "`infernet nodes list` shows them";
  switch (refusal) {
    case "node_unknown":
      return { code: "not_found", message: `no node ${node} is known`, hint };
    case "node_not_approved":
      return { code: "conflict", message: `node ${node} is not a node that works here`, hint };
    case "no_word_for_it":
      return { code: "not_available", message: `node ${node} holds no link, and takes no ${command} without one` };
    case "too_many":
      return {
        code: "conflict",
        message: `node ${node} has ${MAX_OPEN_COMMANDS} commands to do already`,
        hint: "`infernet nodes commands` lists them, `infernet nodes cancel` ends one",
      };
  }
}

async function cancel(deps: CommandsDeps & { by: Caller }, id: string): Answer<CommandRow> {
  const cancelled = await cancelCommand(deps, id);
  if (!cancelled.ok) return err(cancelError(cancelled.error, id));
  deps.live?.delivery.nudge(pubkeySchema.parse(cancelled.value.nodePubkey));
  return one(deps, cancelled.value);
}

async function one(deps: CommandsDeps, row: StoredCommand): Answer<CommandRow> {
  const [shown] = await rowsOf(deps, [row]);
  return shown ? ok(shown) : err({ code: "not_found", message: `there is no command ${row.id}` });
}

async function rowsOf({ db, live }: CommandsDeps, rows: readonly StoredCommand[]): Promise<CommandRow[]> {
  if (rows.length === 0) return [];
  const known = new Map((await listNodes({ db })).map((node) => [node.pubkey, node]));
  return rows.map((row) => {
    const pubkey = pubkeySchema.parse(row.nodePubkey);
    const node = live?.registry.nodes.get(pubkey);
    return {
      id: row.id,
      node: pubkey,
      node_name: node?.name || known.get(pubkey)?.name || null,
      online: node !== undefined && node.channel !== null,
      command: row.command,
      model: row.args.model ?? null,
      state: row.state,
      cancelling: row.cancelling,
      progress: row.state === "running" ? (live?.delivery.progressOf(row.id) ?? null) : null,
      error: row.error,
      created_ms: row.createdMs,
      ended_ms: row.endedMs,
    };
  });
}
