// Setting text: a setting's value and its bounds in words: `$2.00 per million tokens`, `12 %`, `1 to 3 600 seconds`.
import { decimal } from "../../src/lib/decimal.ts";
import type { SettingKind, SettingUnit } from "../../src/settings/settings.ts";
import { dollars, number } from "./text.tsx";

/** What is needed of a setting to say its values. */
export type Worded = { kind: SettingKind; unit: SettingUnit | null };

/** A value as a sentence has it. */
export function settingText({ unit }: Pick<Worded, "unit">, value: unknown): string {
  if (value === null || value === undefined || value === "") return "not set";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    return `${figure(unit, value)}${after(unit, value)}`;
  }
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join(", ") || "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

type Bounds = Pick<Worded, "unit"> & { min: number | null; max: number | null };
/** What an integer may be; null of anything else. */
export const boundsText = ({ unit, min, max }: Bounds): string | null =>
  min === null || max === null ? null : `${figure(unit, min)} to ${figure(unit, max)}${after(unit, max)}`;

function figure(unit: SettingUnit | null, value: number): string {
  if (unit?.sign === "$") return dollars(value);
  const [whole = "", fraction] = decimal(BigInt(value), unit?.digits ?? 0).split(".");
  return `${unit?.sign ?? ""}${number(BigInt(whole))}${fraction === undefined ? "" : `.${fraction}`}`;
}

/** One second, two seconds. */
function after(unit: SettingUnit | null, value: number): string {
  if (!unit || unit.text === "") return "";
  return ` ${value === 1 && unit.sign === "" ? unit.text.replace(/s$/, "") : unit.text}`;
}
