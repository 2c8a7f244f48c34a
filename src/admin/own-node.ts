// Own node: the operations on the node side of this instance: held by its operator, and let go.
import { err, ok } from "../lib/result.ts";
import { type Admin, type AdminError, type NodeStanding, OPERATIONS, parseInput } from "./operations.ts";

export type OwnNode = {
  standing(): NodeStanding;
  /** Takes no more jobs until it is resumed, a restart notwithstanding. */
  pause(reason: string): void;
  /** Lets go of the operator's pause; a schedule or a foreign load may hold it all the same. */
  resume(): void;
};

const NONE: AdminError = {
  code: "not_available",
  message: "this is a coordinator only: there is no node in it",
  hint: "`infernet pause` is for the machine that serves; `infernet nodes list` shows them",
};

/** `node` gives null where the instance has no node side, or not yet. */
export function ownNodeAdmin(node: () => OwnNode | null): Pick<Admin, "pauseNode" | "resumeNode"> {
  return {
    async pauseNode(input) {
      const parsed = parseInput(OPERATIONS.pauseNode, input);
      if (!parsed.ok) return parsed;
      const own = node();
      if (!own) return err(NONE);
      own.pause(parsed.value.reason);
      return ok(own.standing());
    },
    async resumeNode() {
      const own = node();
      if (!own) return err(NONE);
      own.resume();
      return ok(own.standing());
    },
  };
}
