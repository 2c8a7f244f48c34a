// Abilities: what may be asked of a node from here, so that no page offers what would only be refused. Its backends say
// what they do to models, its machine what it lets coordinators ask; the node has the last word all the same.
import { COMMANDS, type CommandGroup, groupOf, type ModelCommand } from "../../protocol/commands.ts";
import type { BackendInfo } from "../../protocol/frames.ts";
import { allowingCommand, type NodeTerms } from "../../protocol/terms.ts";

/** Why there is nothing to be installed, and what would change that on its machine, where a command does. */
export type NoInstall = { words: string; command: string | null };

type Allows = Pick<NodeTerms, "allows"> | null;

const GROUPS = [...new Set(COMMANDS.map(groupOf))];
/** What its machine lets no coordinator ask. Programs that are older do not say: it is tried. */
export const refusedBy = (terms: Allows): readonly CommandGroup[] =>
  terms === null ? [] : GROUPS.filter((group) => !terms.allows.includes(group));

/** Of backends of older programs it is tried too. */
export const does = ({ commands }: Pick<BackendInfo, "commands">, command: ModelCommand): boolean =>
  commands === undefined || commands.includes(command);

/** Null where a model can be installed. `backends` is empty where nothing is known of them either. */
export function noInstall(terms: Allows, backends: readonly BackendInfo[]): NoInstall | null {
  if (backends.length > 0 && !backends.some((backend) => does(backend, "model_install"))) {
    const kinds = [...new Set(backends.map(({ kind }) => kind))].join(", ");
    const [own, they] = backends.length === 1 ? ["backend", "it"] : ["backends", "they"];
    const words = `Its ${own} (${kinds}) cannot fetch models. What ${they} can serve is set up on the machine; new models show here by themselves.`;
    return { words, command: null };
  }
  if (terms === null || terms.allows.includes("models")) return null;
  const words = "Its models are changed on its machine only. To do it here too, run there:";
  return { words, command: allowingCommand(terms.allows, "models") };
}
