// Price bounds: what a coordinator lets its nodes ask for. Bounds and prices are µ$ per million tokens, both ends allowed.
import { type PriceList, type Prices, priceOf } from "../protocol/prices.ts";

type Bounds = { readonly min: number; readonly max: number };
/** `[coordinator] price_input_min` and its neighbours. */
export type PriceBounds = { readonly input: Bounds; readonly output: Bounds };

export const ANY_PRICE: PriceBounds = {
  input: { min: 0, max: Number.MAX_SAFE_INTEGER },
  output: { min: 0, max: Number.MAX_SAFE_INTEGER },
};

const DIRECTIONS = ["input", "output"] as const;
/** Models named in a message. */
const SHOWN = 3;
const NAME_CHARS = 64;

/** What is wrong with a model's prices; null where nothing is. */
export function priceFault(bounds: PriceBounds, prices: Prices): string | null {
  const wrong = DIRECTIONS.flatMap((direction) => {
    const price = prices[direction];
    const { min, max } = bounds[direction];
    if (price < min) return [`price_${direction} is ${price}, and the least here is ${min}`];
    return price > max ? [`price_${direction} is ${price}, and the most here is ${max}`] : [];
  });
  return wrong.length === 0 ? null : wrong.join("; ");
}

/** Which models of a node are not offered for their prices and why, for its operator to read; null where all are. */
export function priceRefusal(
  bounds: PriceBounds,
  serves: PriceList & { readonly models: readonly { readonly name: string }[] },
): string | null {
  const names = [...new Set(serves.models.map(({ name }) => name))];
  const refused = names.flatMap((name) => {
    const fault = priceFault(bounds, priceOf(serves, name));
    return fault === null ? [] : [{ name: name.slice(0, NAME_CHARS), fault }];
  });
  const usual = priceFault(bounds, serves.prices);
  if (refused.length === 0 && (usual === null || names.length > 0)) return null;
  const [first] = refused;
  const isAll = refused.length === names.length && refused.every(({ fault }) => fault === first?.fault);
  if (isAll) return `its models are not offered: ${first?.fault ?? usual} (µ$ per million tokens)`;
  const shown = refused.slice(0, SHOWN).map(({ name, fault }) => `${name} (${fault})`);
  const more = refused.length > SHOWN ? ` and ${refused.length - SHOWN} more` : "";
  return `not offered: ${shown.join(", ")}${more} (µ$ per million tokens)`;
}
