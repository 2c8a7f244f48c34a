// Liveness on a manual clock, with nodes that answer or do not.
import { beforeEach, describe, expect, test } from "bun:test";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import type { ReadyFrame } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { type Liveness, liveness } from "./liveness.ts";
import { createRegistry, type Node, type Registry } from "./registry.ts";

const READY = { name: "n", device: null, backends: [], models: [], slots: 1, prices: { input: 0, output: 0 } };

let clock: ManualClock;
/** Time that passes without anything that falls due on the way. */
let skewMs: number;
let registry: Registry;
let alive: Liveness;
let closed: string[];
beforeEach(() => {
  const manual = manualClock();
  skewMs = 0;
  clock = { ...manual, nowMs: () => manual.nowMs() + skewMs };
  registry = createRegistry({ clock });
  alive = liveness({ clock, log: silentLog, registry });
  closed = [];
});

/** A linked node that answers after `rttMs`; null never does. */
function join(index: number, rttMs: number | null): Node {
  const channel = {
    send: () => undefined,
    acknowledge: () => undefined,
    ping(n: number) {
      if (rttMs === null) return;
      clock.after(rttMs, () => {
        node.lastSeenMs = clock.nowMs();
        alive.pong(node, n);
      });
    },
    close() {
      closed.push(node.name);
      registry.detach(node);
    },
  };
  const pubkey = `${index}`.padStart(64, "0") as Pubkey;
  const node = registry.attach(pubkey, channel, { ...READY, name: `${index}` } as unknown as ReadyFrame);
  return node;
}
/** Ten times a second, as a real clock would. */
function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 100) clock.advance(100);
}

test("a node's round trip is measured, and smoothed", () => {
  const node = join(1, 200);
  pass(1_000);
  expect(node.rttMs).toBe(200);
  pass(100_000);
  expect([node.rttMs, closed]).toEqual([200, []]);
});

test("a node that works, says nothing and does not answer is cut off within nine seconds", () => {
  const node = join(1, null);
  node.running = 1;
  pass(4_500);
  expect(closed).toEqual([]);
  pass(4_500);
  expect(closed).toEqual(["1"]);
});

test("one that works and answers, or has nothing to do, is left alone until its heartbeat is missed", () => {
  join(1, 100).running = 1;
  join(2, null);
  pass(60_000);
  expect(closed).toEqual([]);
  pass(32_000);
  expect(closed).toEqual(["2"]);
});

describe("when most are silent at once", () => {
  test("it is this machine's own network that is suspected", () => {
    for (const index of [1, 2, 3]) join(index, null).running = 1;
    join(4, 100).running = 1;
    pass(60_000);
    expect(closed).toEqual([]);
  });

  test("and a process that was away itself asks anew", () => {
    join(1, 100).running = 1;
    pass(10_000);
    // Answers that came meanwhile are not read yet when it wakes.
    skewMs += 60_000;
    pass(2_000);
    expect(closed).toEqual([]);
  });
});
