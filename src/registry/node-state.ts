// Node state: how a node stands now, in one word for people, and how many of its slots are free.
import type { Node } from "./registry.ts";

/**
 * `offline`: no link. `paused`: it takes nothing now, by its own will or an admin's. `suspect`: it failed lately and comes
 * last for a while. `full`, `serving`, `idle`: no slot, some, or all slots are free.
 */
export const NODE_STATES = ["serving", "full", "idle", "suspect", "paused", "offline"] as const;
export type NodeState = (typeof NODE_STATES)[number];

type Standing = Pick<Node, "channel" | "accepting" | "congested" | "suspectUntilMs" | "running" | "foreign" | "slots">;

export function nodeState(node: Standing, nowMs: number): NodeState {
  if (node.channel === null) return "offline";
  // Who is only behind with reading works on.
  if (!node.accepting && !node.congested) return "paused";
  if (node.suspectUntilMs > nowMs) return "suspect";
  if (freeSlots(node) === 0) return "full";
  return node.running + node.foreign === 0 ? "idle" : "serving";
}

/** Of its slots those that nobody uses: jobs from here, and what its backends do for others. */
export const freeSlots = ({ slots, running, foreign }: Pick<Node, "slots" | "running" | "foreign">): number =>
  Math.max(0, slots - running - foreign);
