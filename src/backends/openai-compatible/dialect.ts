// Dialect: where servers that speak OpenAI's API differ from each other: what they list, what they say of themselves,
// how they go on with an answer, what can be done to their models.
import type { Result } from "../../lib/result.ts";
import type { BackendKind } from "../../protocol/backend-kinds.ts";
import type { BackendLoad } from "../../protocol/frames.ts";
import type { Task } from "../../protocol/generation.ts";
import type { Backend, BackendError, BackendModel } from "../backend.ts";
import type { Endpoint } from "../http.ts";

export type OpenAiKind = Extract<BackendKind, "openai" | "vllm" | "sglang" | "max" | "llamacpp" | "exo">;

export type ModelActions = NonNullable<Backend["actions"]>;

/** What a server serves now. */
export type Found = {
  models: BackendModel[];
  /** Requests it runs side by side; null where it does not say. */
  slots: number | null;
};

export type Dialect = {
  /** It can go on with a last message of role "assistant". */
  readonly continues: boolean;
  /** Fields to add to a chat whose last message is the assistant's. */
  readonly continueFields: Readonly<Record<string, unknown>>;
  /** The routes it has. */
  readonly tasks: readonly Task[];
  /** What is asked of `/v1/embeddings`: "base64" where it is known to be understood. */
  readonly embeddingFormat: "base64" | "float";
  /** Asked for several choices it counts each for itself, in a usage of its own. */
  readonly usageByChoice: boolean;
  /** The server is there and well, and what it serves. */
  find(signal: AbortSignal): Promise<Result<Found, BackendError>>;
  /** It is known to lack this model, but would not say so. */
  lacks?(model: string): boolean;
  /** `ours`: requests of this node that run there now. */
  load?(signal: AbortSignal, ours: number): Promise<Result<BackendLoad, BackendError>>;
  /** What can be done to models of the server as it was found last. */
  actions?(): ModelActions;
  /** The answer that the server named `id` is not wanted any more; its connection is closed already. */
  cancelled?(id: string): void;
};

export type DialectDeps = {
  server: Endpoint;
  /** How often the server is asked while a model is loaded or fetched, in milliseconds. */
  pollMs: number;
};

/** What holds where nothing else is known. */
export const UNKNOWN_SERVER = {
  continues: false,
  continueFields: {},
  tasks: ["chat", "completion", "embedding"],
  embeddingFormat: "float",
  usageByChoice: false,
} as const satisfies Partial<Dialect>;

/**
 * vLLM's fields, which llama.cpp took over. Without them llama.cpp's server goes on too, but newer ones repeat what is
 * there first (seen with 0.5.0).
 */
export const CONTINUES = {
  continues: true,
  continueFields: { continue_final_message: true, add_generation_prompt: false },
} as const satisfies Partial<Dialect>;
