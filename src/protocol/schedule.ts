// Schedule: the spans of the week in which a node serves, as its operator writes them. Pure: the local time is given.
import { err, ok, type Result } from "../lib/result.ts";

export const MINUTES_A_DAY = 1440;
export const MINUTES_A_WEEK = 7 * MINUTES_A_DAY;
/** In the order of `Date.getDay()`. */
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** Minute of the week in local time, 0 being the start of Sunday. */
export type WeekMinute = number;

/** From `fromMinute` of each of the days, for `minutes`; it may reach into the next day. */
export type Span = { days: readonly number[]; fromMinute: number; minutes: number };

/** A machine's own clock on the wall, time zone and summer time included. */
export function weekMinute(date: Date): WeekMinute {
  return date.getDay() * MINUTES_A_DAY + date.getHours() * 60 + date.getMinutes();
}

/**
 * `mon-fri 18:00-08:00`, `sat,sun`, `22:00-06:00`: days (all where there are none), then times (the whole day where there
 * are none). Days are those on which the span begins; one that ends at or before its start ends on the next day.
 */
export function parseSpan(text: string): Result<Span, string> {
  // One line: as two it would be shown, and read again, as two spans.
  const parts = /[\r\n]/.test(text) ? [] : text.trim().toLowerCase().split(/\s+/);
  const [first = "", second] = parts;
  if (first === "" || parts.length > 2) return wrong(text);
  const onlyTimes = second === undefined && first.includes(":");
  const days = onlyTimes ? ok(DAYS.map((_, day) => day)) : parseDays(first);
  if (!days.ok) return days;
  const times = onlyTimes ? first : second;
  if (times === undefined) return ok({ days: days.value, fromMinute: 0, minutes: MINUTES_A_DAY });
  const [from, to, ...more] = times.split("-").map(parseTime);
  if (from === undefined || to === undefined || more.length > 0 || from === MINUTES_A_DAY) return wrong(text);
  if (from === to) return err(`${JSON.stringify(text)} begins and ends at the same time; for a whole day leave it out`);
  const minutes = to > from ? to - from : to + MINUTES_A_DAY - from;
  return ok({ days: days.value, fromMinute: from, minutes });
}

const wrong = (text: string) =>
  err(`${JSON.stringify(text)} is no span: write days, times or both, e.g. "mon-fri 18:00-08:00"`);

function parseDays(text: string): Result<number[], string> {
  const days = new Set<number>();
  for (const item of text.split(",")) {
    const [from = "", to = from, ...more] = item.split("-");
    const first = DAYS.indexOf(from);
    const last = DAYS.indexOf(to);
    if (first < 0 || last < 0 || more.length > 0)
      return err(`${JSON.stringify(item)} is no day: they are ${DAYS.join(", ")}, or a range such as mon-fri`);
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return ok([...days].toSorted((a, b) => a - b));
}

/** Minutes since midnight; 24:00 is the day's end. */
function parseTime(text: string): number | undefined {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text);
  if (!match) return undefined;
  const minutes = Number(match[1]) * 60 + Number(match[2]);
  return Number(match[2]) < 60 && minutes <= MINUTES_A_DAY ? minutes : undefined;
}

/** Whether the node serves at this time. No spans: always. */
export function isOpen(spans: readonly Span[], now: WeekMinute): boolean {
  return spans.length === 0 || spans.some((span) => span.days.some((day) => covers(span, day, now)));
}

function covers({ fromMinute, minutes }: Span, day: number, now: WeekMinute): boolean {
  const sinceStart = (now - day * MINUTES_A_DAY - fromMinute + 2 * MINUTES_A_WEEK) % MINUTES_A_WEEK;
  return sinceStart < minutes;
}

/** The next time at which a span begins, e.g. "fri 18:00"; null where there are none. */
export function nextOpening(spans: readonly Span[], now: WeekMinute): string | null {
  let soonest: number | null = null;
  for (const { days, fromMinute } of spans) {
    for (const day of days) {
      const wait = (day * MINUTES_A_DAY + fromMinute - now + 2 * MINUTES_A_WEEK) % MINUTES_A_WEEK;
      if (soonest === null || wait < soonest) soonest = wait;
    }
  }
  return soonest === null ? null : weekMinuteText((now + soonest) % MINUTES_A_WEEK);
}

function weekMinuteText(at: WeekMinute): string {
  const minutes = at % MINUTES_A_DAY;
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${DAYS[Math.floor(at / MINUTES_A_DAY)]} ${two(minutes / 60)}:${two(minutes % 60)}`;
}
