// Form: what people typed into a form about money.

import type { Fault } from "../../../web/parts/field.tsx";
import { bodyFields } from "../../http/human/answers.ts";
import type { SignedInCall } from "../../http/routes.ts";
import { typedUsd } from "../../lib/money.ts";
import { err, ok, type Result } from "../../lib/result.ts";

export type Fields = Readonly<Record<string, string>>;

export const fieldsOf = (call: SignedInCall): Fields =>
  Object.fromEntries(
    Object.entries(bodyFields(call)).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );

/** µ$ of the field `name`, exactly; or what is wrong with it, in words. */
export function dollarsIn(fields: Fields, name: string, { signed = false } = {}): Result<number, Fault> {
  const text = fields[name] ?? "";
  const amount = typedUsd(text.slice(0, 64), { signed });
  if (amount !== undefined) return ok(amount);
  const like = signed ? "25, 0.5 or -3.20" : "25 or 0.5";
  const words =
    text.trim() === ""
      ? `Say how much, in dollars: ${like}.`
      : `That is no amount${signed ? "" : " above zero"} in dollars. Write it like ${like}, with at most six digits behind the point.`;
  return err({ field: name, words });
}
