import { expect, test } from "bun:test";
import fc from "fast-check";
import { manualClock } from "../lib/clock.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import { MemoryNonces } from "./nonces.ts";

const START_S = 1_760_000_000;
const alice = pubkeySchema.parse("a".repeat(64));
const bob = pubkeySchema.parse("b".repeat(64));

function store() {
  const clock = manualClock(START_S * 1000);
  const nonces = new MemoryNonces(clock);
  const take = (pubkey: Pubkey, nonce: string, createdAtS: number, limit = 100): string => {
    const taken = nonces.take({ pubkey, nonce, createdAtS }, limit);
    return taken.ok ? "taken" : taken.error;
  };
  return { clock, nonces, take };
}

test("a nonce is taken once per key, and the same nonce of another key is another", () => {
  const { take } = store();
  expect(take(alice, "n", START_S)).toBe("taken");
  expect(take(alice, "n", START_S)).toBe("nonce_replayed");
  expect(take(alice, "n", START_S + 1)).toBe("nonce_replayed");
  expect(take(bob, "n", START_S)).toBe("taken");
});

test("a nonce created 60 s ahead is kept for the 120 s in which it could be sent again", () => {
  const { clock, take } = store();
  expect(take(alice, "n", START_S + 60)).toBe("taken");
  clock.advance(120_999);
  expect(take(alice, "n", START_S + 60)).toBe("nonce_replayed");
  clock.advance(1);
  expect(take(alice, "n", START_S + 60)).toBe("expired");
});

test("what is outside the window on either side is not taken", () => {
  const { take } = store();
  expect(take(alice, "a", START_S - 61)).toBe("expired");
  expect(take(alice, "b", START_S + 61)).toBe("expired");
  expect(take(alice, "c", START_S - 60)).toBe("taken");
  expect(take(alice, "d", START_S + 60)).toBe("taken");
});

test("a full key is refused until its own nonces lapse, and no other key notices", () => {
  const { clock, take } = store();
  expect(take(alice, "1", START_S, 2)).toBe("taken");
  expect(take(alice, "2", START_S + 30, 2)).toBe("taken");
  expect(take(alice, "3", START_S, 2)).toBe("nonce_store_full");
  expect(take(alice, "1", START_S, 2)).toBe("nonce_replayed");
  expect(take(bob, "3", START_S, 2)).toBe("taken");
  clock.advance(61_000);
  expect(take(alice, "3", START_S + 61, 2)).toBe("taken");
  expect(take(alice, "4", START_S + 61, 2)).toBe("nonce_store_full");
});

test("a clock that is set back does not make forgotten requests good again", () => {
  let nowMs = START_S * 1000;
  const nonces = new MemoryNonces({ nowMs: () => nowMs });
  const request = { pubkey: alice, nonce: "n", createdAtS: START_S };
  expect(nonces.take(request, 100).ok).toBe(true);
  nowMs += 200_000;
  expect(nonces.take({ pubkey: alice, nonce: "later", createdAtS: START_S + 200 }, 100).ok).toBe(true);
  nowMs -= 200_000;
  expect(nonces.take(request, 100)).toEqual({ ok: false, error: "expired" });
});

test("keys that fell silent are freed by the traffic of others", () => {
  const { clock, nonces, take } = store();
  for (let i = 0; i < 50; i++) take(alice, `n${i}`, START_S);
  expect(nonces.size).toBe(50);
  clock.advance(130_000);
  take(bob, "n", START_S + 130);
  expect(nonces.size).toBe(1);
});

test("a dropped key holds nothing", () => {
  const { nonces, take } = store();
  take(alice, "n", START_S);
  nonces.drop(alice);
  expect(nonces.size).toBe(0);
});

test("whatever the order of requests and time: none is taken twice, all that may be taken are, and no key exceeds its bound", () => {
  const LIMIT = 8;
  const step = fc.record({
    advanceMs: fc.nat({ max: 40_000 }),
    key: fc.constantFrom(alice, bob),
    nonce: fc.constantFrom("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"),
    offsetS: fc.integer({ min: -70, max: 70 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { clock, nonces, take } = store();
      // The plain model: a list of what was taken, from which what lapsed is dropped.
      let model: { key: Pubkey; nonce: string; createdAtS: number }[] = [];
      for (const { advanceMs, key, nonce, offsetS } of steps) {
        clock.advance(advanceMs);
        const nowS = Math.floor(clock.nowMs() / 1000);
        const createdAtS = nowS + offsetS;
        model = model.filter((taken) => taken.createdAtS >= nowS - 60);
        const own = model.filter((taken) => taken.key === key);
        const expected =
          Math.abs(offsetS) > 60
            ? "expired"
            : own.some((taken) => taken.nonce === nonce)
              ? "nonce_replayed"
              : own.length >= LIMIT
                ? "nonce_store_full"
                : "taken";
        expect(take(key, nonce, createdAtS, LIMIT)).toBe(expected);
        if (expected === "taken") model.push({ key, nonce, createdAtS });
        expect(nonces.size).toBeLessThanOrEqual(2 * LIMIT);
      }
    }),
  );
});
