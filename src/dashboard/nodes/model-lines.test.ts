import { expect, test } from "bun:test";
import type { CommandRow } from "../../admin/operations.ts";
import { newNode } from "../../registry/node.ts";
import { ANY_PEER, type Offer, offersOf } from "../../registry/offers.ts";
import { ANY_PRICE } from "../../registry/price-bounds.ts";
import { modelLines } from "./model-lines.ts";

const NOW = 100_000_000;
const offer = (name: string): Offer[] =>
  offersOf(
    newNode("0".repeat(64) as CommandRow["node"]),
    {
      ...{ backends: [{ kind: "ollama", continues: true, healthy: true }], slots: 1, prices: { input: 5, output: 7 } },
      models: [{ name, context_length: 8, digest: null, loaded: false, quantization: null, demo: false, backend: 0 }],
    },
    new Map(),
    { peers: ANY_PEER, prices: ANY_PRICE },
    NOW,
  );
const command = (over: Partial<CommandRow>): CommandRow => ({
  ...{ id: "c", node: "n" as CommandRow["node"], node_name: "", online: true, command: "model_install", model: "m" },
  ...{
    state: "running",
    cancelling: false,
    progress: null,
    error: null,
    created_ms: 0,
    delivered_ms: 0,
    ended_ms: null,
  },
  ...over,
});
const lines = (offers: readonly Offer[], commands: readonly CommandRow[]) =>
  modelLines(offers, commands, NOW).map(({ name, offered, command: of }) => [name, offered, of?.state ?? null]);

test("what is on offer comes first, by name, and then what is being installed", () => {
  const doing = [command({ model: "a" }), command({ model: "z", command: "model_remove" })];
  expect(lines([...offer("z"), ...offer("c")], doing)).toEqual([
    ["c", true, null],
    ["z", true, "running"],
    ["a", false, "running"],
  ]);
});

test("what came to nothing is shown for a day, unless it was tried again or is there by now", () => {
  const failed = command({ state: "failed", ended_ms: NOW - 1 });
  expect(lines([], [failed])).toEqual([["m", false, "failed"]]);
  expect(lines([], [command({}), failed])).toEqual([["m", false, "running"]]);
  expect(lines(offer("m"), [failed])).toEqual([["m", true, null]]);
  expect(lines([], [command({ state: "failed", ended_ms: NOW - 86_400_001 })])).toEqual([]);
  for (const state of ["completed", "cancelled"] as const) {
    expect(lines([], [command({ state, ended_ms: NOW }), failed])).toEqual([]);
  }
  // A removal that failed says so where the model stands.
  const kept = command({ command: "model_remove", state: "refused", ended_ms: NOW });
  expect(lines(offer("m"), [kept])).toEqual([["m", true, "refused"]]);
  expect(lines([], [kept])).toEqual([]);
});
