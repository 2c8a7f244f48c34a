// Values: what people write after flags, read into numbers; and which node they mean.
import { CliError, EXIT } from "./cli-error.ts";

const UNITS: Record<string, number> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400, w: 604_800 };

/** "90s", "15m", "24h", "30d" in seconds; a bare number is seconds. */
export function durationS(text: string, flag: string): number {
  const match = /^(\d{1,9})\s*([a-z]*)$/.exec(text.trim());
  const unit = UNITS[match?.[2] || "s"];
  if (!match || unit === undefined) {
    throw new CliError(`${flag} ${JSON.stringify(text)} is no length of time`, {
      exitCode: EXIT.usage,
      hint: "write it like 90s, 15m, 24h or 30d",
    });
  }
  return Number(match[1]) * unit;
}

/** A whole number within bounds. */
export function wholeNumber(text: string, flag: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new CliError(`${flag} ${JSON.stringify(text)} must be a whole number from ${min} to ${max}`, {
    exitCode: EXIT.usage,
  });
}

/** A number within bounds. */
export function decimal(text: string, flag: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max) return value;
  throw new CliError(`${flag} ${JSON.stringify(text)} must be a number from ${min} to ${max}`, {
    exitCode: EXIT.usage,
  });
}

/** The one known thing whose id is `text` or begins with it (at least 6 signs). */
export function pick<T>(known: readonly T[], idOf: (item: T) => string, text: string, what: string): T {
  const exact = known.find((item) => idOf(item) === text);
  if (exact) return exact;
  const near = text.length >= 6 ? known.filter((item) => idOf(item).startsWith(text)) : [];
  const [only] = near;
  if (only && near.length === 1) return only;
  throw new CliError(
    near.length > 1 ? `several ${what}s begin with ${text}` : `there is no ${what} ${JSON.stringify(text)}`,
    {
      hint: near.length > 1 ? "give more of it" : `give it in full, or its first 6 signs or more`,
    },
  );
}
