// Price bounds: what a coordinator lets its nodes ask for. Bounds and prices are µ$ per million tokens, both ends allowed.

type Bounds = { readonly min: number; readonly max: number };
/** `[coordinator] price_input_min` and its neighbours. */
export type PriceBounds = { readonly input: Bounds; readonly output: Bounds };

export const ANY_PRICE: PriceBounds = {
  input: { min: 0, max: Number.MAX_SAFE_INTEGER },
  output: { min: 0, max: Number.MAX_SAFE_INTEGER },
};

/** What is wrong with a node's prices, for its operator to read; null where nothing is. */
export function priceRefusal(
  bounds: PriceBounds,
  prices: { readonly input: number; readonly output: number },
): string | null {
  const wrong = (["input", "output"] as const).flatMap((direction) => {
    const price = prices[direction];
    const { min, max } = bounds[direction];
    if (price < min) return [`price_${direction} is ${price}, and the least here is ${min}`];
    return price > max ? [`price_${direction} is ${price}, and the most here is ${max}`] : [];
  });
  return wrong.length === 0 ? null : `its models are not offered: ${wrong.join("; ")} (µ$ per million tokens)`;
}
