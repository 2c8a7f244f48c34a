// Own commands: what a node's operator asks of it on its own machine, without a coordinator. Kept in memory, since
// whoever asked is there to see the end.
import type { OwnCommand, OwnCommands } from "../../admin/own-commands.ts";
import type { Clock } from "../../lib/clock.ts";
import { err, ok } from "../../lib/result.ts";
import { type NodeCommands, OPERATOR } from "./node-commands.ts";

export type OwnCommandsDeps = { clock: Clock; newId: () => string; commands: Pick<NodeCommands, "link"> };

const MAX_REMEMBERED = 200;

export function ownCommands({ clock, newId, commands }: OwnCommandsDeps): OwnCommands {
  const known = new Map<string, OwnCommand>();
  const link = commands.link(OPERATOR);
  link.opened((frame) => {
    const one = known.get(frame.id);
    if (frame.type === "command_end") link.obey({ type: "command_ack", id: frame.id });
    if (!one || one.end) return;
    if (frame.type === "command_end") {
      const { outcome, error } = frame;
      Object.assign(one, { end: { outcome, error }, endedMs: clock.nowMs() });
    } else {
      const { phase, completed, total } = frame;
      one.progress = { phase, completed, total };
    }
  });
  const forgetOld = () => {
    for (const [id, { end }] of known) {
      if (known.size <= MAX_REMEMBERED) return;
      if (end) known.delete(id);
    }
  };
  return {
    issue(command, args) {
      const id = newId();
      const times = { createdMs: clock.nowMs(), endedMs: null };
      const one: OwnCommand = { id, command, args, cancelling: false, progress: null, end: null, ...times };
      known.set(id, one);
      forgetOld();
      link.obey({ type: "command", id, command, args });
      return one;
    },
    cancel(id) {
      const one = known.get(id);
      if (!one) return err("command_unknown");
      if (one.end) return err("command_ended");
      one.cancelling = true;
      link.obey({ type: "command_cancel", id });
      return ok(one);
    },
    list: () => [...known.values()],
  };
}
