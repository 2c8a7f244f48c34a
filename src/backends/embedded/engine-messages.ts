// Engine messages: what a node and its engine process say to each other over IPC. Both are the same program, so the
// shapes are trusted.
import type { Result } from "../../lib/result.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { BackendError, ChatBody, GenerateEnd } from "../backend.ts";

export type EngineModel = {
  name: string;
  /** A GGUF file; null for the demo model, which the engine extracts itself. */
  path: string | null;
  /** Tokens offered, prompt and answer together. */
  contextLength: number;
};

export type EngineConfig = {
  models: EngineModel[];
  threads: number;
  /** Generations side by side for each model. */
  slots: number;
  cacheDir: string;
};

export type ToEngine =
  | { type: "configure"; config: EngineConfig }
  | { type: "generate"; id: number; model: string; body: ChatBody }
  | { type: "abort"; id: number }
  /** The reader is behind: make no more until "resume". */
  | { type: "pause"; id: number }
  | { type: "resume"; id: number };

export type FromEngine =
  /** The process is up and waits for "configure". */
  | { type: "hello" }
  | { type: "delta"; id: number; delta: Delta }
  | { type: "end"; id: number; result: Result<GenerateEnd, BackendError> };
