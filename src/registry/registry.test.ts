import { expect, test } from "bun:test";
import { manualClock } from "../lib/clock.ts";
import type { HeartbeatFrame } from "../protocol/frames.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { createRegistry } from "./registry.ts";

const NODE = pubkeySchema.parse("2".repeat(64));
const CHANNEL = { send() {}, acknowledge() {}, close() {} };
const DEVICE = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] };

const serves = (names: string[]): NonNullable<HeartbeatFrame["serves"]> => ({
  backends: [{ kind: "openai", continues: false, healthy: true }],
  models: names.map((name) => ({
    name,
    context_length: null,
    digest: null,
    loaded: null,
    quantization: null,
    demo: false,
    backend: 0,
  })),
  slots: 1,
  prices: { input: 0, output: 0 },
});

const anyPool = () => true;

test("models that are gone are remembered, though not without end", () => {
  const registry = createRegistry({ clock: manualClock() });
  const ready = { type: "ready" as const, sig: "0".repeat(128), name: "n", device: DEVICE, attempts: [] };
  const node = registry.attach(NODE, CHANNEL, { ...ready, ...serves(["first"]) });
  const change = (names: string[]) =>
    registry.heartbeat(node, { type: "heartbeat", status: "available", running: 0, serves: serves(names) });
  change(["second"]);
  expect(registry.lastServedMs("first", anyPool)).toBeDefined();
  for (let i = 0; i < 11; i++) change(Array.from({ length: 1000 }, (_, k) => `m-${i}-${k}`));
  expect(registry.lastServedMs("first", anyPool)).toBeUndefined();
  expect(registry.lastServedMs("m-9-999", anyPool)).toBeDefined();
  expect(registry.offersOf("m-10-0").length).toBe(1);
});

const [SELF, B, C] = ["a", "b", "c"].map((digit) => digit.repeat(16)) as [string, string, string];

/** A registry with a node whose models come through other coordinators. */
function lent(offers: { name: string; path?: string[]; own?: boolean }[]) {
  const registry = createRegistry({ clock: manualClock(), peers: { self: SELF, maxHops: 2 } });
  const ready = { type: "ready" as const, sig: "0".repeat(128), name: "n", device: DEVICE, attempts: [] };
  const backends = (["infernet", "openai"] as const).map((kind) => ({ kind, continues: false, healthy: true }));
  const [plain] = serves(["m"]).models;
  if (!plain) throw new Error("one model is served");
  const models = offers.map(({ name, path, own }) => ({
    ...plain,
    name,
    backend: own ? 1 : 0,
    ...(path ? { path } : {}),
  }));
  registry.attach(NODE, CHANNEL, { ...ready, ...serves([]), backends, models });
  return registry;
}

test("what would lead back here, too far, or nobody knows where, is not on offer", () => {
  const registry = lent([
    { name: "near", path: [B] },
    { name: "back", path: [B, SELF] },
    { name: "far", path: [B, C, "d".repeat(16)] },
    { name: "unknown" },
    { name: "own", own: true, path: [SELF] },
  ]);
  expect([...registry.models.keys()].sort()).toEqual(["near", "own"]);
});

test("of two ways on one node the first that leads somewhere counts", () => {
  const [offer] = lent([
    { name: "m", path: [B, SELF] },
    { name: "m", path: [C] },
  ]).offersOf("m");
  expect(offer?.path).toEqual([C]);
});

test("a request that came a way is offered only what does not lead back over it or too far", () => {
  const registry = lent([
    { name: "through b", path: [B] },
    { name: "through b and c", path: [B, C] },
    { name: "own", own: true },
  ]);
  const offered = (hops: number, via: string[]) =>
    [...registry.models.keys()].filter((model) => registry.offersFor(model, { hops, via }).length > 0).sort();
  expect(offered(0, [])).toEqual(["own", "through b", "through b and c"]);
  expect(offered(1, [])).toEqual(["own", "through b"]);
  expect(offered(1, [C])).toEqual(["own", "through b"]);
  expect(offered(0, [C])).toEqual(["own", "through b"]);
  expect(offered(1, [B])).toEqual(["own"]);
  expect(offered(2, [])).toEqual(["own"]);
  expect(registry.offersFor("through b", undefined).length).toBe(1);
});

test("a node that is long gone is forgotten, but not what an admin decided about it, nor one that is linked", () => {
  const clock = manualClock();
  const registry = createRegistry({ clock });
  const ready = { type: "ready" as const, sig: "0".repeat(128), name: "n", device: DEVICE, attempts: [] };
  registry.place(NODE, { pool: "acme", maintenance: false, account: "local" });
  const join = () => registry.attach(NODE, CHANNEL, { ...ready, ...serves(["m"]) });
  const node = join();
  clock.advance(1_000);
  registry.forgetGone(clock.nowMs());
  expect(registry.nodes.size).toBe(1);
  registry.detach(node, true);
  registry.forgetGone(clock.nowMs());
  expect(registry.nodes.size).toBe(1);
  registry.forgetGone(clock.nowMs() + 1);
  expect(registry.nodes.size).toBe(0);
  expect(join().pool).toBe("acme");
});

test("a node that is withheld has no work, is told why, and has work again once it is not, also after it was away", () => {
  const clock = manualClock();
  const registry = createRegistry({ clock });
  const ready = { type: "ready" as const, sig: "0".repeat(128), name: "n", device: DEVICE, attempts: [] };
  const join = () => registry.attach(NODE, CHANNEL, { ...ready, ...serves(["m"]) });
  const node = join();
  expect([node.accepting, node.notice]).toEqual([true, null]);
  registry.withholdBy((pubkey) => (pubkey === NODE ? "it has nothing at stake" : null));
  expect([node.accepting, node.notice]).toEqual([false, "it has nothing at stake"]);
  registry.detach(node, true);
  expect(join().accepting).toBe(false);
  registry.withholdBy(() => null);
  expect([node.accepting, node.notice]).toEqual([true, null]);
});
