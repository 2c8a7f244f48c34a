// Setting text: a setting's value and its bounds in words: `$2.00 per million tokens`, `12 %`, `1 to 3 600 seconds`,
// `By invitation`.
import { decimal } from "../../src/lib/decimal.ts";
import type { SettingChoice, SettingUnit } from "../../src/settings/settings.ts";
import { dollars, number, plural } from "./text.tsx";

/** What is needed of a setting to say its values. */
export type Worded = { unit: SettingUnit | null; choices?: readonly SettingChoice[] };

/** A value as a sentence has it. */
export function settingText({ unit, choices = [] }: Worded, value: unknown): string {
  if (value === null || value === undefined || value === "") return "not set";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    return `${figure(unit, value)}${after(unit, value)}`;
  }
  const called = (one: string) => choices.find((choice) => choice.value === one)?.label ?? one;
  if (typeof value === "string") return called(value);
  if (!Array.isArray(value))
    return Object.keys(value).length === 0 ? "none" : plural(Object.keys(value).length, "entry", "entries");
  return value.every((one) => typeof one === "string") ? value.map(called).join(", ") || "none" : JSON.stringify(value);
}

/** What the rows of a table of prices are. */
export const PRICES_RULE = "Dollars per million tokens. A row whose name is emptied goes.";

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
