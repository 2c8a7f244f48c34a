// Terms: a node's slots, prices and hours as its page shows them, and what was typed into its form as a command takes it.
import type { Fault } from "../../../web/parts/field.tsx";
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
import type { Fields } from "../money/form.ts";
import { sentence } from "../words.ts";

/** What is changed often; the finer rules are for the command line. */
export const FORM_TERMS = ["slots", "price_input", "price_output", "prices", "schedule", "idle_only"] as const;
export type FormTerm = (typeof FORM_TERMS)[number];
/** As the fields have them. Left out where it cannot be changed here. */
export type TermTexts = Partial<Record<FormTerm, string>>;
/** `was`: as the node told them when the form was made. */
export type TermsFormView = { texts: TermTexts; was: TermTexts };

export type TermsShown = {
  told: NodeTerms;
  /** Null where the node does not let this coordinator change any. */
  form: TermsFormView | null;
  /** The newest change that is under way, or that came to nothing lately. */
  command: CommandRow | null;
};

/** Of prices in the form. Browsers may send three bytes for each, and a form has at most 64 KiB. */
const MAX_LINES_BYTES = 8_000;
/** What came to nothing is shown for so long, unless it was tried again. */
const FAILED_SHOWN_MS = 86_400_000;

/** `commands`: the newest first. */
export function termsShown(told: NodeTerms | null, commands: readonly CommandRow[], nowMs: number): TermsShown | null {
  if (told === null) return null;
  const changes = commands.filter(({ command }) => command === "configure");
  const asked = changes.filter(({ ended_ms: endedMs }) => endedMs === null).toReversed();
  const wanted = asked.reduce<NodeTerms>((terms, one) => Object.assign(terms, one.terms), { ...told });
  const form = { texts: textsOf(wanted, told), was: textsOf(told, told) };
  const changeable = told.allows.includes("configure") && Object.keys(form.was).length > 0;
  return { told, form: changeable ? form : null, command: toldOf(changes[0], nowMs) };
}

function toldOf(row: CommandRow | undefined, nowMs: number): CommandRow | null {
  if (!row || row.state === "completed" || row.state === "cancelled") return null;
  return row.ended_ms !== null && nowMs - row.ended_ms > FAILED_SHOWN_MS ? null : row;
}

function textsOf(terms: NodeTerms, told: NodeTerms): TermTexts {
  const shown = FORM_TERMS.filter((term) => !told.fixed.includes(term) && (term !== "prices" || areLines(told)));
  return Object.fromEntries(shown.map((term) => [term, textOf(terms, term)]));
}

/** Each of them is a line that reads back as what it was, and a form has room for all, as they were too. */
const areLines = (terms: NodeTerms): boolean => {
  const patterns = Object.keys(terms.prices);
  const fit = patterns.length <= MAX_CHANGED_PATTERNS && Buffer.byteLength(textOf(terms, "prices")) <= MAX_LINES_BYTES;
  return fit && patterns.every((one) => one === one.trim());
};

function textOf(terms: NodeTerms, term: FormTerm): string {
  if (term === "price_input" || term === "price_output") return usd(terms[term]);
  if (term === "schedule") return terms.schedule.join("\n");
  if (term !== "prices") return String(terms[term]);
  return Object.entries(terms.prices)
    .map(([pattern, { input, output }]) => `${pattern} ${usd(input)} ${usd(output)}`)
    .join("\n");
}

/** What a sent form shows, should it be shown again. */
export function formOf(fields: Fields): TermsFormView {
  const named = (prefix: string) =>
    Object.fromEntries(
      FORM_TERMS.flatMap((term) => {
        const was = fields[`was.${term}`];
        return was === undefined ? [] : [[term, linesOf(fields[`${prefix}${term}`] ?? UNTYPED[term] ?? "")]];
      }),
    );
  return { texts: named(""), was: named("was.") };
}
/** A box that is not ticked sends nothing. */
const UNTYPED: TermTexts = { idle_only: "false" };
const linesOf = (text: string): string => text.replaceAll(/\r\n?/g, "\n");

/** Only what differs from what the form was made with, so that nothing is undone that changed meanwhile. */
export function termsTyped({ texts, was }: TermsFormView): Result<TermsChange | null, Fault> {
  const change: Partial<Record<Term, unknown>> = {};
  for (const term of FORM_TERMS) {
    const text = texts[term];
    if (text === undefined || text.trim() === was[term]?.trim()) continue;
    const value = valueIn(term, text.trim());
    if (!value.ok) return err({ field: term, words: value.error });
    change[term] = value.value;
  }
  if (Object.keys(change).length === 0) return ok(null);
  const parsed = termsChangeSchema.safeParse(change);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  return err({ field: String(issue?.path[0] ?? ""), words: sentence(issue?.message ?? "That is no value for this") });
}

const PRICE = "A price is a number of dollars, 0 or more: 0.25";
const LINE = /^(\S.*?)\s+(\S+)\s+(\S+)$/;

function valueIn(term: FormTerm, text: string): Result<unknown, string> {
  const lines = text.split("\n").flatMap((line) => line.trim() || []);
  switch (term) {
    case "slots":
      return /^\d{1,4}$/.test(text) ? ok(Number(text)) : err("A whole number of jobs up to 4,096; 0 asks its backends");
    case "price_input":
    case "price_output": {
      const price = microUsd(text);
      return price === undefined ? err(PRICE) : ok(price);
    }
    case "schedule":
      return ok(lines);
    case "idle_only":
      return ok(text === "true");
    case "prices":
      return pricesOf(lines);
  }
}

function pricesOf(lines: readonly string[]): Result<NodeTerms["prices"], string> {
  const prices = new Map<string, { input: number; output: number }>();
  for (const line of lines) {
    const [, pattern = "", first = "", second = ""] = LINE.exec(line) ?? [];
    const [input, output] = [microUsd(first), microUsd(second)];
    if (input === undefined || output === undefined) {
      return err(`“${line.slice(0, 80)}” is no price: write a model, then dollars in and out, as in llama3* 0.10 0.30`);
    }
    prices.set(pattern, { input, output });
  }
  return ok(Object.fromEntries(prices));
}
