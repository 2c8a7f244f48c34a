// Model lines: what a node serves, with what is being done to it there: installed, removed, loaded.
import type { CommandRow } from "../../admin/operations.ts";
import type { ModelCommand } from "../../protocol/commands.ts";
import { onlyElsewhere } from "../../registry/node-state.ts";
import type { Node, Offer } from "../../registry/registry.ts";
import { does } from "./abilities.ts";

export type ModelLine = {
  name: string;
  /** It is on offer now. */
  offered: boolean;
  /** Null where it does not say. */
  loaded: boolean | null;
  contextLength: number | null;
  quantization: string | null;
  /** µ$ per million tokens; null where it is not on offer. */
  price: { input: number; output: number } | null;
  /** As measured; null where nothing was. */
  tokensPerS: number | null;
  /** It failed here lately and rests. */
  rests: boolean;
  /** What the backend that has it does to it, as far as that says. */
  can: readonly ModelCommand[];
  /** What is under way, or came to nothing lately; never shown to everybody. */
  command: CommandRow | null;
};

/** What can be done to a model that is on offer. */
const TO_OFFERED = ["model_load", "model_unload", "model_remove"] as const satisfies ModelCommand[];
/** What came to nothing is shown for so long, unless it was tried again. */
const FAILED_SHOWN_MS = 86_400_000;

/** By name; what is not on offer comes last. */
export function modelLines(
  offers: readonly Offer[],
  commands: readonly CommandRow[],
  nowMs: number,
): readonly ModelLine[] {
  const doing = newestByModel(commands, nowMs);
  const lines = offers.map((offer): ModelLine => {
    const { model: name, info } = offer;
    const command = doing.get(name) ?? null;
    doing.delete(name);
    return {
      name,
      offered: true,
      loaded: info.loaded,
      contextLength: info.context_length,
      quantization: info.quantization,
      price: { input: offer.priceInput, output: offer.priceOutput },
      tokensPerS: offer.tokensPerS > 0 ? offer.tokensPerS : null,
      rests: offer.openUntilMs > nowMs,
      can: TO_OFFERED.filter((one) => does(offer.node.backends[info.backend] ?? {}, one)),
      // An install that failed of a model that is there says nothing any more.
      command: command?.command === "model_install" && command.ended_ms !== null ? null : command,
    };
  });
  const rest = [...doing].flatMap(([name, command]) =>
    command.command === "model_install" ? [lineOf(name, command)] : [],
  );
  return [...lines.toSorted(byName), ...rest.toSorted(byName)];
}

const byName = (a: ModelLine, b: ModelLine): number => (a.name < b.name ? -1 : 1);

const lineOf = (name: string, command: CommandRow): ModelLine => ({
  ...{ name, offered: false, loaded: null, contextLength: null, quantization: null, price: null, tokensPerS: null },
  ...{ rests: false, can: [], command },
});

/** `commands`: the newest first. What went well is seen by what it did. */
function newestByModel(commands: readonly CommandRow[], nowMs: number): Map<string, CommandRow> {
  const newest = new Map<string, CommandRow>();
  for (const command of commands) {
    if (command.model !== null && !newest.has(command.model)) newest.set(command.model, command);
  }
  for (const [model, { state, ended_ms }] of newest) {
    const isNews =
      ended_ms === null || (state !== "completed" && state !== "cancelled" && nowMs - ended_ms < FAILED_SHOWN_MS);
    if (!isNews) newest.delete(model);
  }
  return newest;
}

/** Of a node that another coordinator of the network has: what that one tells, names and no more. */
export function linesElsewhere(node: Pick<Node, "channel" | "elsewhere"> | undefined): readonly ModelLine[] {
  const elsewhere = node && onlyElsewhere(node);
  if (!elsewhere) return [];
  return elsewhere.shown.modelNames.map((name) => ({
    ...{ name, offered: true, loaded: null, contextLength: null, quantization: null, price: null, tokensPerS: null },
    ...{ rests: false, can: TO_OFFERED, command: null },
  }));
}
