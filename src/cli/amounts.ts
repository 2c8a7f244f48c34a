// Amounts: USD as people write them, and as they are shown.
import { typedUsd, usd } from "../lib/money.ts";
import { CliError, EXIT } from "./cli-error.ts";

/** USD in µ$, exactly: "25", "0.5", "-3.20" where it may be below zero. Never 0. */
export function amountOf(text: string, { signed = false }: { signed?: boolean } = {}): number {
  const amount = typedUsd(text, { signed });
  if (amount !== undefined) return amount;
  throw new CliError(`${JSON.stringify(text)} is no amount${signed ? "" : " above zero"} in USD`, {
    exitCode: EXIT.usage,
    hint: signed ? "write it like 25, 0.5 or -3.20" : "write it like 25 or 0.5: at most six digits behind the point",
  });
}

/** µ$ as people read them: "$1.25", "-$0.000001". */
export const dollars = (micro: number): string => `${micro < 0 ? "-" : ""}$${usd(Math.abs(micro))}`;
