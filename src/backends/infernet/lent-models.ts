// Lent models: reads another coordinator's `GET /v1/models`, and leaves out what it has only from those who ask.
import { err, ok, type Result } from "../../lib/result.ts";
import { FEATURES, TASKS } from "../../protocol/generation.ts";
import type { Prices } from "../../protocol/prices.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { MOST_HOPS, markOf, viaSchema } from "../../protocol/trail.ts";
import type { BackendError, BackendModel } from "../backend.ts";
import { isRecord } from "../record.ts";

const MAX_MODELS = 1024;
const MAX_NAME_CHARS = 256;
/** Named in a message. */
const SHOWN = 5;

/** `price`: what the upstream asks; null where it does not say. */
export type LentModel = { model: BackendModel; price: Prices | null };

/**
 * The models of `upstream`, each with the path that leads to it; without those whose path leads through one of `own`
 * (marks of coordinators): these are not lent, but borrowed from us.
 */
export function parseLentModels(
  answer: unknown,
  upstream: Pubkey,
  own: readonly string[],
): Result<LentModel[], BackendError> {
  const list = isRecord(answer) ? answer.data : null;
  if (!Array.isArray(list))
    return err({ code: "backend_failed", message: "the coordinator's answer to /v1/models is no list" } as const);
  const lent: LentModel[] = [];
  for (const item of list.slice(0, MAX_MODELS)) {
    if (!isRecord(item) || typeof item.id !== "string") continue;
    const { id: name } = item;
    if (name === "" || name.length > MAX_NAME_CHARS) continue;
    const path = pathOf(item, upstream);
    if (path === null || path.some((mark) => own.includes(mark))) continue;
    lent.push({ model: modelOf(name, item, path), price: priceOf(item) });
  }
  return ok(lent);
}

/** Null where the way is not told in full, or is longer than any may be. */
function pathOf({ hops = 0, via = [] }: Record<string, unknown>, upstream: Pubkey): string[] | null {
  const behind = viaSchema.safeParse(via);
  if (!behind.success || behind.data.length !== hops) return null;
  const path = [markOf(upstream), ...behind.data];
  return path.length > MOST_HOPS ? null : path;
}

function modelOf(name: string, item: Record<string, unknown>, path: string[]): BackendModel {
  const model: BackendModel = {
    name,
    contextLength: contextLength(item.context_length),
    // Several nodes may stand behind the name, with different files.
    digest: null,
    loaded: null,
    quantization: null,
    demo: item.demo === true,
    path,
  };
  const tasks = TASKS.filter((task) => Array.isArray(item.tasks) && item.tasks.includes(task));
  const features = FEATURES.filter((feature) => Array.isArray(item.features) && item.features.includes(feature));
  if (tasks.length > 0) model.tasks = tasks;
  if (features.length > 0) model.features = features;
  return model;
}

const contextLength = (value: unknown): number | null =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31 ? value : null;

const isPrice = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const priceOf = ({ price_input: input, price_output: output }: Record<string, unknown>): Prices | null =>
  isPrice(input) && isPrice(output) ? { input, output } : null;

/** Which models cost more upstream than the node is paid for them, as a clause for its operator; null for none. */
export function dearer(lent: readonly LentModel[], priceOf: (model: string) => Prices): string | null {
  const dear = lent.filter(({ model, price }) => {
    const own = priceOf(model.name);
    return price && (price.input > own.input || price.output > own.output);
  });
  const [first] = dear;
  if (!first?.price) return null;
  const { input, output } = first.price;
  const own = priceOf(first.model.name);
  const names = dear.slice(0, SHOWN).map(({ model }) => model.name);
  const more = dear.length > SHOWN ? ` and ${dear.length - SHOWN} more` : "";
  return `asks more than this node does for ${names.join(", ")}${more} (${first.model.name}: ${input} and ${output} µ$ a million tokens; this node ${own.input} and ${own.output})`;
}
