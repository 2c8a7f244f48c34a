// Typed: settings as forms have them: what is money in dollars, a share in percent, a list one entry a line, prices a model
// a row.
import type { PricesShown } from "../../../web/parts/price-table.tsx";
import { decimal } from "../../lib/decimal.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { MAX_PATTERNS, patternPricesSchema } from "../../protocol/terms.ts";
import type { SettingKey } from "../../settings/settings.ts";
import { sentence } from "../words.ts";
import { amountIn, figureIn } from "./amount.ts";
import {
  type PriceFault,
  type PriceRow,
  type Prices,
  pricesTyped,
  rowsAsFields,
  rowsBack,
  rowsIn,
  rowsOf,
} from "./price-rows.ts";

/** Bytes of a form: 1,024 models with long names, each as it was and as it is to be, up to nine for a character. */
export const MAX_SETTING_FORM_BYTES = 6 * 1024 * 1024;
/** Of the fields of a table. */
export const ROWS = "row";

export type TypedKey = Pick<SettingKey, "kind" | "unit" | "nullable" | "min" | "max">;
/** What a form says of one setting. `rows`: of a table of prices. */
export type Typed = { text: string; rows: readonly PriceRow[] | null };
/** What was typed and not taken; `faults` where rows are wrong. */
export type SettingFault = { key: string; typed: Typed; words: string; faults: readonly PriceFault[] };
type Wrong = Pick<SettingFault, "words" | "faults">;

/** The prices of a setting of that kind. */
export const pricesIn = (value: unknown): Prices => patternPricesSchema.parse(value ?? {});

/** Of a list whose entries are chosen each is a field of its own; of a switch that is off only the one that says so. */
export function typedIn(kind: SettingKey["kind"], fields: URLSearchParams): Typed {
  const all = fields.getAll("value");
  return { text: (kind === "list" ? all.join("\n") : all.at(-1)) ?? "", rows: rowsIn(fields, ROWS, MAX_PATTERNS) };
}

/** A value as its field has it. */
export function fieldText({ kind, unit }: TypedKey, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (kind === "integer" && Number.isSafeInteger(value)) return decimal(BigInt(value as number), unit?.digits ?? 0);
  if (kind === "list" && Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join("\n");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What its field shows: what was typed and not taken, or its value. */
export function fieldShown(
  key: TypedKey & { value: unknown },
  fault: SettingFault | null,
): { text: string; prices: PricesShown | null } {
  const text = fault?.typed.text ?? fieldText(key, key.value);
  if (key.kind !== "prices") return { text, prices: null };
  return { text, prices: { rows: fault?.typed.rows ?? rowsOf(pricesIn(key.value)), faults: fault?.faults ?? [] } };
}

/** What was typed, as a setting is changed by it; in words what is wrong, where only the form can say it in its unit. */
export function fromForm(
  key: TypedKey & { value: unknown },
  { text, rows }: Typed,
): Result<{ value: string[] | number | Prices } | { text: string }, Wrong> {
  if (key.kind === "prices" && rows !== null) {
    const prices = pricesTyped(rows, pricesIn(key.value));
    if (prices.ok) return ok({ value: prices.value });
    return err({ words: "Nothing was saved.", faults: prices.error });
  }
  const read = fromField(key, text);
  return read.ok ? read : err({ words: sentence(read.error), faults: [] });
}

export function fromField(
  { kind, unit, nullable, min, max }: TypedKey,
  text: string,
): Result<{ value: string[] | number } | { text: string }, string> {
  if (kind === "list") return ok({ value: text.split(/\r?\n/).flatMap((line) => line.trim() || []) });
  if (kind !== "integer") return ok({ text });
  const isNone = nullable && text.trim() === "";
  if (isNone || !unit || unit.digits === 0) return ok({ text: figureIn(text, unit) });
  const amount = amountIn(text, { unit, min, max });
  return amount.ok ? ok({ value: amount.value }) : amount;
}

/** The fields that bring back what was kept before: of prices those that differ, so that others' changes stay. */
export function fieldsBack(key: TypedKey, before: unknown, after: unknown): URLSearchParams {
  if (key.kind === "prices") return rowsAsFields(rowsBack(pricesIn(before), pricesIn(after)), ROWS);
  return new URLSearchParams({ value: fieldText(key, before) });
}
