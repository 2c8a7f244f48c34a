// Amount: a figure with digits behind its point as people type it, read exactly: dollars, percent.
import { boundsText, settingText } from "../../../web/parts/setting-text.ts";
import { fromDecimal } from "../../lib/decimal.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { SettingUnit } from "../../settings/settings.ts";

type AmountKey = { unit: SettingUnit; min: number | null; max: number | null };

/** The integer that it stands for, or in words what it must be. */
export function amountIn(text: string, { unit, min, max }: AmountKey): Result<number, string> {
  const value = fromDecimal(figureIn(text, unit), unit.digits);
  const fits = value !== undefined && value >= (min ?? 0) && value <= (max ?? Number.MAX_SAFE_INTEGER);
  if (fits) return ok(value);
  const least = settingText({ unit: { ...unit, text: "" } }, 1);
  return err(`must be ${boundsText({ unit, min, max }) ?? "a number"}, in steps of ${least.trim()}`);
}

/** Between groups of three digits. */
const GAP = /(?<=\d)\s(?=\d{3}(?!\d))/g;

/** The figure alone: pages write it with its unit and in groups of digits. */
export function figureIn(text: string, unit: SettingUnit | null): string {
  const [before, after] = [unit?.sign ?? "", unit?.text ?? ""];
  const typed = text.trim();
  const bare = typed.slice(typed.startsWith(before) ? before.length : 0);
  return bare
    .slice(0, bare.endsWith(after) ? bare.length - after.length : bare.length)
    .trim()
    .replace(GAP, "");
}
