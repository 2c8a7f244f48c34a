// Form: what the form for a new key says, as the operation takes it.

import type { Fault } from "../../../web/parts/field.tsx";
import { CLIENT_SCOPES } from "../../accounts/key-rights.ts";
import { microUsd } from "../../lib/money.ts";
import { err, ok, type Result } from "../../lib/result.ts";

const DAY_S = 86_400;
/** How long a key is good for, by the form's word for it. */
const LIFES_S: Readonly<Record<string, number>> = {
  "7d": 7 * DAY_S,
  "30d": 30 * DAY_S,
  "90d": 90 * DAY_S,
  "1y": 365 * DAY_S,
};

type Input = Record<string, unknown>;

/** What is left empty is not limited. */
export function keyInput(fields: Readonly<Record<string, string>>): Result<Input, Fault> {
  const lines = (name: string) => (fields[name] ?? "").split(/[\r\n,]+/).flatMap((line) => line.trim() || []);
  const life = LIFES_S[fields.expires ?? ""];
  const input: Input = {
    name: fields.name ?? "",
    role: fields.role === "operator" ? "operator" : "client",
    scopes: CLIENT_SCOPES.filter((scope) => fields[`scope:${scope}`] !== undefined),
    models: lines("models"),
    ...(lines("pools").length > 0 ? { pools: lines("pools") } : {}),
    ...(life === undefined ? {} : { expires_in_s: life }),
  };
  for (const name of ["requests_per_minute", "tokens_per_minute"]) {
    const text = (fields[name] ?? "").trim();
    if (text === "") continue;
    if (!/^\d{1,15}$/.test(text)) return err({ field: name, words: "A whole number, or nothing." });
    input[name] = Number(text);
  }
  for (const name of ["spend_day", "spend_total"]) {
    const text = (fields[name] ?? "").trim().replace(/^\$/, "");
    if (text === "") continue;
    const amount = microUsd(text);
    if (amount === undefined) return err({ field: name, words: "An amount in dollars, such as 2.50, or nothing." });
    input[name] = amount;
  }
  return ok(input);
}
