// The catalogue while nodes come, go and tell anew what they have: between two turns of a sum.
import { expect, test } from "bun:test";
import { manualClock } from "../lib/clock.ts";
import { nextTurn } from "../lib/turns.ts";
import type { HeartbeatFrame } from "../protocol/frames.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { createRegistry } from "../registry/registry.ts";
import { modelRows } from "./admin-models/view.ts";
import { catalogue } from "./catalogue.ts";

const DEVICE = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] };
const serves = (names: readonly string[]): NonNullable<HeartbeatFrame["serves"]> => ({
  backends: [{ kind: "openai", continues: false, healthy: true }],
  models: names.map((name) => ({
    ...{ name, context_length: null, digest: null, loaded: null, quantization: null, demo: false, backend: 0 },
  })),
  slots: 1,
  prices: { input: 0, output: 0 },
});

/** Nodes with a thousand models of their own each, who tell them anew whenever anybody else has a turn. */
function restless(nodes: number) {
  const registry = createRegistry({ clock: manualClock() });
  const channel = { send() {}, acknowledge() {}, close() {} };
  const ready = { type: "ready" as const, sig: "0".repeat(128), name: "n", device: DEVICE, attempts: [] };
  const all = Array.from({ length: nodes }, (_, n) => {
    const names = Array.from({ length: 1_000 }, (_, i) => `m-${n}-${i}`);
    const pubkey = pubkeySchema.parse(n.toString(16).padStart(64, "0"));
    return { names, node: registry.attach(pubkey, channel, { ...ready, ...serves(names) }) };
  });
  const tell = () => {
    for (const { node, names } of all) {
      registry.heartbeat(node, { type: "heartbeat", status: "available", running: 0, serves: serves(names) });
    }
  };
  return { registry, all, tell };
}

test.each([
  ["the catalogue", (on: ReturnType<typeof restless>) => catalogue(on.registry, 0)],
  ["the admins' models", (on: ReturnType<typeof restless>) => modelRows(on.registry, [], 0)],
])("%s has every model once, and ends, however often nodes tell anew what they have", async (_, sum) => {
  const on = restless(6);
  let isDone = false;
  const others = (async () => {
    for (let turns = 0; !isDone; turns++) {
      expect(turns).toBeLessThan(20);
      on.tell();
      await nextTurn();
    }
  })();
  const rows = await sum(on);
  isDone = true;
  await others;
  expect(rows).toHaveLength(6_000);
});

test("a model that goes while it is summed is not told of", async () => {
  const on = restless(6);
  const summed = modelRows(on.registry, [], 0);
  const last = on.all.at(-1);
  if (!last) throw new Error("there are six");
  on.registry.heartbeat(last.node, { type: "heartbeat", status: "available", running: 0, serves: serves([]) });
  expect(await summed).toHaveLength(5_000);
});
