// Money: amounts as integers of µ$ (1 USD is 1,000,000), exactly. No floating point touches an amount: a decimal is read
// digit by digit as it was written.
import { decimal } from "./decimal.ts";

const DECIMAL = /^(\d{1,32})(?:\.(\d{1,64}))?(?:e([+-]?\d{1,3}))?$/i;
const MICRO_DIGITS = 6;

/**
 * A price of so many USD in µ$, rounded down; undefined where it is no decimal, negative, or past what an integer holds
 * exactly. Takes JSON's numbers too, by their shortest writing, which is what the client wrote.
 */
export function microUsd(usd: string | number): number | undefined {
  const match = DECIMAL.exec(String(usd).trim());
  if (!match) return undefined;
  const [, whole = "", fraction = "", exponent = "0"] = match;
  // The point moves right by the exponent and by six; what is still behind it then is rounded off.
  const digits = whole + fraction;
  const point = whole.length + Number(exponent) + MICRO_DIGITS;
  if (point > 48) return /^0+$/.test(digits) ? 0 : undefined;
  const kept = point <= 0 ? "0" : digits.slice(0, point).padEnd(point, "0");
  const amount = BigInt(kept || "0");
  return amount <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(amount) : undefined;
}

/**
 * An amount as people type it, in µ$: "25", "$0.5", "-3.20" where it may be below zero. Undefined for what is no such
 * amount, has more than six digits behind the point, or is 0.
 */
export function typedUsd(text: string, { signed = false }: { signed?: boolean } = {}): number | undefined {
  const match = /^([+-]?)\$?(\d{1,9}(?:\.\d{1,6})?)$/.exec(text.trim());
  const amount = match?.[2] === undefined ? 0 : (microUsd(match[2]) ?? 0);
  if (amount === 0 || (match?.[1] === "-" && !signed)) return undefined;
  return match?.[1] === "-" ? -amount : amount;
}

/** µ$ in USD, exactly: two digits behind the point, or as many more as it takes. */
export function usd(micro: number | bigint): string {
  const text = decimal(BigInt(micro), MICRO_DIGITS);
  const [whole = "", fraction = ""] = text.split(".");
  return `${whole}.${fraction.padEnd(2, "0")}`;
}

/** From the lowest to the highest, in USD. */
export const usdRange = (least: number, most: number): string =>
  least === most ? usd(least) : `${usd(least)}–${usd(most)}`;

/** A price of so many µ$ per million tokens in USD per token, exactly, as OpenRouter writes it: "0.0000001". */
export const usdPerToken = (microPerMillion: number | bigint): string =>
  decimal(BigInt(microPerMillion), 2 * MICRO_DIGITS);
