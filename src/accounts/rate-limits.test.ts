import { expect, test } from "bun:test";
import fc from "fast-check";
import { manualClock } from "../lib/clock.ts";
import { MAX_RATE, type RateLimits, type RateMeter, rateMeter, type TokenReservation } from "./rate-limits.ts";

const metered = (limits: RateLimits) => {
  const clock = manualClock();
  return { clock, meter: rateMeter(clock, limits) };
};
const taken = (meter: RateMeter, tokens: number): TokenReservation => {
  const took = meter.take(tokens);
  if (!took.ok) throw new Error(`refused: ${JSON.stringify(took.error)}`);
  return took.value;
};

test("a minute's requests at once, and then one whenever its share of the minute is over", () => {
  const { clock, meter } = metered({ requests: 3, tokens: null });
  for (let i = 0; i < 3; i++) taken(meter, 1e9);
  const refused = { ok: false, error: { what: "requests", limit: 3, asked: 1, waitMs: 20_000 } } as const;
  expect(meter.take(0)).toEqual(refused);
  clock.advance(19_999);
  expect(meter.take(0)).toEqual({ ...refused, error: { ...refused.error, waitMs: 1 } });
  clock.advance(1);
  taken(meter, 0);
  expect(meter.take(0)).toEqual(refused);
});

test("tokens are taken as they might be used, and corrected by what was", () => {
  const { meter } = metered({ requests: null, tokens: 1_000 });
  const first = taken(meter, 600);
  expect(meter.take(600)).toMatchObject({ error: { what: "tokens", limit: 1_000, asked: 600, waitMs: 12_000 } });
  first.settle(100);
  expect(meter.standing().tokens).toEqual({ limit: 1_000, remaining: 900, resetMs: 6_000 });
  const second = taken(meter, 600);
  // More than was thought: the next one waits for it.
  second.settle(1_400);
  expect(meter.standing().tokens).toEqual({ limit: 1_000, remaining: 0, resetMs: 90_000 });
  expect(meter.take(1)).toMatchObject({ error: { waitMs: 30_060 } });
});

test("a second correction changes nothing", () => {
  const { meter } = metered({ requests: null, tokens: 1_000 });
  const only = taken(meter, 600);
  taken(meter, 400);
  only.settle(0);
  only.settle(0);
  expect(meter.standing().tokens?.remaining).toBe(600);
});

test("a request refused for its tokens is not counted as one", () => {
  const { meter } = metered({ requests: 2, tokens: 10 });
  taken(meter, 10);
  for (let i = 0; i < 5; i++) expect(meter.take(10).ok).toBe(false);
  expect(meter.standing().requests?.remaining).toBe(1);
});

test("what is larger than a minute's tokens passes when none are used, and is paid off before the next", () => {
  const { clock, meter } = metered({ requests: null, tokens: 100 });
  taken(meter, 1);
  expect(meter.take(250)).toMatchObject({ error: { waitMs: 600 } });
  clock.advance(600);
  taken(meter, 250);
  expect(meter.take(1)).toMatchObject({ error: { waitMs: 90_600 } });
  clock.advance(90_600);
  taken(meter, 1);
});

test("a clock that is put back keeps nobody waiting for longer", () => {
  let nowMs = 1_760_000_000_000;
  const meter = rateMeter({ nowMs: () => nowMs }, { requests: 60, tokens: null });
  for (let i = 0; i < 60; i++) taken(meter, 0);
  nowMs -= 3_600_000;
  expect(meter.take(0)).toMatchObject({ error: { waitMs: 1_000 } });
  nowMs += 1_000;
  taken(meter, 0);
});

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("take" as const), tokens: fc.nat({ max: 2_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      which: fc.nat(),
      share: fc.integer({ min: 0, max: 100 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat({ max: 30_000 }) }) },
);
const limits = fc.record({
  requests: fc.option(fc.integer({ min: 1, max: 30 })),
  tokens: fc.option(fc.integer({ min: 1, max: 1_500 })),
});

type Charge = { atMs: number; requests: number; tokens: number };

/** The most that was charged, less what was given back, in any stretch, beyond what flowed in during it. */
function worst(charges: readonly Charge[], of: "requests" | "tokens", limit: number): number {
  let most = 0;
  for (let from = 0; from < charges.length; from++) {
    let sum = 0;
    for (let to = from; to < charges.length; to++) {
      sum += charges[to]![of];
      const flowed = ((charges[to]!.atMs - charges[from]!.atMs) * limit) / 60_000;
      most = Math.max(most, sum - flowed);
    }
  }
  return most;
}

test("in no stretch of time more passes than the limit for it and one minute's worth", () => {
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 80 }), (given, script) => {
      const { clock, meter } = metered(given);
      let largest = 0;
      const charges: Charge[] = [];
      const open: { held: TokenReservation; tokens: number }[] = [];
      for (const act of script) {
        if (act.do === "wait") clock.advance(act.ms);
        else if (act.do === "take") {
          const took = meter.take(act.tokens);
          if (!took.ok) {
            expect(took.error.waitMs).toBeGreaterThanOrEqual(1);
            continue;
          }
          largest = Math.max(largest, act.tokens);
          charges.push({ atMs: clock.nowMs(), requests: 1, tokens: act.tokens });
          open.push({ held: took.value, tokens: act.tokens });
        } else {
          const [one] = open.length > 0 ? open.splice(act.which % open.length, 1) : [];
          if (!one) continue;
          const used = Math.floor((one.tokens * act.share) / 100);
          one.held.settle(used);
          charges.push({ atMs: clock.nowMs(), requests: 0, tokens: used - one.tokens });
        }
      }
      if (given.requests !== null)
        expect(worst(charges, "requests", given.requests)).toBeLessThanOrEqual(given.requests);
      // One that alone is more than a minute's worth passes by itself.
      if (given.tokens !== null)
        expect(worst(charges, "tokens", given.tokens)).toBeLessThanOrEqual(Math.max(given.tokens, largest));
    }),
  );
});

test("whoever waits as long as was said passes, and no earlier", () => {
  fc.assert(
    fc.property(
      fc.record({ requests: fc.integer({ min: 1, max: MAX_RATE }), tokens: fc.integer({ min: 1, max: MAX_RATE }) }),
      fc.array(fc.nat({ max: 3_000_000 }), { maxLength: 40 }),
      fc.nat({ max: 5_000_000 }),
      (given, before, tokens) => {
        const { clock, meter } = metered(given);
        for (const count of before) meter.take(count);
        const took = meter.take(tokens);
        if (took.ok) return;
        const { waitMs } = took.error;
        clock.advance(waitMs - 1);
        expect(meter.take(tokens).ok).toBe(false);
        clock.advance(1);
        expect(meter.take(tokens).ok).toBe(true);
      },
    ),
  );
});
