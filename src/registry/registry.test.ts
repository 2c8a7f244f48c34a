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

test("models that are gone are remembered, though not without end", () => {
  const registry = createRegistry({ clock: manualClock() });
  const ready = { type: "ready" as const, sig: "0".repeat(128), name: "n", device: DEVICE, attempts: [] };
  const node = registry.attach(NODE, CHANNEL, { ...ready, ...serves(["first"]) });
  const change = (names: string[]) =>
    registry.heartbeat(node, { type: "heartbeat", status: "available", running: 0, serves: serves(names) });
  change(["second"]);
  expect(registry.lastServedMs("first")).toBeDefined();
  for (let i = 0; i < 11; i++) change(Array.from({ length: 1000 }, (_, k) => `m-${i}-${k}`));
  expect(registry.lastServedMs("first")).toBeUndefined();
  expect(registry.lastServedMs("m-9-999")).toBeDefined();
  expect(registry.offersOf("m-10-0").length).toBe(1);
});
