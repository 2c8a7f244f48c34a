import { beforeEach, describe, expect, test } from "bun:test";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import type { HeartbeatFrame } from "../protocol/frames.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { createRegistry, type Node, type Offer, type Registry } from "./registry.ts";

const CHANNEL = { send() {}, acknowledge() {}, close() {} };
const DEVICE = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] };
const NO_DETAILS = { context_length: null, digest: null, loaded: null, quantization: null, demo: false, backend: 0 };
const key = (n: number) => pubkeySchema.parse(n.toString(16).padStart(64, "0"));

let clock: ManualClock;
let registry: Registry;
beforeEach(() => {
  clock = manualClock();
  registry = createRegistry({ clock });
});

function join(n: number, models = ["m"]): Node {
  return registry.attach(key(n), CHANNEL, {
    type: "ready",
    sig: "",
    name: `node ${n}`,
    device: DEVICE,
    backends: [{ kind: "openai", continues: false, healthy: true }],
    models: models.map((name) => ({ name, ...NO_DETAILS })),
    slots: 8,
    prices: { input: 0, output: 0 },
    attempts: [],
  });
}
const offer = (node: Node, model = "m"): Offer => {
  const found = node.offers.find((one) => one.model === model);
  if (!found) throw new Error(`${model} is not on offer`);
  return found;
};
const openFor = (one: Offer) => Math.max(0, one.openUntilMs - clock.nowMs());

describe("the breaker of a model on a node", () => {
  test("opens with a failure, for twice as long with each, up to a minute, and leaves the node's other models alone", () => {
    const node = join(1, ["m", "other"]);
    const spans = Array.from({ length: 7 }, () => {
      registry.fault(offer(node));
      return openFor(offer(node));
    });
    expect(spans).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect([offer(node, "other").openUntilMs, node.suspectUntilMs]).toEqual([0, 0]);
  });

  test("half-open lets one job through; its success closes the breaker, its failure opens it for longer", () => {
    const node = join(1);
    registry.fault(offer(node));
    clock.advance(2_000);
    expect(openFor(offer(node))).toBe(0);
    registry.tried(offer(node));
    // Others wait for what the probe finds.
    expect(openFor(offer(node))).toBe(10_000);
    registry.fault(offer(node));
    expect(openFor(offer(node))).toBe(4_000);
    clock.advance(4_000);
    registry.tried(offer(node));
    registry.praise(offer(node), 10, 100, 20);
    expect(offer(node).openUntilMs).toBe(0);
    // Trust comes back by halves.
    registry.fault(offer(node));
    expect(openFor(offer(node))).toBe(4_000);
  });

  test("is not moved by jobs that are no probe", () => {
    const node = join(1);
    registry.tried(offer(node));
    expect(offer(node).openUntilMs).toBe(0);
    registry.fault(offer(node));
    registry.tried(offer(node));
    expect(openFor(offer(node))).toBe(2_000);
  });

  test("and what was measured outlives a broken link", () => {
    const node = join(1);
    registry.fault(offer(node));
    registry.praise(offer(node), 100, 1_000, 30);
    registry.fault(offer(node));
    registry.detach(node);
    join(1);
    expect(offer(node)).toMatchObject({ tokensPerS: 100, firstTokenMs: 30, openUntilMs: clock.nowMs() + 2_000 });
  });
});

describe("a node whose link breaks", () => {
  test("proves itself when it is back, longer the more often it happened, and less with each quiet minute", () => {
    const node = join(1);
    expect(node.provingUntilMs).toBe(0);
    const flap = () => {
      registry.detach(node);
      join(1);
      return node.provingUntilMs - clock.nowMs();
    };
    expect([flap(), flap(), flap()]).toEqual([60_000, 120_000, 180_000]);
    clock.advance(120_000);
    expect(flap()).toBe(120_000);
    clock.advance(3_600_000);
    expect(flap()).toBe(60_000);
    expect(node.watchedUntilMs).toBe(node.provingUntilMs);
  });

  test("has nothing to prove where it said that it would leave, or was hung up on", () => {
    const node = join(1);
    registry.heartbeat(node, { type: "heartbeat", status: "draining", running: 0 });
    registry.detach(node);
    join(1);
    registry.detach(node, false);
    join(1);
    expect(node.provingUntilMs).toBe(0);
  });

  test("is suspect at once, and not after a job went well there", () => {
    const node = join(1);
    registry.blame(node);
    expect([node.suspectUntilMs - clock.nowMs(), node.watchedUntilMs]).toEqual([2_000, node.suspectUntilMs]);
    registry.praise(offer(node), 1, 1, 1);
    expect([node.suspectUntilMs, node.watchedUntilMs]).toEqual([0, 0]);
  });
});

describe("most nodes at once", () => {
  const lose = (node: Node) => {
    registry.detach(node);
    registry.blame(node);
  };
  test("are not to blame: it is the coordinator's network that is in doubt", () => {
    const all = [1, 2, 3, 4, 5].map((n) => join(n));
    all.slice(0, 3).forEach(lose);
    expect(all.map(({ watchedUntilMs, failures }) => [watchedUntilMs, failures])).toEqual(all.map(() => [0, 0]));
    for (const n of [1, 2, 3]) expect(join(n).provingUntilMs).toBe(0);
  });

  test("are, where it is not most of them or not at once", () => {
    const all = [1, 2, 3, 4, 5, 6, 7].map((n) => join(n));
    all.slice(0, 3).forEach(lose);
    expect(all.filter((node) => node.watchedUntilMs > clock.nowMs()).length).toBe(3);
    const few = createRegistry({ clock });
    registry = few;
    for (const node of [11, 12, 13, 14].map((n) => join(n))) {
      lose(node);
      expect(node.suspectUntilMs).toBeGreaterThan(clock.nowMs());
      clock.advance(6_000);
    }
  });
});

describe("what a node is given", () => {
  test("an admin's word counts at once, and for the node's next link too", () => {
    const node = join(1);
    registry.place(node.pubkey, { pool: "acme", maintenance: true, account: "local" });
    expect(node).toMatchObject({ pool: "acme", accepting: false, notice: expect.stringContaining("maintenance") });
    registry.heartbeat(node, { type: "heartbeat", status: "available", running: 0 });
    registry.hold(node, false);
    expect(node.accepting).toBe(false);
    registry.detach(node);
    expect(join(1)).toMatchObject({ pool: "acme", accepting: false });
    registry.place(node.pubkey, { pool: "", maintenance: false, account: "local" });
    expect(node).toMatchObject({ pool: "", accepting: true, notice: null });
  });

  test("others' work at its backends is known from heartbeats, less what is ours", () => {
    const node = join(1);
    node.running = 2;
    const beat = (over: Partial<HeartbeatFrame>) => {
      registry.heartbeat(node, { type: "heartbeat", status: "available", running: 2, ...over });
      return [node.foreign, node.cache];
    };
    expect(beat({})).toEqual([0, 0]);
    expect(
      beat({ loads: [{ running: 5, waiting: 1, cache: 0.5 }, null, { running: 1, waiting: 0, cache: null }] }),
    ).toEqual([5, 0.5]);
    // Jobs of another coordinator.
    expect(beat({ running: 3 })).toEqual([1, 0]);
  });

  test("a round trip that changed is in the quality of its offers", () => {
    const node = join(1);
    const before = offer(node).latency;
    registry.measured(node, 400);
    expect(offer(node).latency).toBeGreaterThan(before);
  });
});

describe("names", () => {
  test("an alias stands for its models, Ollama's tag may be left out or given, and a node cannot take an alias over", () => {
    registry = createRegistry({ clock, aliases: () => ({ "gpt-4o": ["llama3", "qwen"] }) });
    join(1, ["llama3:latest", "gpt-4o"]);
    expect(registry.modelsNamed("gpt-4o")).toEqual(["llama3:latest", "qwen"]);
    expect(registry.modelsNamed("llama3")).toEqual(["llama3:latest"]);
    expect(registry.modelsNamed("unknown")).toEqual(["unknown"]);
    expect(registry.modelsNamed("toString")).toEqual(["toString"]);
    join(2, ["plain"]);
    expect(registry.modelsNamed("plain:latest")).toEqual(["plain"]);
  });

  test("the tag is known while the node is away", () => {
    registry.detach(join(1, ["llama3:latest"]));
    expect(registry.modelsNamed("llama3")).toEqual(["llama3:latest"]);
  });
});
