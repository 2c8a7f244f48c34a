// Price rows: prices of single models as a form has them, a row a model, and as they are kept. A row says what it stood for
// when the form was made, so that only what was typed counts: what others changed meanwhile stays.
import { usd } from "../../lib/money.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { MAX_PRICE, type NodeTerms, patternSchema } from "../../protocol/terms.ts";
import { amountIn } from "./amount.ts";

export type Prices = NodeTerms["prices"];
const PRICE_FIELDS = ["name", "input", "output"] as const;
export type PriceField = (typeof PRICE_FIELDS)[number];
/**
 * As the fields have it, prices in dollars; without a name it goes. `former`: what it stood for, "" of a new one, the name
 * alone of one that is asked for and not there yet.
 */
export type PriceRow = Readonly<Record<PriceField, string> & { former: string }>;
/** `row`: its place among those of the form. */
export type PriceFault = { row: number; field: PriceField; words: string };

type Texts = Record<PriceField, string>;
const textsOf = (name: string, { input, output }: Prices[string]): Texts => ({
  ...{ name, input: usd(input), output: usd(output) },
});
/** Names have no control characters. */
const formerText = (texts: Texts): string => PRICE_FIELDS.map((field) => texts[field]).join("\t");
const formerName = ({ former }: PriceRow): string | null => (former === "" ? null : (former.split("\t")[0] ?? null));

/** By name. */
export const rowsOf = (prices: Prices): PriceRow[] =>
  Object.entries(prices)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, price]) => textsOf(name, price))
    .map((texts) => ({ former: formerText(texts), ...texts }));

/** As they would be, in a form that was made with them as they are: what goes has lost its name. */
export function rowsFrom(are: Prices, wanted: Prices): PriceRow[] {
  const [wants, has] = [new Map(Object.entries(wanted)), new Set(Object.keys(are))];
  const kept = rowsOf(are).map((row) => {
    const price = wants.get(row.name);
    return { former: row.former, ...(price ? textsOf(row.name, price) : { ...row, former: row.former, name: "" }) };
  });
  const added = rowsOf(wanted).filter(({ name }) => !has.has(name));
  return [...kept, ...added.map((row) => ({ ...row, former: row.name }))];
}

/** What would have to be typed to have back what was: the rows that differ. */
export function rowsBack(was: Prices, is: Prices): PriceRow[] {
  const before = new Map(rowsOf(was).map((row) => [row.name, row]));
  const after = new Map(rowsOf(is).map((row) => [row.name, row]));
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [before.get(name), after.get(name)];
    if (old?.former === now?.former) return [];
    return [{ name: "", input: "", output: "", ...old, former: now?.former ?? name }];
  });
}

const FIELDS = ["former", ...PRICE_FIELDS] as const;
/**
 * Those of a form; null where it has none. New ones that nothing was typed into are left out, and what is past `most` that
 * go, `most` that come and one too many: no page sends it.
 */
export function rowsIn(fields: URLSearchParams, prefix: string, most: number): PriceRow[] | null {
  const all = Object.fromEntries(FIELDS.map((field) => [field, fields.getAll(`${prefix}.${field}`)]));
  const names = all.name ?? [];
  if (names.length === 0) return null;
  return names
    .map((name, i) => ({
      former: all.former?.[i] ?? "",
      ...{ name, input: all.input?.[i] ?? "", output: all.output?.[i] ?? "" },
    }))
    .filter((row) => FIELDS.some((field) => row[field].trim() !== ""))
    .slice(0, 2 * most + 1);
}
/** As a form sends them. */
export const rowsAsFields = (rows: readonly PriceRow[], prefix: string): URLSearchParams =>
  new URLSearchParams(
    rows.flatMap((row) => FIELDS.map((field): [string, string] => [`${prefix}.${field}`, row[field]])),
  );

/** What the rows stood for, all of them. */
export function formerPrices(rows: readonly PriceRow[]): Prices {
  const former = rows.flatMap((row) => {
    const [name = "", input, output] = row.former.split("\t");
    return input === undefined || output === undefined ? [] : [{ former: name, name, input, output }];
  });
  const read = pricesTyped(former, {});
  return read.ok ? read.value : {};
}

const NAME_RULE = "Write a model's name, or how names begin with a * behind: llama3*.";
const TWICE = "Another row is for this one.";

/** The prices that are there now, changed as it was typed; or what is wrong with which fields. */
export function pricesTyped(rows: readonly PriceRow[], now: Prices): Result<Prices, readonly PriceFault[]> {
  const faults: PriceFault[] = [];
  const gone = new Set<string>();
  const typed = new Map<string, Prices[string]>();
  const untouched = new Set(rows.flatMap((row) => (row.former === formerText(row) ? row.name : [])));
  rows.forEach((row, at) => {
    if (row.former === formerText(row)) return;
    const wrong = (field: PriceField, words: string) => faults.push({ row: at, field, words });
    const former = formerName(row);
    const name = row.name === former ? row.name : row.name.trim();
    if (former !== null && former !== name) gone.add(former);
    if (former !== null && name === "") return;
    if (!isPattern(name)) wrong("name", NAME_RULE);
    else if (untouched.has(name) || typed.has(name)) wrong("name", TWICE);
    const [input, output] = [amountIn(row.input, PRICE), amountIn(row.output, PRICE)];
    if (!input.ok) wrong("input", `Input price ${input.error}.`);
    if (!output.ok) wrong("output", `Output price ${output.error}.`);
    typed.set(name, { input: input.ok ? input.value : 0, output: output.ok ? output.value : 0 });
  });
  if (faults.length > 0) return err(faults);
  const next = new Map(Object.entries(now));
  for (const name of gone) next.delete(name);
  for (const [name, price] of typed) next.set(name, price);
  return ok(Object.fromEntries(next));
}

const PRICE = { unit: { text: "per million tokens", sign: "$", digits: 6 }, min: 0, max: MAX_PRICE };
/** A record has no entry of that name. */
const isPattern = (name: string): boolean => name !== "__proto__" && patternSchema.safeParse(name).success;
