// Period: the days that a page of money shows, as its address has them.

import { shortDay } from "../../../web/parts/text.tsx";
import { type Period, parsePeriod } from "../../lib/period.ts";
import { sentence } from "../words.ts";

export type Days = {
  /** As typed. */
  from: string;
  to: string;
  /** Null: all of it. */
  period: Period | null;
  /** What is wrong with what was typed. */
  why: string | null;
};

/** Longest text that is looked at. */
const MAX_CHARS = 32;

/** `?from=2026-03-01&to=2026-03-31`, either left out. */
export function daysOf({ query }: { query: URLSearchParams }, nowMs: number): Days {
  const [from = "", to = ""] = ["from", "to"].map((name) => (query.get(name) ?? "").slice(0, MAX_CHARS));
  if (from === "" && to === "") return { from, to, period: null, why: null };
  const period = parsePeriod({ from: from === "" ? "1970-01-01" : from, to }, nowMs);
  return period.ok
    ? { from, to, period: period.value, why: null }
    : { from, to, period: null, why: sentence(period.error) };
}

export const DAY_MS = 86_400_000;
/** UTC's, counted from the Unix epoch. */
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);
/** `4 Mar`, below a bar. */
export const dayLabel = (day: number): string => shortDay(day * DAY_MS);
