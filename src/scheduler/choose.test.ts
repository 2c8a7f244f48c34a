import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Ask, type Candidate, type CandidateNode, choose, rate, type Strategy } from "./choose.ts";
import { candidate, key } from "./testing/candidates.ts";
import { demandsOf, mayUse, NO_WISHES, taskBits, type Wishes } from "./wishes.ts";

const NOW = 1_000_000;
type Over = Partial<Omit<Ask, "wishes" | "demands">> & { wishes?: Partial<Wishes> };
const ask = ({ wishes: over = {}, ...more }: Over = {}): Ask => {
  const wishes = { ...NO_WISHES, ...over };
  const base = { task: "chat", minContext: 1, wantContext: 1, tried: [], affinity: null } as const;
  return { ...base, wishes, demands: demandsOf(wishes), ...more };
};
const pick = (nodes: readonly Candidate[], over: Over = {}, r = 0) => choose(nodes, ask(over), NOW, () => r);
const SPREAD = [0, 0.3, 0.6, 0.999];

describe("choose", () => {
  test("gives nothing when no node can start the job", () => {
    const none = [
      candidate(1, { node: { running: 4 } }),
      candidate(2, { node: { accepting: false } }),
      candidate(3, { contextLength: 10 }),
      candidate(4, { node: { slots: 0 } }),
      candidate(5, { tasks: taskBits(["embedding"]) }),
      candidate(6, { node: { pool: "acme" } }),
    ];
    expect(pick(none, { minContext: 11, wantContext: 11 })).toBeUndefined();
    expect(pick([])).toBeUndefined();
  });

  test("cheapest takes the cheapest, fastest the fastest, latency the first to answer, whatever the draw", () => {
    const nodes = [
      candidate(1, { priceInput: 100, priceOutput: 900, tokensPerS: 90, firstTokenMs: 400 }),
      candidate(2, { priceInput: 10, priceOutput: 20, tokensPerS: 10, firstTokenMs: 900 }),
      candidate(3, { priceInput: 100, priceOutput: 300, tokensPerS: 40, firstTokenMs: 30 }),
    ];
    const best: Partial<Record<Strategy, number>> = { cheapest: 1, fastest: 0, latency: 2 };
    for (const [strategy, at] of Object.entries(best))
      for (const r of SPREAD)
        expect(pick(nodes, { wishes: { strategy: strategy as Strategy } }, r)?.candidate).toBe(nodes[at] as Candidate);
  });

  test("of nodes as fast as each other, fastest takes the nearer", () => {
    const [near, far] = [rate({ ...MEASURED, rttMs: 5 }), rate({ ...MEASURED, rttMs: 300 })];
    expect(near.fastest).toBeLessThan(far.fastest);
    expect(near.latency).toBeLessThan(far.latency);
    expect(near.balanced).toBe(far.balanced);
  });

  test("of two drawn among the nearly best, the less loaded one wins", () => {
    const nodes = [candidate(1, { node: { running: 3 } }), candidate(2, { node: { running: 1 } })];
    const choice = pick(nodes);
    expect(choice?.candidate).toBe(nodes[1]);
    expect(choice?.why).toMatchObject({ eligible: 2, best: 2, load: 0.25, last_resort: false });
    expect(choice?.why.other).toMatchObject({ node: key(1), load: 0.75 });
    expect(pick(nodes.slice(0, 1))?.why.other).toBeUndefined();
  });

  test("the work of others at a backend, and a full cache, are load too", () => {
    const [ours, others, full] = [
      candidate(1, { node: { running: 1 } }),
      candidate(2, { node: { foreign: 2 } }),
      candidate(3, { node: { cache: 0.9 } }),
    ];
    expect(pick([ours, others])?.candidate).toBe(ours);
    expect(pick([ours, full])?.candidate).toBe(ours);
  });

  test("a node that was tried or is suspect serves only as a last resort, the tried one last of all", () => {
    const suspect = candidate(2, { node: { suspectUntilMs: NOW + 1, watchedUntilMs: NOW + 1 } });
    const nodes = [candidate(1), suspect, candidate(3, { node: { running: 3 } })];
    expect(pick(nodes, { tried: [key(1)] })?.candidate).toBe(nodes[2]);
    const left = pick(nodes.slice(0, 2), { tried: [key(1)] });
    expect(left?.candidate).toBe(suspect);
    expect(left?.why.last_resort).toBe(true);
    const over = candidate(2, { node: { suspectUntilMs: NOW, watchedUntilMs: NOW } });
    expect(pick([over])?.why.last_resort).toBe(false);
  });

  test("an open breaker puts one model of a node last; half-open it takes a job as a probe", () => {
    const open = candidate(1, { openUntilMs: NOW + 1000 });
    const busy = candidate(2, { node: { running: 3 } });
    expect(pick([open, busy])?.candidate).toBe(busy);
    expect(pick([open])?.why).toMatchObject({ last_resort: true, probe: true });
    const halfOpen = candidate(1, { openUntilMs: NOW - 1 });
    expect(pick([halfOpen])?.why).toMatchObject({ last_resort: false, probe: true });
  });

  test("when all have failed, the one that is due soonest is the least bad", () => {
    const nodes = [candidate(1, { openUntilMs: NOW + 60_000 }), candidate(2, { openUntilMs: NOW + 2_000 })];
    for (const r of SPREAD) expect(pick(nodes, {}, r)?.candidate).toBe(nodes[1]);
  });

  test("a node that came back has more of its slots used the longer it stays", () => {
    const proving = (leftMs: number, running: number) =>
      candidate(1, {
        node: { slots: 8, running, provingMs: 60_000, provingUntilMs: NOW + leftMs, watchedUntilMs: NOW + leftMs },
      });
    const steady = candidate(2, { node: { slots: 8, running: 7 } });
    const takes = (node: Candidate) => pick([node, steady])?.candidate === node;
    expect(takes(proving(60_000, 0))).toBe(true);
    expect(takes(proving(60_000, 1))).toBe(false);
    expect(takes(proving(30_000, 3))).toBe(true);
    expect(takes(proving(30_000, 4))).toBe(false);
    expect(takes(proving(0, 6))).toBe(true);
    // Where it is all there is, it is used.
    expect(pick([proving(60_000, 1)])?.why.last_resort).toBe(true);
  });

  test("an unknown context length is no obstacle, and a context with room for the answer comes first", () => {
    expect(pick([candidate(1, { contextLength: null })], { minContext: 1e6, wantContext: 2e6 })).toBeDefined();
    const nodes = [candidate(1, { contextLength: 4096 }), candidate(2, { contextLength: 32_768, tokensPerS: 1 })];
    expect(pick(nodes, { minContext: 10, wantContext: 9000 })?.candidate).toBe(nodes[1]);
    expect(pick(nodes.slice(0, 1), { minContext: 10, wantContext: 9000 })?.candidate).toBe(nodes[0]);
  });

  test("own pool first, then public, backstop when no other can; others' pools never", () => {
    const own = candidate(1, { node: { pool: "acme", running: 3 }, tokensPerS: 1 });
    const open = candidate(2);
    const backstop = candidate(3, { node: { pool: "backstop" } });
    const other = candidate(4, { node: { pool: "globex" } });
    const wishes = { pools: ["acme"] };
    expect(pick([backstop, other, open, own], { wishes })?.candidate).toBe(own);
    expect(pick([backstop, other, open, own])?.candidate).toBe(open);
    expect(pick([backstop, other, own])?.candidate).toBe(backstop);
    expect(pick([other, own])).toBeUndefined();
    expect(pick([open, own], { wishes: { ...wishes, pool: "public" } })?.candidate).toBe(open);
    expect(pick([open], { wishes: { ...wishes, pool: "acme" } })).toBeUndefined();
    // A node under suspicion is no reason to spare the backstop.
    const bad = candidate(5, { node: { suspectUntilMs: NOW + 9, watchedUntilMs: NOW + 9 } });
    expect(pick([bad, backstop])?.candidate).toBe(backstop);
  });

  test("nodes in the client's order, each while it has room; then the others, if they may", () => {
    const nodes = [
      candidate(1, { node: { name: "one" } }),
      candidate(2, { node: { name: "two", running: 3 } }),
      candidate(3),
    ];
    const order = ["two", "one"];
    expect(pick(nodes, { wishes: { order } })?.candidate).toBe(nodes[1]);
    expect(pick([nodes[0], nodes[2]] as Candidate[], { wishes: { order } })?.candidate).toBe(nodes[0]);
    expect(pick([nodes[2]] as Candidate[], { wishes: { order } })?.candidate).toBe(nodes[2]);
    expect(pick([nodes[2]] as Candidate[], { wishes: { order, allowFallbacks: false } })).toBeUndefined();
  });
});

const MEASURED = { priceInput: 0, priceOutput: 0, tokensPerS: 50, rttMs: null, firstTokenMs: 0 };

describe("affinity", () => {
  const to = (...candidates: Candidate[]) => ({ affinity: { by: "prefix" as const, candidates } });

  test("the conversation returns to its node, though others are freer and nearly as good", () => {
    const nodes = [candidate(1, { node: { running: 1 }, tokensPerS: 30 }), candidate(2), candidate(3)];
    for (const r of SPREAD) {
      const choice = pick(nodes, to(nodes[0] as Candidate), r);
      expect(choice?.candidate).toBe(nodes[0]);
      expect(choice?.why.affinity).toBe("prefix");
    }
  });

  test("not when it is loaded above its share, is full, or is not of the best standing", () => {
    const rest = [candidate(2, { node: { slots: 8 } }), candidate(3, { node: { slots: 8 } })];
    const passed = (home: Candidate) => {
      const choice = pick([home, ...rest], to(home));
      return [choice?.candidate === home, choice?.why.affinity];
    };
    expect(passed(candidate(1, { node: { slots: 8, running: 1 } }))).toEqual([true, "prefix"]);
    expect(passed(candidate(1, { node: { slots: 8, running: 3 } }))).toEqual([false, "passed_over"]);
    expect(passed(candidate(1, { node: { slots: 8, foreign: 3 } }))).toEqual([false, "passed_over"]);
    expect(passed(candidate(1, { node: { slots: 1, running: 1 } }))).toEqual([false, "passed_over"]);
    expect(passed(candidate(1, { openUntilMs: NOW + 1 }))).toEqual([false, "passed_over"]);
  });

  test("its share grows with the work there is", () => {
    const busy = (n: number, running: number) => candidate(n, { node: { slots: 8, running } });
    const nodes = [busy(1, 5), busy(2, 4), busy(3, 4)];
    expect(pick(nodes, to(nodes[0] as Candidate))?.candidate).toBe(nodes[0]);
  });

  test("of several that know it the first that can; and none that is not among the candidates", () => {
    const nodes = [candidate(1), candidate(2), candidate(3)];
    const [a, b] = nodes as [Candidate, Candidate];
    expect(pick(nodes, to(b, a))?.candidate).toBe(b);
    expect(pick([a], to(b))?.candidate).toBe(a);
  });

  test("a strategy that was asked for is kept to", () => {
    const dear = candidate(1, { priceInput: 900, priceOutput: 900 });
    const cheap = candidate(2, { priceInput: 1, priceOutput: 1 });
    expect(pick([dear, cheap], { ...to(dear), wishes: { strategy: "cheapest" } })?.candidate).toBe(cheap);
    expect(pick([dear, cheap], to(dear))?.candidate).toBe(dear);
  });
});

const arbitraryCandidates = fc.array(
  fc.record({
    slots: fc.integer({ min: 0, max: 4 }),
    running: fc.integer({ min: 0, max: 4 }),
    foreign: fc.integer({ min: 0, max: 3 }),
    accepting: fc.boolean(),
    suspectUntilMs: fc.constantFrom(0, NOW + 5),
    provingUntilMs: fc.constantFrom(0, NOW + 30_000),
    openUntilMs: fc.constantFrom(0, NOW - 5, NOW + 5),
    contextLength: fc.constantFrom(null, 100, 1000, 9000),
    priceInput: fc.integer({ min: 0, max: 1000 }),
    priceOutput: fc.integer({ min: 0, max: 1000 }),
    tokensPerS: fc.constantFrom(0, 5, 50, 500),
    pool: fc.constantFrom("", "", "acme", "globex", "backstop"),
    region: fc.constantFrom("", "eu", "eu-west", "us"),
    tasks: fc.constantFrom(-1, taskBits(["chat"]), taskBits(["embedding"])),
    has: fc.integer({ min: 0, max: 31 }),
    quantizations: fc.constantFrom(["unknown"], ["q4_k_m", "int4"], ["fp16"]),
  }),
  { maxLength: 12 },
);
type Spec = (typeof arbitraryCandidates extends fc.Arbitrary<infer T> ? T : never)[number];
const built = (specs: readonly Spec[]): Candidate[] =>
  specs.map(({ slots, running, foreign, accepting, suspectUntilMs, provingUntilMs, pool, region, ...offer }, i) => {
    const watchedUntilMs = Math.max(suspectUntilMs, provingUntilMs);
    const standing = { suspectUntilMs, provingUntilMs, provingMs: 60_000, watchedUntilMs };
    return candidate(i, {
      ...offer,
      node: { slots, running, foreign, accepting, pool, region, name: `n${i}`, ...standing },
    });
  });
const arbitraryWishes = fc.record({
  strategy: fc.constantFrom<Strategy>("balanced", "cheapest", "fastest", "latency"),
  pools: fc.constantFrom<string[]>([], ["acme"], ["acme", "globex"]),
  pool: fc.constantFrom(null, null, "public", "acme"),
  order: fc.constantFrom<string[]>([], ["n1", "n3"]),
  only: fc.constantFrom<string[]>([], ["n1", "n2", "acme"]),
  ignore: fc.constantFrom<string[]>([], ["n0"]),
  allowFallbacks: fc.boolean(),
  maxPriceInput: fc.constantFrom(null, 500),
  maxPriceOutput: fc.constantFrom(null, 500),
  needs: fc.constantFrom(0, 1, 3),
  requireNeeds: fc.boolean(),
  quantizations: fc.constantFrom<string[]>([], ["int4"]),
  region: fc.constantFrom(null, "eu"),
});
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("properties", () => {
  const can =
    ({ wishes, demands, minContext, task }: Ask) =>
    (c: Candidate) =>
      c.node.running < c.node.slots &&
      c.node.accepting &&
      (c.contextLength === null || c.contextLength >= minContext) &&
      (c.tasks & taskBits([task])) !== 0 &&
      mayUse(wishes, c.node.pool) &&
      demands.every(({ meets }) => meets(c));
  const isGood = ({ node, openUntilMs }: Candidate) => node.watchedUntilMs <= NOW && openUntilMs <= NOW;

  test("finds a node exactly when one may serve, never another, never a bad one while a good one is there", () => {
    fc.assert(
      fc.property(arbitraryCandidates, arbitraryWishes, draw, fc.nat(12), (specs, over, r, at) => {
        const nodes = built(specs);
        const home = nodes[at];
        const affinity = home === undefined ? null : { by: "session" as const, candidates: [home] };
        const asked = { ...ask({ wishes: over }), minContext: 500, wantContext: 2000, affinity };
        const may = can(asked);
        const choice = choose(nodes, asked, NOW, () => r);
        expect(choice !== undefined).toBe(nodes.some(may));
        if (!choice) return;
        expect(may(choice.candidate)).toBe(true);
        if (nodes.some((one) => may(one) && isGood(one))) expect(choice.why.last_resort).toBe(false);
        else expect(nodes.filter((one) => may(one) && isGood(one))).toEqual([]);
        if (choice.why.affinity === "session") expect(choice.candidate).toBe(home as Candidate);
      }),
      { numRuns: 1000 },
    );
  });

  test("each wish holds, as its own words say", () => {
    fc.assert(
      fc.property(arbitraryCandidates, arbitraryWishes, draw, (specs, over, r) => {
        const chosen = choose(built(specs), ask({ wishes: over }), NOW, () => r)?.candidate;
        if (!chosen) return;
        const { node } = chosen;
        if (over.pool !== null) expect(node.pool).toBe(over.pool === "public" ? "" : over.pool);
        if (node.pool !== "" && node.pool !== "backstop") expect(over.pools).toContain(node.pool);
        if (over.only.length > 0) expect(node.handles.some((one) => over.only.includes(one))).toBe(true);
        expect(node.handles.some((one) => over.ignore.includes(one))).toBe(false);
        if (over.order.length > 0 && !over.allowFallbacks)
          expect(node.handles.some((one) => over.order.includes(one))).toBe(true);
        expect(chosen.priceInput).toBeLessThanOrEqual(over.maxPriceInput ?? chosen.priceInput);
        expect(chosen.priceOutput).toBeLessThanOrEqual(over.maxPriceOutput ?? chosen.priceOutput);
        if (over.requireNeeds) expect(chosen.has & over.needs).toBe(over.needs);
        if (over.quantizations.length > 0) expect(chosen.quantizations).toContain("int4");
        if (over.region !== null) expect(node.region).toMatch(/^eu(-|$)/);
      }),
      { numRuns: 1000 },
    );
  });

  test("the same input gives the same choice, and nothing of the input is changed", () => {
    fc.assert(
      fc.property(arbitraryCandidates, arbitraryWishes, draw, (specs, over, r) => {
        const nodes = built(specs);
        const before = structuredClone(nodes);
        const [one, two] = [
          choose(nodes, ask({ wishes: over }), NOW, () => r),
          choose(nodes, ask({ wishes: over }), NOW, () => r),
        ];
        expect(one).toEqual(two as typeof one);
        expect(nodes).toEqual(before);
      }),
    );
  });

  test("cheapest is never a quarter dearer than the least of those as good", () => {
    fc.assert(
      fc.property(arbitraryCandidates, draw, (specs, r) => {
        const nodes = built(specs).filter(isGood);
        const asked = ask({ wishes: { strategy: "cheapest" } });
        const choice = choose(nodes, asked, NOW, () => r);
        if (!choice) return;
        const price = (c: Candidate) => 1 + c.priceInput + c.priceOutput;
        const rivals = nodes.filter((c) => can(asked)(c) && c.node.pool === choice.candidate.node.pool);
        expect(price(choice.candidate)).toBeLessThanOrEqual(1.25 * Math.min(...rivals.map(price)));
      }),
    );
  });

  test("equal nodes share equally", () => {
    const nodes = Array.from({ length: 5 }, (_, i) => candidate(i));
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed / 2147483648;
    };
    const counts = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const chosen = choose(nodes, ask(), NOW, random)?.candidate.node.pubkey ?? "";
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    expect(counts.size).toBe(5);
    for (const count of counts.values()) expect(Math.abs(count - 4000)).toBeLessThan(400);
  });

  test("with affinity no node has more than its bound of all the work, whoever it is that all conversations know", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1, max: 8 }), draw, (count, slots, r) => {
        const nodes = Array.from({ length: count }, (_, i) => candidate(i, { node: { slots } }));
        const running = new Map<Candidate, { -readonly [K in keyof CandidateNode]: CandidateNode[K] }>();
        for (const node of nodes) running.set(node, node.node as never);
        const [home] = nodes as [Candidate];
        const asked = { ...ask(), affinity: { by: "prefix" as const, candidates: [home] } };
        for (let job = 0; job < count * slots; job++) {
          const choice = choose(nodes, asked, NOW, () => r);
          if (!choice) throw new Error("a slot was free");
          const node = running.get(choice.candidate);
          if (node) node.running++;
          const mean = (job + 1) / count;
          if (choice.why.affinity === "prefix") expect(home.node.running).toBeLessThanOrEqual(1.25 * mean + 2);
        }
        expect(nodes.every(({ node }) => node.running === slots)).toBe(true);
      }),
    );
  });
});
