// Own commands: what an instance in `node` mode does for its own operator, beside inference. There is no database here.
import { err, ok, type Result } from "../lib/result.ts";
import {
  type Command,
  type CommandArgs,
  type CommandEnd,
  type CommandProgress,
  wrongArgs,
} from "../protocol/commands.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { operation } from "./operation.ts";
import { type Admin, type AdminError, type CommandRow, OPERATIONS } from "./operations.ts";

export type CommandAdmin = Pick<Admin, "issueCommand" | "listCommands" | "watchCommands" | "cancelCommand">;

export const argsOf = ({ model, terms }: { [K in keyof CommandArgs]?: CommandArgs[K] }): CommandArgs => ({
  ...(model === undefined ? {} : { model }),
  ...(terms === undefined ? {} : { terms }),
});

export const cancelError = (refusal: "command_unknown" | "command_ended", id: string): AdminError =>
  refusal === "command_unknown"
    ? { code: "not_found", message: `there is no command ${id}`, hint: "`infernet nodes commands` lists them" }
    : { code: "conflict", message: `command ${id} has ended already` };

/** What an instance in `node` mode does for its own operator. */
export type OwnCommand = {
  id: string;
  command: Command;
  args: CommandArgs;
  cancelling: boolean;
  progress: CommandProgress | null;
  end: CommandEnd | null;
  createdMs: number;
  endedMs: number | null;
};
export type OwnCommands = {
  issue(command: Command, args: CommandArgs): OwnCommand;
  cancel(id: string): Result<OwnCommand, "command_unknown" | "command_ended">;
  /** The oldest first. */
  list(): OwnCommand[];
};

/** `self`: the node itself, the only one there is. */
export function ownCommandsAdmin(own: OwnCommands, self: () => { pubkey: Pubkey; name: string }): CommandAdmin {
  const rowOf = ({ id, command, args, cancelling, progress, end, createdMs, endedMs }: OwnCommand): CommandRow => ({
    id,
    node: self().pubkey,
    node_name: self().name,
    online: true,
    command,
    model: args.model ?? null,
    ...(args.terms === undefined ? {} : { terms: args.terms }),
    state: end?.outcome ?? "running",
    cancelling,
    progress: end ? null : progress,
    error: end?.error ?? null,
    created_ms: createdMs,
    delivered_ms: createdMs,
    ended_ms: endedMs,
  });
  return {
    issueCommand: operation(OPERATIONS.issueCommand, async ({ pubkey, command, ...wanted }) => {
      if (pubkey !== self().pubkey) {
        const message = "this is a node: it commands nobody but itself";
        return err({ code: "not_available", message, hint: "run the command where the coordinator runs" });
      }
      const args = argsOf(wanted);
      const wrong = wrongArgs(command, args);
      return wrong === null ? ok(rowOf(own.issue(command, args))) : err({ code: "invalid", message: wrong });
    }),
    listCommands: async () => ok({ commands: own.list().map(rowOf).reverse() }),
    watchCommands: operation(OPERATIONS.watchCommands, async ({ ids }) => {
      const wanted = new Set(ids);
      return ok({
        commands: own
          .list()
          .filter(({ id }) => wanted.has(id))
          .map(rowOf),
      });
    }),
    cancelCommand: operation(OPERATIONS.cancelCommand, async ({ id }) => {
      const cancelled = own.cancel(id);
      return cancelled.ok ? ok(rowOf(cancelled.value)) : err(cancelError(cancelled.error, id));
    }),
  };
}
