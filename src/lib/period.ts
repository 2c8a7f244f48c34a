// Period: a span of time as people and query strings write it. Days and months are UTC's.
import { err, ok, type Result } from "./result.ts";

/** From `fromMs` on, up to and without `toMs`; both ms since 1970. */
export type Period = { fromMs: number; toMs: number };
/** As written; what is left out is null or undefined. */
export type PeriodText = {
  /** `2026-03`. */
  month?: string | null | undefined;
  /** `2026-03-01`, or a moment: `2026-03-01T12:00:00Z`. */
  from?: string | null | undefined;
  /** The same; a day is meant with all of it. */
  to?: string | null | undefined;
};

const DAY_MS = 86_400_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/** The month that `nowMs` is in where nothing is said; up to `nowMs` where no end is. */
export function parsePeriod({ month, from, to }: PeriodText, nowMs: number): Result<Period, string> {
  if (month) {
    if (from || to) return err("give either a month, or from and to");
    return monthOf(month);
  }
  const start = from ? momentOf(from, 0) : startOfMonth(nowMs);
  const end = to ? momentOf(to, DAY_MS) : nowMs + 1;
  if (start === null) return err(`${JSON.stringify(from)} is no day like 2026-03-01 and no moment`);
  if (end === null) return err(`${JSON.stringify(to)} is no day like 2026-03-31 and no moment`);
  return start < end ? ok({ fromMs: start, toMs: end }) : err("the end must be after the beginning");
}

function monthOf(text: string): Result<Period, string> {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text);
  if (!match) return err(`${JSON.stringify(text)} is no month like 2026-03`);
  const [year, month] = [Number(match[1]), Number(match[2])];
  return ok({ fromMs: Date.UTC(year, month - 1, 1), toMs: Date.UTC(year, month, 1) });
}

function startOfMonth(nowMs: number): number {
  const now = new Date(nowMs);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1);
}

/** Null where there is no such day or moment. */
function momentOf(text: string, afterDayMs: number): number | null {
  const isDay = DAY.test(text);
  if (!isDay && !MOMENT.test(text)) return null;
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || ms < 0) return null;
  // Date.parse takes the 30th of February for the 2nd of March.
  if (isDay && new Date(ms).toISOString().slice(0, 10) !== text) return null;
  return isDay ? ms + afterDayMs : ms;
}
