// JSON: u64 as Solana's RPC writes them: bare integers that a double cannot hold.

/** Bigints become bare integers. */
export const stringify = (value: unknown): string =>
  JSON.stringify(value, (_key, each) => (typeof each === "bigint" ? rawJson(each.toString()) : each));

/** Bare integers that a double cannot hold become bigints. */
export const parseJson = (text: string): unknown =>
  JSON.parse(text, ((_key: string, value: unknown, { source }: { source?: string }) =>
    typeof value === "number" && source !== undefined && /^-?\d+$/.test(source) && !Number.isSafeInteger(value)
      ? BigInt(source)
      : value) as (key: string, value: unknown) => unknown);

/** In the runtime, not yet in its types. */
const { rawJSON: rawJson } = JSON as typeof JSON & { rawJSON(text: string): unknown };
