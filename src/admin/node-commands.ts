// Node commands, as operations of a coordinator: what its nodes are asked to do beside inference.
import type { Caller } from "../accounts/caller.ts";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok } from "../lib/result.ts";
import { type Command, wrongArgs } from "../protocol/commands.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import type { CommandDelivery } from "../registry/command-delivery.ts";
import {
  cancelCommand,
  commandsByIds,
  type IssueRefusal,
  issueCommand,
  listCommands,
  MAX_OPEN_COMMANDS,
  type NewCommand,
} from "../registry/commands.ts";
import { isOnline } from "../registry/node-state.ts";
import { nodeNames } from "../registry/nodes.ts";
import type { Registry } from "../registry/registry.ts";
import type { CommandRow as StoredCommand } from "../registry/schema.ts";
import { type Answer, operation } from "./operation.ts";
import { type AdminError, type CommandRow, OPERATIONS } from "./operations.ts";
import { argsOf, type CommandAdmin, cancelError } from "./own-commands.ts";

export type CommandsDeps = {
  db: Db;
  clock: Clock;
  /** The instance that runs; null where none does, and commands wait for one. */
  live: { registry: Pick<Registry, "nodes">; delivery: Pick<CommandDelivery, "nudge" | "progressOf"> } | null;
};

/** The commands of a coordinator's nodes. */
export function coordinatorCommands(deps: CommandsDeps): CommandAdmin {
  return {
    issueCommand: operation(OPERATIONS.issueCommand, ({ pubkey, command, account, ...args }, by) =>
      issue({ ...deps, by }, { node: pubkey, command, args: argsOf(args), accountId: account ?? LOCAL_ACCOUNT_ID }),
    ),
    listCommands: operation(OPERATIONS.listCommands, async ({ node, before, limit }) => {
      const rows = await listCommands(deps, limit, { ...(node ? { node } : {}), ...(before ? { before } : {}) });
      return ok({ commands: await rowsOf(deps, rows) });
    }),
    watchCommands: operation(OPERATIONS.watchCommands, async ({ ids }) => {
      const rows = await commandsByIds(deps, ids);
      return ok({ commands: await rowsOf(deps, rows) });
    }),
    cancelCommand: operation(OPERATIONS.cancelCommand, ({ id, account }, by) => cancel({ ...deps, by }, id, account)),
  };
}

async function issue(deps: CommandsDeps & { by: Caller }, made: NewCommand): Answer<CommandRow> {
  const { node, command, args } = made;
  const wrong = wrongArgs(command, args);
  if (wrong !== null) return err({ code: "invalid", message: wrong });
  const live = deps.live?.registry.nodes.get(node);
  const tooOld = command === "configure" && live !== undefined && live.channel !== null && live.terms === null;
  const issued = await issueCommand({ ...deps, newId: () => Bun.randomUUIDv7() }, { ...made, tooOld });
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
    case "too_old":
      return {
        code: "not_available",
        message: `node ${node} runs a program that is older than ${command}`,
        hint: "`infernet update` on its machine",
      };
    case "too_many":
      return {
        code: "conflict",
        message: `node ${node} has ${MAX_OPEN_COMMANDS} commands to do already`,
        hint: "`infernet nodes commands` lists them, `infernet nodes cancel` ends one",
      };
  }
}

async function cancel(deps: CommandsDeps & { by: Caller }, id: string, account?: string): Answer<CommandRow> {
  const cancelled = await cancelCommand(deps, id, account);
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
  const known = await nodeNames({ db }, [...new Set(rows.map(({ nodePubkey }) => nodePubkey))]);
  return rows.map((row) => {
    const pubkey = pubkeySchema.parse(row.nodePubkey);
    const node = live?.registry.nodes.get(pubkey);
    return {
      id: row.id,
      node: pubkey,
      node_name: node?.name || known.get(pubkey) || null,
      online: node !== undefined && isOnline(node),
      command: row.command,
      model: row.args.model ?? null,
      ...(row.args.terms === undefined ? {} : { terms: row.args.terms }),
      state: row.state,
      cancelling: row.cancelling,
      progress: row.state === "running" ? (live?.delivery.progressOf(row.id) ?? null) : null,
      error: row.error,
      created_ms: row.createdMs,
      delivered_ms: row.deliveredMs,
      ended_ms: row.endedMs,
    };
  });
}
