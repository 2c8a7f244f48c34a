import { expect, test } from "bun:test";
import fc from "fast-check";
import { MAX_RATE, type RateMeter, rateMeter, type TokenReservation } from "./rate-limits.ts";

const T0 = 1_760_000_000_000;
const taken = (meter: RateMeter, tokens: number, nowMs: number): TokenReservation => {
  const took = meter.take(tokens, nowMs);
  if (!took.ok) throw new Error(`refused: ${JSON.stringify(took.error)}`);
  return took.value;
};

test("a minute's requests at once, and then one whenever its share of the minute is over", () => {
  const meter = rateMeter({ requests: 3, tokens: null });
  for (let i = 0; i < 3; i++) taken(meter, 1e9, T0);
  const refused = { ok: false, error: { what: "requests", limit: 3, asked: 1, waitMs: 20_000 } } as const;
  expect(meter.take(0, T0)).toEqual(refused);
  expect(meter.take(0, T0 + 19_999)).toEqual({ ...refused, error: { ...refused.error, waitMs: 1 } });
  taken(meter, 0, T0 + 20_000);
  expect(meter.take(0, T0 + 20_000)).toEqual(refused);
});

test("tokens are taken as they might be used, and corrected by what was", () => {
  const meter = rateMeter({ requests: null, tokens: 1_000 });
  const first = taken(meter, 600, T0);
  expect(meter.take(600, T0)).toMatchObject({ error: { what: "tokens", limit: 1_000, asked: 600, waitMs: 12_000 } });
  first.settle(100, T0);
  expect(meter.standing(T0).tokens).toEqual({ limit: 1_000, remaining: 900, resetMs: 6_000 });
  const second = taken(meter, 600, T0);
  // More than was thought: the next one waits for it.
  second.settle(1_400, T0);
  expect(meter.standing(T0).tokens).toEqual({ limit: 1_000, remaining: 0, resetMs: 90_000 });
  expect(meter.take(1, T0)).toMatchObject({ error: { waitMs: 30_060 } });
});

test("a second correction changes nothing", () => {
  const meter = rateMeter({ requests: null, tokens: 1_000 });
  const only = taken(meter, 600, T0);
  taken(meter, 400, T0);
  only.settle(0, T0);
  only.settle(0, T0);
  expect(meter.standing(T0).tokens?.remaining).toBe(600);
});

test("a request refused for its tokens is not counted as one", () => {
  const meter = rateMeter({ requests: 2, tokens: 10 });
  taken(meter, 10, T0);
  for (let i = 0; i < 5; i++) expect(meter.take(10, T0).ok).toBe(false);
  expect(meter.standing(T0).requests?.remaining).toBe(1);
});

test("what is larger than a minute's tokens passes when none are used, and is paid off before the next", () => {
  const meter = rateMeter({ requests: null, tokens: 100 });
  taken(meter, 1, T0);
  expect(meter.take(250, T0)).toMatchObject({ error: { waitMs: 600 } });
  taken(meter, 250, T0 + 600);
  expect(meter.take(1, T0 + 600)).toMatchObject({ error: { waitMs: 90_600 } });
  taken(meter, 1, T0 + 600 + 90_600);
});

test("a clock that is put back keeps nobody waiting for longer", () => {
  const meter = rateMeter({ requests: 60, tokens: null });
  for (let i = 0; i < 60; i++) taken(meter, 0, T0);
  expect(meter.take(0, T0 - 3_600_000)).toMatchObject({ error: { waitMs: 1_000 } });
  taken(meter, 0, T0 - 3_600_000 + 1_000);
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
      const meter = rateMeter(given);
      let nowMs = T0;
      let largest = 0;
      const charges: Charge[] = [];
      const open: { held: TokenReservation; tokens: number }[] = [];
      for (const act of script) {
        if (act.do === "wait") nowMs += act.ms;
        else if (act.do === "take") {
          const took = meter.take(act.tokens, nowMs);
          if (!took.ok) {
            expect(took.error.waitMs).toBeGreaterThanOrEqual(1);
            continue;
          }
          largest = Math.max(largest, act.tokens);
          charges.push({ atMs: nowMs, requests: 1, tokens: act.tokens });
          open.push({ held: took.value, tokens: act.tokens });
        } else {
          const [one] = open.length > 0 ? open.splice(act.which % open.length, 1) : [];
          if (!one) continue;
          const used = Math.floor((one.tokens * act.share) / 100);
          one.held.settle(used, nowMs);
          charges.push({ atMs: nowMs, requests: 0, tokens: used - one.tokens });
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
        const meter = rateMeter(given);
        for (const count of before) meter.take(count, T0);
        const took = meter.take(tokens, T0);
        if (took.ok) return;
        const { waitMs } = took.error;
        expect(meter.take(tokens, T0 + waitMs - 1).ok).toBe(false);
        expect(meter.take(tokens, T0 + waitMs).ok).toBe(true);
      },
    ),
  );
});
