// States: how a node stands, as every page says it.
import type { NodeState } from "../../src/registry/node-state.ts";
import type { Tone } from "./parts.tsx";
import { number } from "./text.tsx";

export const STATE_TONE: Readonly<Record<NodeState, Tone>> = {
  serving: "live",
  full: "live",
  idle: "ok",
  elsewhere: "ok",
  bare: "warn",
  suspect: "warn",
  paused: "off",
  offline: "off",
};

/** `Serving, 3 free`. */
export function stateWords(state: NodeState, free: number): string {
  switch (state) {
    case "serving":
      return `Serving, ${number(free)} free`;
    case "full":
      return "Serving, full";
    case "idle":
      return `Idle, ${number(free)} free`;
    case "elsewhere":
      return "Online";
    case "bare":
      return "Serves nothing";
    case "suspect":
      return "Suspect";
    case "paused":
      return "Paused";
    case "offline":
      return "Offline";
  }
}
