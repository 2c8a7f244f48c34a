// Usage view: what was used in a span of days, by the day, by model or by key, as a chart and as a table.
import { MOST_SERIES } from "../../../web/parts/bars.tsx";
import type { UsageDay } from "../../stats/usage.ts";

export const USAGE_RANGES = ["7", "30", "90"] as const;
export const USAGE_GROUPS = ["day", "model", "key"] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];
export const MEASURES = ["cost", "requests", "output", "prompt"] as const;
export type Measure = (typeof MEASURES)[number];
export const SORTS = ["name", "requests", "prompt", "output", "cost"] as const;
export type UsageSort = (typeof SORTS)[number];

export type UsageAsked = {
  /** Days back from today, or a month: `2026-03`. */
  range: string;
  group: UsageGroup;
  measure: Measure;
  sort: UsageSort;
  order: "ascending" | "descending";
};
/** UTC's, counted from the Unix epoch, both included. */
export type Days = { fromDay: number; toDay: number };

export type UsageSums = { requests: number; completed: number; prompt: number; output: number; cost: number };
export type UsageLine = UsageSums & {
  /** The day as a number, the model, or the key's id; empty for what no key asked. */
  of: string;
  /** Null where it has none. */
  name: string | null;
  /** All keys or models that are too small to be told apart. */
  others: boolean;
};
export type UsageView = {
  sums: UsageSums;
  lines: readonly UsageLine[];
  /** The largest series of the group first; the last may be all others. */
  series: readonly { of: string; name: string | null; others: boolean }[];
  /** For each day of the span what each series has of the measure. */
  days: readonly { day: number; values: readonly number[] }[];
};

const DAY_MS = 86_400_000;
const MAX_DAYS = 92;
/** No group is called so: a model's name is not empty, and neither is a key's id. */
const OTHERS = "\u0000";

/** Of a query string, where what is wrong or left out is the usual: the last 30 days by model. */
export function usageAsked(query: URLSearchParams, billing: boolean): UsageAsked {
  const one = <T extends string>(name: string, all: readonly T[], usual: T): T =>
    all.find((value) => value === query.get(name)) ?? usual;
  const range = query.get("range") ?? "30";
  const group = one("by", USAGE_GROUPS, "model");
  const measure = one("show", MEASURES, billing ? "cost" : "output");
  const sort = one("sort", SORTS, group === "day" ? "name" : "requests");
  return {
    range: /^\d{4}-(0[1-9]|1[0-2])$/.test(range) ? range : one("range", USAGE_RANGES, "30"),
    group,
    measure: billing || measure !== "cost" ? measure : "output",
    sort: billing || sort !== "cost" ? sort : "requests",
    order: query.get("order") === "ascending" ? "ascending" : "descending",
  };
}

export function daysOf({ range }: UsageAsked, nowMs: number): Days {
  const today = Math.floor(nowMs / DAY_MS);
  const [year, month] = range.split("-").map(Number);
  if (year === undefined || month === undefined) return { fromDay: today - Number(range) + 1, toDay: today };
  const fromDay = Date.UTC(year, month - 1, 1) / DAY_MS;
  return { fromDay, toDay: Math.min(Date.UTC(year, month, 1) / DAY_MS - 1, fromDay + MAX_DAYS) };
}

export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

const nothing = (): UsageSums => ({ requests: 0, completed: 0, prompt: 0, output: 0, cost: 0 });
function add(sums: UsageSums, row: UsageDay): void {
  sums.requests += row.requests;
  sums.completed += row.completed;
  sums.prompt += row.promptTokens;
  sums.output += row.completionTokens;
  sums.cost += row.charged;
}

export function usageView(rows: readonly UsageDay[], asked: UsageAsked, { fromDay, toDay }: Days): UsageView {
  const sums = nothing();
  const lines = new Map<string, UsageLine>();
  for (const row of rows) {
    add(sums, row);
    const of = groupOf(row, asked.group);
    const line = lines.get(of) ?? { of, name: nameOf(row, asked.group), others: of === OTHERS, ...nothing() };
    add(line, row);
    lines.set(of, line);
  }
  const series = seriesOf([...lines.values()], asked);
  const places = new Map(series.map(({ of }, i) => [of, i]));
  const last = series.length - 1;
  const days = Array.from({ length: toDay - fromDay + 1 }, (_, i) => ({
    day: fromDay + i,
    values: series.map(() => 0),
  }));
  for (const row of rows) {
    const { values } = days[row.day - fromDay] ?? { values: [] };
    const at = asked.group === "day" ? 0 : (places.get(groupOf(row, asked.group)) ?? last);
    const one = nothing();
    add(one, row);
    values[at] = (values[at] ?? 0) + one[asked.measure];
  }
  return { sums, lines: sorted([...lines.values()], asked), series, days };
}

function groupOf(row: UsageDay, group: UsageGroup): string {
  if (row.others) return OTHERS;
  if (group === "day") return String(row.day);
  return group === "model" ? row.model : (row.keyId ?? "");
}
function nameOf(row: UsageDay, group: UsageGroup): string | null {
  if (row.others) return null;
  if (group === "day") return dayText(row.day);
  return group === "model" ? row.model : row.keyName;
}

function seriesOf(lines: readonly UsageLine[], { group, measure }: UsageAsked): UsageView["series"] {
  if (group === "day") return [{ of: "", name: null, others: false }];
  const largest = lines
    .filter(({ others }) => !others)
    .toSorted((a, b) => b[measure] - a[measure] || (a.of < b.of ? -1 : 1));
  const all = largest.map(({ of, name }) => ({ of, name, others: false }));
  if (all.length === lines.length && all.length <= MOST_SERIES) return all;
  return [...all.slice(0, MOST_SERIES - 1), { of: OTHERS, name: null, others: true }];
}

function sorted(lines: UsageLine[], { group, sort, order }: UsageAsked): UsageLine[] {
  const text = ({ of, name }: UsageLine) => (name ?? of).toLowerCase();
  const compare = (a: UsageLine, b: UsageLine): number => {
    if (sort !== "name") return a[sort] - b[sort];
    if (group === "day") return Number(a.of) - Number(b.of);
    return text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
  };
  const sign = order === "ascending" ? 1 : -1;
  return lines.sort((a, b) => sign * compare(a, b) || (a.of < b.of ? -1 : 1));
}
