// Prices: what is asked for a model's tokens, for all models of a node and for some of them apart.
import { z } from "zod";

const amount = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/** µ$ per million tokens. */
export const pricesSchema = z.object({ input: amount, output: amount });
export type Prices = z.infer<typeof pricesSchema>;

const MAX_PRICED_MODELS = 1024;
/** By the model's name. */
export const modelPricesSchema = z
  .record(z.string().min(1).max(256), pricesSchema)
  .refine((prices) => Object.keys(prices).length <= MAX_PRICED_MODELS, `more than ${MAX_PRICED_MODELS} models`);

/** What a node says of its prices: for every model, and for those that are named. */
export type PriceList = {
  readonly prices: Prices;
  readonly model_prices?: Readonly<Record<string, Prices>> | undefined;
};

export const priceOf = ({ prices, model_prices: named }: PriceList, model: string): Prices =>
  (named !== undefined && Object.hasOwn(named, model) ? named[model] : undefined) ?? prices;

export const samePrices = (one: Prices, other: Prices): boolean =>
  one.input === other.input && one.output === other.output;

/**
 * Prices by patterns: a model's name, with or without Ollama's `:latest`, or the beginning of names with a `*` behind it.
 * The longest that fits is the model's, a whole name before a beginning.
 */
export type PricePatterns = Readonly<Record<string, Prices>>;

/** What the patterns say of the model; undefined where none fits. */
export function patternPrice(patterns: PricePatterns, model: string): Prices | undefined {
  let best: { length: number; prices: Prices } | undefined;
  for (const [pattern, prices] of Object.entries(patterns)) {
    const length = fit(pattern, model);
    if (length > (best?.length ?? NONE)) best = { length, prices };
  }
  return best?.prices;
}

const NONE = -1;
const LATEST = ":latest";

/** How much of the model's name the pattern tells, a whole name more than any beginning; NONE where it does not fit. */
function fit(pattern: string, model: string): number {
  if (pattern === model) return Number.MAX_SAFE_INTEGER;
  if (`${pattern}${LATEST}` === model || `${model}${LATEST}` === pattern) return Number.MAX_SAFE_INTEGER - 1;
  if (!pattern.endsWith("*")) return NONE;
  const beginning = pattern.slice(0, -1);
  return model.startsWith(beginning) ? beginning.length : NONE;
}
