// The schedule as operators write it: what spans mean, and what is none.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isOpen, MINUTES_A_WEEK, nextOpening, parseSpan, type Span, weekMinute } from "./schedule.ts";

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/** "fri 18:00" as a minute of the week. */
function at(text: string): number {
  const [day = "", time = ""] = text.split(" ");
  const [hours, minutes] = time.split(":").map(Number);
  return DAYS.indexOf(day) * 1440 + (hours ?? 0) * 60 + (minutes ?? 0);
}
function spans(...texts: string[]): Span[] {
  return texts.map((text) => {
    const parsed = parseSpan(text);
    if (!parsed.ok) throw new Error(parsed.error);
    return parsed.value;
  });
}

describe("a schedule", () => {
  test.each([
    [["mon-fri 18:00-08:00"], "mon 17:59", false],
    [["mon-fri 18:00-08:00"], "mon 18:00", true],
    [["mon-fri 18:00-08:00"], "tue 07:59", true],
    [["mon-fri 18:00-08:00"], "tue 08:00", false],
    [["mon-fri 18:00-08:00"], "sat 07:59", true],
    [["mon-fri 18:00-08:00"], "mon 07:59", false],
    [["sat,sun"], "sat 00:00", true],
    [["sat,sun"], "sun 23:59", true],
    [["sat,sun"], "mon 00:00", false],
    [["sat 23:00-01:00"], "sun 00:59", true],
    [["22:00-06:00"], "wed 05:59", true],
    [["22:00-06:00"], "wed 06:00", false],
    [["fri-mon"], "sun 12:00", true],
    [["fri-mon"], "thu 12:00", false],
    [["9:30-24:00"], "mon 23:59", true],
    [["MON 08:00-09:00", "mon 10:00-11:00"], "mon 10:30", true],
    [["MON 08:00-09:00", "mon 10:00-11:00"], "mon 09:30", false],
  ] as const)("%j at %s: %p", (texts, time, open) => {
    expect(isOpen(spans(...texts), at(time))).toBe(open);
  });

  test("none at all is always", () => {
    expect(isOpen([], at("wed 12:00"))).toBe(true);
    expect(nextOpening([], 0)).toBeNull();
  });

  test.each(["", "  ", "funday", "mon-", "mon-fri-sun", "mon 18:00", "25:00-26:00", "10:60-11:00", "mon tue", "a b c"])(
    "%j is no span",
    (text) => {
      expect(parseSpan(text).ok).toBe(false);
    },
  );

  test("a span without length is refused, since it could mean all or nothing", () => {
    expect(parseSpan("mon 08:00-08:00")).toMatchObject({ ok: false, error: expect.stringContaining("same time") });
  });

  test("the next opening is named", () => {
    expect(nextOpening(spans("mon-fri 18:00-08:00"), at("fri 09:00"))).toBe("fri 18:00");
    expect(nextOpening(spans("mon-fri 18:00-08:00"), at("sat 09:00"))).toBe("mon 18:00");
    expect(nextOpening(spans("sat,sun"), at("fri 23:59"))).toBe("sat 00:00");
  });

  test("local time is the machine's own", () => {
    expect(weekMinute(new Date(2026, 10, 20, 18, 5))).toBe(at("fri 18:05"));
  });

  test("where it is closed, it is open at the next opening and not before", () => {
    const spanText = fc
      .tuple(fc.nat(6), fc.integer({ min: 0, max: 1439 }), fc.integer({ min: 1, max: 1439 }))
      .map(([day, from, minutes]) => {
        const time = (minute: number) => `${Math.floor(minute / 60)}:${String(minute % 60).padStart(2, "0")}`;
        return `${DAYS[day]} ${time(from)}-${time((from + minutes) % 1440)}`;
      });
    fc.assert(
      fc.property(fc.array(spanText, { minLength: 1, maxLength: 4 }), fc.nat(MINUTES_A_WEEK - 1), (texts, now) => {
        const week = spans(...texts);
        if (isOpen(week, now)) return;
        const opens = at(nextOpening(week, now) ?? "");
        const wait = (opens - now + MINUTES_A_WEEK) % MINUTES_A_WEEK;
        expect(isOpen(week, opens)).toBe(true);
        for (let minute = 0; minute < wait; minute++)
          if (isOpen(week, (now + minute) % MINUTES_A_WEEK)) throw new Error(`open after ${minute}`);
      }),
      { numRuns: 50 },
    );
  });
});
