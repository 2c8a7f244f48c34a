import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fairQueue, type Queued } from "./fair-queue.ts";

type Job = Queued & { id: number };
let nextId = 0;
const job = (fairKey: string, cost = 100, displaceable = true): Job => ({ id: nextId++, fairKey, cost, displaceable });
const any = () => true;

describe("fair queue", () => {
  test("within an account jobs leave in the order they came", () => {
    const queue = fairQueue<Job>(() => 10);
    const jobs = [job("a"), job("a"), job("a")];
    for (const j of jobs) queue.add(j);
    expect([queue.take(any), queue.take(any), queue.take(any), queue.take(any)]).toEqual([...jobs, undefined]);
  });

  test("an account with a thousand waiting does not starve one with a single job", () => {
    const queue = fairQueue<Job>(() => 2000);
    for (let i = 0; i < 1000; i++) queue.add(job("loud", 4096));
    const single = job("quiet", 4096);
    queue.add(single);
    const firstFew = Array.from({ length: 4 }, () => queue.take(any));
    expect(firstFew).toContain(single);
  });

  test("when full, the newest displaceable job of the longest account makes room", () => {
    const queue = fairQueue<Job>(() => 3);
    const [first, accepted, newest] = [job("loud"), job("loud", 100, false), job("loud")];
    for (const j of [first, accepted, newest]) expect(queue.add(j)).toBeUndefined();
    expect(queue.add(job("quiet"))).toBe(newest);
    expect(queue.length).toBe(3);
  });

  test("when full, the longest account's own arrival is the one refused", () => {
    const queue = fairQueue<Job>(() => 2);
    queue.add(job("loud"));
    queue.add(job("loud"));
    const arrival = job("loud");
    expect(queue.add(arrival)).toBe(arrival);
    expect(queue.all()).not.toContain(arrival);
  });

  test("an asynchronous arrival takes the place of a newer chat, also of its own account", () => {
    const queue = fairQueue<Job>(() => 2);
    const [older, newer] = [job("loud"), job("loud")];
    queue.add(older);
    queue.add(newer);
    const quiet = job("quiet", 100, false);
    expect(queue.refuses(quiet)).toBe(false);
    expect(queue.add(quiet)).toBe(newer);
    const own = job("loud", 100, false);
    expect(queue.refuses(own)).toBe(false);
    expect(queue.add(own)).toBe(older);
    const last = job("third", 100, false);
    expect(queue.refuses(last)).toBe(true);
    expect(queue.add(last)).toBe(last);
  });

  test("a job answered 202 is never displaced: then the arrival is", () => {
    const queue = fairQueue<Job>(() => 2);
    queue.add(job("loud", 1, false));
    queue.add(job("loud", 1, false));
    const arrival = job("quiet");
    expect(queue.add(arrival)).toBe(arrival);
  });

  test("a job put back is the next of its account, even when the queue is full", () => {
    const queue = fairQueue<Job>(() => 1);
    const back = job("a");
    queue.add(job("a"));
    queue.putBack(back);
    expect(queue.length).toBe(2);
    expect(queue.take(any)).toBe(back);
  });

  test("a head that fits no node does not hold up other accounts", () => {
    const queue = fairQueue<Job>(() => 10);
    const [big, small] = [job("a", 1e6), job("b")];
    queue.add(big);
    queue.add(small);
    expect(queue.take((j) => j !== big)).toBe(small);
    expect(queue.take((j) => j !== big)).toBeUndefined();
    expect(queue.take(any)).toBe(big);
  });

  test("a job may overtake the first of its own account, and nobody else's", () => {
    const queue = fairQueue<Job>(() => 100);
    const [first, later, others] = [job("a", 100), job("a", 100), job("b", 100)];
    for (const one of [first, later, others]) queue.add(one);
    const wanted = (one: Job, before: Job) => one === later && before === first;
    expect(queue.take(any, wanted)).toBe(later);
    // One that does not fit overtakes nobody.
    expect(
      queue.take(
        (one) => one !== others,
        () => true,
      ),
    ).toBe(first);
    expect(queue.take(any)).toBe(others);
  });

  test("who can take nothing now keeps its turn while others are given what only they can", () => {
    const queue = fairQueue<Job>(() => 1_000);
    for (let i = 0; i < 600; i++) queue.add(job(i % 2 === 0 ? "own" : "common", 200));
    const served = { own: 0, common: 0 };
    // Every other place is one that only one account may have.
    for (let i = 0; i < 200; i++) {
      queue.take(({ fairKey }) => fairKey === "own");
      const taken = queue.take(any);
      if (taken) served[taken.fairKey === "own" ? "own" : "common"]++;
    }
    expect(served.common).toBeGreaterThanOrEqual(95);
  });

  test("property: accounts with work waiting get shares of cost within 5 % of equal", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 0, max: 1000 }),
        (costs, seed) => {
          const queue = fairQueue<Job>(() => 1e9);
          const keys = costs.map((_, i) => `account-${i}`);
          const served = new Map(keys.map((key) => [key, 0]));
          const refill = (key: string, i: number) => queue.add(job(key, Math.max(1, (costs[i] ?? 1) - (seed % 7))));
          for (let n = 0; n < 3; n++) keys.forEach(refill);
          let total = 0;
          while (total < 20_000 * 40 * keys.length) {
            const taken = queue.take(any);
            if (!taken) throw new Error("ran dry");
            served.set(taken.fairKey, (served.get(taken.fairKey) ?? 0) + taken.cost);
            total += taken.cost;
            refill(taken.fairKey, keys.indexOf(taken.fairKey));
          }
          const fair = total / keys.length;
          for (const cost of served.values()) expect(Math.abs(cost - fair) / fair).toBeLessThan(0.05);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("property: whatever is done, nothing is lost or given twice", () => {
    const op = fc.oneof(
      fc.record({ do: fc.constant("add" as const), key: fc.constantFrom("a", "b", "c"), displaceable: fc.boolean() }),
      fc.record({ do: fc.constant("take" as const), odd: fc.boolean() }),
      fc.record({ do: fc.constant("remove" as const), at: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(op, { maxLength: 80 }), fc.integer({ min: 1, max: 8 }), (ops, limit) => {
        const queue = fairQueue<Job>(() => limit);
        const inside = new Set<Job>();
        for (const o of ops) {
          if (o.do === "add") {
            const arrival = job(o.key, 500, o.displaceable);
            const displaced = queue.add(arrival);
            if (displaced) expect(displaced.displaceable || displaced === arrival).toBe(true);
            inside.add(arrival);
            if (displaced) expect(inside.delete(displaced)).toBe(true);
          } else if (o.do === "take") {
            const taken = queue.take((j) => !o.odd || j.id % 2 === 1);
            if (taken) expect(inside.delete(taken)).toBe(true);
          } else {
            const one = queue.all()[o.at];
            if (one) expect(queue.remove(one) && inside.delete(one)).toBe(true);
          }
          expect(queue.length).toBe(inside.size);
          expect(new Set(queue.all())).toEqual(inside);
          expect(queue.length).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });
});
