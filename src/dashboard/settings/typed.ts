// Typed: settings as forms have them: what is money in dollars, a share in percent, a list one entry a line.
import { boundsText, settingText } from "../../../web/parts/setting-text.ts";
import { decimal, fromDecimal } from "../../lib/decimal.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { SettingKey } from "../../settings/settings.ts";

/** Characters of a field: those of a table of prices. */
export const MAX_TYPED = 100_000;
/** Bytes of a form with such a field: up to three for a character, each of them written as three. */
export const MAX_SETTING_FORM_BYTES = 1024 * 1024;

export type TypedKey = Pick<SettingKey, "kind" | "unit" | "nullable" | "min" | "max">;

/** A value as its field has it. */
export function fieldText({ kind, unit }: TypedKey, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (kind === "integer" && Number.isSafeInteger(value)) return decimal(BigInt(value as number), unit?.digits ?? 0);
  if (kind === "list" && Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join("\n");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What was typed, as a setting is changed by it; in words what is wrong, where only the form can say it in its unit. */
export function fromField(
  key: TypedKey,
  text: string,
): Result<{ value: string[] | number } | { text: string }, string> {
  const { kind, unit, nullable, min, max } = key;
  if (kind === "list") return ok({ value: text.split(/\r?\n/).flatMap((line) => line.trim() || []) });
  const typed = kind === "integer" ? figureIn(text, unit) : text.trim();
  if (kind !== "integer" || (nullable && typed === "")) return ok({ text: kind === "integer" ? typed : text });
  if (!unit || unit.digits === 0) return ok({ text: typed });
  const value = fromDecimal(typed, unit.digits);
  const fits = value !== undefined && value >= (min ?? 0) && value <= (max ?? Number.MAX_SAFE_INTEGER);
  if (fits) return ok({ value });
  const least = settingText({ unit: { ...unit, text: "" } }, 1);
  return err(`must be ${boundsText(key) ?? "a number"}, in steps of ${least.trim()}`);
}

/** Between groups of three digits. */
const GAP = /(?<=\d)\s(?=\d{3}(?!\d))/g;

/** The figure alone: pages write it with its unit and in groups of digits. */
function figureIn(text: string, unit: TypedKey["unit"]): string {
  const [before, after] = [unit?.sign ?? "", unit?.text ?? ""];
  const typed = text.trim();
  const bare = typed.slice(typed.startsWith(before) ? before.length : 0);
  return bare
    .slice(0, bare.endsWith(after) ? bare.length - after.length : bare.length)
    .trim()
    .replace(GAP, "");
}
