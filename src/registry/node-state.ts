// Node state: how a node stands now, in one word for people, and how many of its slots are free.
import type { Elsewhere, Node } from "./node.ts";

/**
 * `offline`: no link. `paused`: it takes nothing now, by its own will or an admin's. `suspect`: it failed lately and comes
 * last for a while. `bare`: it has nothing on offer, as when none of its backends answers. `full`, `serving`, `idle`: no
 * slot, some, or all slots are free; who polls has slots only while it asks. `elsewhere`: it is online at another
 * coordinator of the network, which alone knows what it does.
 */
export const NODE_STATES = ["serving", "full", "idle", "elsewhere", "bare", "suspect", "paused", "offline"] as const;
export type NodeState = (typeof NODE_STATES)[number];

type Standing = Pick<
  Node,
  | "channel"
  | "elsewhere"
  | "status"
  | "maintenance"
  | "accepting"
  | "congested"
  | "suspectUntilMs"
  | "running"
  | "foreign"
  | "slots"
  | "offers"
>;

/** It holds a link, here or to another coordinator of the network. */
export const isOnline = ({ channel, elsewhere }: Pick<Node, "channel" | "elsewhere">): boolean =>
  channel !== null || elsewhere !== null;

/** Its link to another coordinator of the network, where it has none here: what it does, that one knows. */
export const onlyElsewhere = ({ channel, elsewhere }: Pick<Node, "channel" | "elsewhere">): Elsewhere | null =>
  channel === null ? elsewhere : null;

export function nodeState(node: Standing, nowMs: number): NodeState {
  if (!isOnline(node)) return "offline";
  if (node.channel === null) return node.status === "available" && !node.maintenance ? "elsewhere" : "paused";
  // Who is only behind with reading works on.
  if (!node.accepting && !node.congested) return "paused";
  if (node.suspectUntilMs > nowMs) return "suspect";
  const isBare = node.offers.length === 0 || (node.slots === 0 && !node.channel.forgetful);
  if (isBare) return "bare";
  if (freeSlots(node) === 0) return "full";
  return node.running + node.foreign === 0 ? "idle" : "serving";
}

/** Of its slots those that nobody uses: jobs from here, and what its backends do for others. */
export const freeSlots = ({ slots, running, foreign }: Pick<Node, "slots" | "running" | "foreign">): number =>
  Math.max(0, slots - running - foreign);
