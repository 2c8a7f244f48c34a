// Shapes: the kinds of load that every target gets in turn.
import type { Mode } from "./load-answer.ts";

export type Shape = {
  key: string;
  mode: Mode;
  connections: number;
  tokens: number;
  /** All ask at once, wait for the last, ask again. */
  waves: boolean;
  /** How the backend answers meanwhile: ms between tokens, ms to the first, writes per turn of its loop (0: all). */
  backend: { delay: number; ttft: number; turn: number };
  /** Seconds of a round, where not the run's. */
  seconds?: number;
};

const AT_ONCE = { delay: 0, ttft: 0, turn: 0 };

export const SHAPES: Shape[] = [
  { key: "unary-1", mode: "unary", connections: 1, tokens: 16, waves: false, backend: AT_ONCE },
  { key: "unary-32", mode: "unary", connections: 32, tokens: 16, waves: false, backend: AT_ONCE },
  { key: "stream-burst", mode: "stream", connections: 16, tokens: 200, waves: false, backend: AT_ONCE },
  // Each token is a send of its own, as fast as possible.
  { key: "stream-turn", mode: "stream", connections: 16, tokens: 200, waves: false, backend: { ...AT_ONCE, turn: 1 } },
  // 20 ms to the first token, then one each 10 ms: what a token costs when it comes alone, as from a real engine.
  {
    key: "stream-paced",
    mode: "stream",
    connections: 32,
    tokens: 64,
    waves: false,
    backend: { delay: 10, ttft: 20, turn: 0 },
    seconds: 2,
  },
  // 32 clients ask in the same instant; each first token is 20 ms away at the backend.
  {
    key: "burst-32",
    mode: "stream",
    connections: 32,
    tokens: 4,
    waves: true,
    backend: { delay: 0, ttft: 20, turn: 0 },
    seconds: 2,
  },
];
