import { expect, test } from "bun:test";
import { newNode } from "./node.ts";
import { freeSlots, nodeState } from "./node-state.ts";
import type { Node, Offer } from "./registry.ts";

const NOW = 1_000;
const channel = { send() {}, acknowledge() {}, close() {} };
const node = (over: Partial<Node>): Node => ({
  ...newNode("0".repeat(64) as Node["pubkey"]),
  ...{ channel, accepting: true, slots: 4, offers: [{} as Offer] },
  ...over,
});

test.each([
  ["offline", { channel: null }],
  ["paused", { accepting: false }],
  ["suspect", { suspectUntilMs: NOW + 1, running: 4 }],
  ["idle", {}],
  ["idle", { suspectUntilMs: NOW }],
  ["serving", { running: 3 }],
  ["serving", { foreign: 1 }],
  ["serving", { accepting: false, congested: true, running: 1 }],
  ["full", { running: 3, foreign: 1 }],
  ["bare", { slots: 0 }],
  ["bare", { offers: [] }],
  ["full", { channel: { ...channel, forgetful: true }, slots: 0 }],
  ["bare", { channel: { ...channel, forgetful: true }, slots: 0, offers: [] }],
] as const)("a node is %s", (state, over) => {
  expect(nodeState(node(over), NOW)).toBe(state);
});

test("free slots are never fewer than none", () => {
  expect(freeSlots({ slots: 2, running: 3, foreign: 1 })).toBe(0);
});
