// Terms: a node's slots, prices and hours as its page shows them, and what was typed into its form as a command takes it.
import type { Fault } from "../../../web/parts/field.tsx";
import type { PricesShown } from "../../../web/parts/price-table.tsx";
import type { CommandRow } from "../../admin/operations.ts";
import { microUsd, usd } from "../../lib/money.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import {
  MAX_CHANGED_PATTERNS,
  type NodeTerms,
  type Term,
  type TermsChange,
  termsChangeSchema,
} from "../../protocol/terms.ts";
import { formerPrices, pricesTyped, rowsFrom, rowsIn } from "../settings/price-rows.ts";
import { sentence } from "../words.ts";

/** What is changed often; the finer rules are for the command line. */
export const FORM_TERMS = ["slots", "price_input", "price_output", "schedule", "idle_only"] as const;
export type FormTerm = (typeof FORM_TERMS)[number];
/** As the fields have them. Left out where it cannot be changed here. */
export type TermTexts = Partial<Record<FormTerm, string>>;
/** `was`: as the node told them when the form was made. `prices`: of single models; null where they cannot be changed. */
export type TermsFormView = { texts: TermTexts; was: TermTexts; prices: PricesShown["rows"] | null };
/** What was wrong with it: one of its fields, or fields of its table. */
export type TermsFault = Fault & { prices: PricesShown["faults"] };

export type TermsShown = {
  told: NodeTerms;
  /** Null where the node does not let this coordinator change any. */
  form: TermsFormView | null;
  /** The newest change that is under way, or that came to nothing lately. */
  command: CommandRow | null;
};

/** Bytes of its form: as many models with long names, each as it was and as it is to be, and its hours; nine a character. */
export const MAX_TERMS_FORM_BYTES = 1024 * 1024;
/** What came to nothing is shown for so long, unless it was tried again. */
const FAILED_SHOWN_MS = 86_400_000;

/** `commands`: the newest first. */
export function termsShown(told: NodeTerms | null, commands: readonly CommandRow[], nowMs: number): TermsShown | null {
  if (told === null) return null;
  const changes = commands.filter(({ command }) => command === "configure");
  const asked = changes.filter(({ ended_ms: endedMs }) => endedMs === null).toReversed();
  const wanted = asked.reduce<NodeTerms>((terms, one) => Object.assign(terms, one.terms), { ...told });
  const areFew = Object.keys(told.prices).length <= MAX_CHANGED_PATTERNS;
  const prices = told.fixed.includes("prices") || !areFew ? null : rowsFrom(told.prices, wanted.prices);
  const form = { texts: textsOf(wanted, told), was: textsOf(told, told), prices };
  const changeable = told.allows.includes("configure") && (prices !== null || Object.keys(form.was).length > 0);
  return { told, form: changeable ? form : null, command: toldOf(changes[0], nowMs) };
}

function toldOf(row: CommandRow | undefined, nowMs: number): CommandRow | null {
  if (!row || row.state === "completed" || row.state === "cancelled") return null;
  return row.ended_ms !== null && nowMs - row.ended_ms > FAILED_SHOWN_MS ? null : row;
}

function textsOf(terms: NodeTerms, told: NodeTerms): TermTexts {
  const shown = FORM_TERMS.filter((term) => !told.fixed.includes(term));
  return Object.fromEntries(shown.map((term) => [term, textOf(terms, term)]));
}

function textOf(terms: NodeTerms, term: FormTerm): string {
  if (term === "price_input" || term === "price_output") return usd(terms[term]);
  return term === "schedule" ? terms.schedule.join("\n") : String(terms[term]);
}

/** What a sent form shows, should it be shown again. */
export function formOf(fields: URLSearchParams): TermsFormView {
  const named = (prefix: string) =>
    Object.fromEntries(
      FORM_TERMS.flatMap((term) =>
        fields.has(`was.${term}`) ? [[term, linesOf(fields.get(`${prefix}${term}`) ?? UNTYPED[term] ?? "")]] : [],
      ),
    );
  return { texts: named(""), was: named("was."), prices: rowsIn(fields, "prices", MAX_CHANGED_PATTERNS) };
}
/** A box that is not ticked sends nothing. */
const UNTYPED: TermTexts = { idle_only: "false" };
const linesOf = (text: string): string => text.replaceAll(/\r\n?/g, "\n");

/** Only what differs from what the form was made with, so that nothing is undone that changed meanwhile. */
export function termsTyped({ texts, was, prices: rows }: TermsFormView): Result<TermsChange | null, TermsFault> {
  const were = formerPrices(rows ?? []);
  const prices = pricesTyped(rows ?? [], were);
  const wrong = (field: string, words: string) => err({ field, words, prices: prices.ok ? [] : prices.error });
  const change: Partial<Record<Term, unknown>> = {};
  for (const term of FORM_TERMS) {
    const text = texts[term];
    if (text === undefined || text.trim() === was[term]?.trim()) continue;
    const value = valueIn(term, text.trim());
    if (!value.ok) return wrong(term, value.error);
    change[term] = value.value;
  }
  if (prices.ok && !isSame(prices.value, were)) change.prices = prices.value;
  const parsed = Object.keys(change).length === 0 ? ok(null) : read(change);
  if (!parsed.ok) return wrong(parsed.error.field, parsed.error.words);
  return prices.ok ? parsed : wrong("prices", "Some prices are not right.");
}

function read(change: Partial<Record<Term, unknown>>): Result<TermsChange, { field: string; words: string }> {
  const parsed = termsChangeSchema.safeParse(change);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  return err({ field: String(issue?.path[0] ?? ""), words: sentence(issue?.message ?? "That is no value for this") });
}

const PRICE = "A price is a number of dollars, 0 or more: 0.25";
const isSame = (a: NodeTerms["prices"], b: NodeTerms["prices"]): boolean => JSON.stringify(a) === JSON.stringify(b);

function valueIn(term: FormTerm, text: string): Result<unknown, string> {
  switch (term) {
    case "slots":
      return /^\d{1,4}$/.test(text) ? ok(Number(text)) : err("A whole number of jobs up to 4,096; 0 asks its backends");
    case "price_input":
    case "price_output": {
      const price = microUsd(text);
      return price === undefined ? err(PRICE) : ok(price);
    }
    case "schedule":
      return ok(text.split("\n").flatMap((line) => line.trim() || []));
    case "idle_only":
      return ok(text === "true");
  }
}
