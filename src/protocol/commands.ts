// Commands: what a coordinator may ask of a node beside inference. The node has the last word on each.
import { z } from "zod";
import { termsChangeSchema } from "./terms.ts";

export const COMMANDS = [
  /** Fetch a model from the backend's own library: `args.model`. */
  "model_install",
  /** Delete it from the node's disk: `args.model`. */
  "model_remove",
  /** Into memory: `args.model`. */
  "model_load",
  /** Out of memory: `args.model`. */
  "model_unload",
  /** Take no more jobs; those there are end. */
  "drain",
  /** Take jobs again. */
  "resume",
  /** Stop and start again. */
  "restart",
  /** Ask the backends anew what they serve. */
  "refresh",
  /** Other slots, prices or hours: `args.terms`. Only to nodes that tell theirs: older ones do not know the word. */
  "configure",
] as const;
export type Command = (typeof COMMANDS)[number];
export type ModelCommand = Command & `model_${string}`;

export const isModelCommand = (command: Command): command is ModelCommand => command.startsWith("model_");

/** What `[node] allow_commands` can name. */
export type CommandGroup = "models" | Exclude<Command, ModelCommand>;
export const groupOf = (command: Command): CommandGroup => (isModelCommand(command) ? "models" : command);

/** A model's name as its backend's library has it, never a path or an address: no leading slash or dot, no "..", no ":/". */
export const modelNameSchema = z
  .string()
  .min(1)
  .max(256)
  .regex(
    /^(?!.*(?:\.\.|\/\/|:\/))[A-Za-z0-9][A-Za-z0-9._:/@+-]*$/,
    "a model's name has letters, digits and . _ : / @ + -",
  );

export const commandArgsSchema = z.strictObject({
  model: modelNameSchema.optional(),
  terms: termsChangeSchema.optional(),
});
export type CommandArgs = z.infer<typeof commandArgsSchema>;

/** What is wrong with the arguments, in words; null where nothing is. */
export function wrongArgs(command: Command, { model, terms }: CommandArgs): string | null {
  if ((command === "configure") !== (terms !== undefined))
    return terms === undefined ? "configure needs terms" : `${command} takes no terms`;
  if (command.startsWith("model_")) return model === undefined ? `${command} needs a model` : null;
  return model === undefined ? null : `${command} takes no model`;
}

const bytes = z.int().min(0);
/** How far it is. */
export const commandProgressSchema = z.object({
  /** What is being done, in words: "pulling 6a0746a1ec1a". */
  phase: z.string().max(256),
  /** Bytes; null where nothing is counted. */
  completed: bytes.nullable(),
  total: bytes.nullable(),
});
export type CommandProgress = z.infer<typeof commandProgressSchema>;

export const commandEndSchema = z.object({
  /** `refused`: the node does not do that, see the error. */
  outcome: z.enum(["completed", "failed", "refused", "cancelled"]),
  /** Why, for people; null where it completed. */
  error: z.string().max(1024).nullable(),
});
export type CommandEnd = z.infer<typeof commandEndSchema>;
