import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Pubkey } from "../protocol/primitives.ts";
import { type Candidate, choose, rate, type Wishes } from "./choose.ts";

const key = (n: number) => n.toString(16).padStart(64, "0") as Pubkey;
type Spec = {
  slots?: number;
  running?: number;
  accepting?: boolean;
  suspectUntilMs?: number;
  contextLength?: number | null;
  priceInput?: number;
  priceOutput?: number;
  tokensPerS?: number;
};
const candidate = (n: number, spec: Spec = {}): Candidate => {
  const offer = {
    priceInput: spec.priceInput ?? 0,
    priceOutput: spec.priceOutput ?? 0,
    tokensPerS: spec.tokensPerS ?? 50,
  };
  return { ...offer, ...rate(offer), ...placed(n, spec) };
};
const placed = (n: number, spec: Spec) => ({
  node: {
    pubkey: key(n),
    slots: spec.slots ?? 4,
    running: spec.running ?? 0,
    accepting: spec.accepting ?? true,
    suspectUntilMs: spec.suspectUntilMs ?? 0,
  },
  contextLength: spec.contextLength === undefined ? 4096 : spec.contextLength,
});
const wishes = (w: Partial<Wishes> = {}): Wishes => ({ strategy: "balanced", minContext: 1, tried: [], ...w });
const NOW = 1_000_000;

describe("choose", () => {
  test("gives nothing when no node can start the job", () => {
    const none = [
      candidate(1, { running: 4 }),
      candidate(2, { accepting: false }),
      candidate(3, { contextLength: 10 }),
      candidate(4, { slots: 0 }),
    ];
    expect(choose(none, wishes({ minContext: 11 }), NOW, () => 0)).toBeUndefined();
    expect(choose([], wishes(), NOW, () => 0)).toBeUndefined();
  });

  test("cheapest takes the cheapest, fastest the fastest, whatever the draw", () => {
    const nodes = [
      candidate(1, { priceInput: 100, priceOutput: 900, tokensPerS: 90 }),
      candidate(2, { priceInput: 10, priceOutput: 20, tokensPerS: 10 }),
      candidate(3, { priceInput: 100, priceOutput: 300, tokensPerS: 40 }),
    ];
    for (const r of [0, 0.3, 0.6, 0.999]) {
      expect(choose(nodes, wishes({ strategy: "cheapest" }), NOW, () => r)?.candidate).toBe(nodes[1]);
      expect(choose(nodes, wishes({ strategy: "fastest" }), NOW, () => r)?.candidate).toBe(nodes[0]);
    }
  });

  test("of two drawn among the nearly best, the less loaded one wins", () => {
    const nodes = [candidate(1, { running: 3 }), candidate(2, { running: 1 })];
    const choice = choose(nodes, wishes(), NOW, () => 0);
    expect(choice?.candidate).toBe(nodes[1]);
    expect(choice?.why).toMatchObject({ eligible: 2, best: 2, load: 0.25, last_resort: false });
  });

  test("a node that was tried or is suspect serves only as a last resort", () => {
    const nodes = [candidate(1), candidate(2, { suspectUntilMs: NOW + 1 }), candidate(3, { running: 3 })];
    expect(choose(nodes, wishes({ tried: [key(1)] }), NOW, () => 0)?.candidate).toBe(nodes[2]);
    const left = choose(nodes.slice(0, 2), wishes({ tried: [key(1)] }), NOW, () => 0);
    expect(left?.why.last_resort).toBe(true);
    expect(choose([candidate(2, { suspectUntilMs: NOW })], wishes(), NOW, () => 0)?.why.last_resort).toBe(false);
  });

  test("an unknown context length is no obstacle", () => {
    expect(choose([candidate(1, { contextLength: null })], wishes({ minContext: 1e6 }), NOW, () => 0)).toBeDefined();
  });

  test("property: finds a node exactly when one could start, never one that could not, and never a worse one than NEARLY", () => {
    const spec = fc.record({
      slots: fc.integer({ min: 0, max: 4 }),
      running: fc.integer({ min: 0, max: 4 }),
      accepting: fc.boolean(),
      suspectUntilMs: fc.constantFrom(0, NOW + 5),
      contextLength: fc.constantFrom(null, 100, 1000),
      priceInput: fc.integer({ min: 0, max: 1000 }),
      priceOutput: fc.integer({ min: 0, max: 1000 }),
      tokensPerS: fc.constantFrom(0, 5, 50, 500),
    });
    fc.assert(
      fc.property(
        fc.array(spec, { maxLength: 12 }),
        fc.constantFrom("balanced" as const, "cheapest" as const, "fastest" as const),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (specs, strategy, r) => {
          const nodes = specs.map((s, i) => candidate(i, s));
          const can = (c: Candidate) =>
            c.node.running < c.node.slots && c.node.accepting && (c.contextLength === null || c.contextLength >= 500);
          const choice = choose(nodes, wishes({ strategy, minContext: 500 }), NOW, () => r);
          expect(choice !== undefined).toBe(nodes.some(can));
          if (!choice) return;
          expect(can(choice.candidate)).toBe(true);
          const fresh = nodes.filter((c) => can(c) && c.node.suspectUntilMs <= NOW);
          if (fresh.length > 0) expect(choice.candidate.node.suspectUntilMs).toBe(0);
          if (strategy === "cheapest") {
            const pool = fresh.length > 0 ? fresh : nodes.filter(can);
            const least = Math.min(...pool.map((c) => c.priceInput + c.priceOutput));
            const got = choice.candidate.priceInput + choice.candidate.priceOutput;
            expect(1 + got).toBeLessThanOrEqual((1 + least) * 1.25);
          }
        },
      ),
    );
  });

  test("property: equal nodes share equally", () => {
    const nodes = Array.from({ length: 5 }, (_, i) => candidate(i));
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed / 2147483648;
    };
    const counts = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const chosen = choose(nodes, wishes(), NOW, random)?.candidate.node.pubkey ?? "";
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    expect(counts.size).toBe(5);
    for (const count of counts.values()) expect(Math.abs(count - 4000)).toBeLessThan(400);
  });
});
