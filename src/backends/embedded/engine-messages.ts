// Engine messages: what a node and its engine process say to each other over IPC. Both are the same program, so the
// shapes are trusted.
import type { Result } from "../../lib/result.ts";
import type { Delta, Task } from "../../protocol/generation.ts";
import type { BackendError, GenerateEnd, GenerateRequest } from "../backend.ts";

export type EngineModel = {
  name: string;
  /** A GGUF file; null for the demo model, which the engine extracts itself. */
  path: string | null;
  /** Tokens offered, prompt and answer together. */
  contextLength: number;
  tasks: readonly Task[];
  /** Size of the file: about what the model takes in memory. */
  bytes: number;
};

export type EngineConfig = {
  models: EngineModel[];
  threads: number;
  /** Generations side by side for each model. */
  slots: number;
  /** Models in memory together; the one used least recently goes first. */
  memoryBytes: number;
  cacheDir: string;
};

export type ToEngine =
  | { type: "configure"; config: EngineConfig }
  | { type: "generate"; id: number; request: GenerateRequest }
  /** Into memory, out of memory. Both end with "end". */
  | { type: "load"; id: number; model: string }
  | { type: "unload"; id: number; model: string }
  | { type: "abort"; id: number }
  /** The reader is behind: make no more until "resume". */
  | { type: "pause"; id: number }
  | { type: "resume"; id: number };

export type FromEngine =
  /** The process is up and waits for "configure". */
  | { type: "hello" }
  | { type: "delta"; id: number; delta: Delta }
  | { type: "end"; id: number; result: Result<GenerateEnd, BackendError> }
  /** Names of the models in memory, whenever they change. */
  | { type: "loaded"; models: string[] };
