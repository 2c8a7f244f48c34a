// Backend: what every inference server looks like to a node. Adapters translate their server's dialect into this and
// nothing else; a node never sees HTTP, NDJSON or SSE.
import type { Result } from "../lib/result.ts";
import type { BackendKind } from "../protocol/backend-kinds.ts";
import type { Command, CommandProgress } from "../protocol/commands.ts";
import type { BackendLoad } from "../protocol/frames.ts";
import type { Delta, Feature, FinishReason, Task, Usage } from "../protocol/generation.ts";
import type { Trail } from "../protocol/trail.ts";

/** One model a backend can serve now. */
export type BackendModel = {
  /** Name as clients ask for it. */
  name: string;
  /** Tokens the backend will really take, prompt and answer together; null where it does not say. */
  contextLength: number | null;
  /** Content digest (Ollama's manifest digest, sha256 of a GGUF), hex without prefix; null where unknown. */
  digest: string | null;
  /** In memory now; null where the backend does not say. */
  loaded: boolean | null;
  /** e.g. "Q4_K_M"; null where unknown. */
  quantization: string | null;
  /** True for the embedded demonstration model, which says so wherever it answers. */
  demo: boolean;
  /** What it can be asked for; absent where the backend does not say. */
  tasks?: readonly Task[];
  /** What it can do beyond text; absent where the backend does not say. */
  features?: readonly Feature[];
  /** Of a backend of kind `infernet`: marks of the coordinators that the way leads through, the nearest first. */
  path?: readonly string[];
};

export type BackendErrorCode =
  /** No connection, or it broke. Another node may do better. */
  | "backend_unreachable"
  /** Queue full or 429/503. Another node may do better. */
  | "backend_busy"
  | "model_not_found"
  | "context_length_exceeded"
  /** The backend says the request itself is wrong (4xx): no other node would do better. */
  | "invalid_request"
  /** 5xx, broken stream, nonsense. */
  | "backend_failed"
  /** The signal given to generate() was aborted. */
  | "aborted";

export type BackendError = {
  code: BackendErrorCode;
  message: string;
  /** With `backend_busy`: the server asks to be left alone for so long (HTTP `Retry-After`). */
  retryAfterMs?: number;
  /** With `context_length_exceeded`: tokens it says it takes, prompt and answer together. */
  contextLength?: number;
};

/** A chat request as the client wrote it: OpenAI's fields, unknown ones included. */
export type ChatBody = Record<string, unknown> & { model: string; messages: unknown[] };

/** A completion request (OpenAI: `/v1/completions`) with one prompt. */
export type CompletionBody = Record<string, unknown> & { model: string; prompt: string };

/** An embedding request (OpenAI: `/v1/embeddings`): texts, or texts as tokens. */
export type EmbeddingBody = Record<string, unknown> & {
  model: string;
  input: string | string[] | number[] | number[][];
};

/**
 * `model`: its name at this backend. A completion emits its text as `content`; an embedding request one delta for each
 * input, with `index` and `embedding`. A chat whose last message is the assistant's is to be continued, not answered.
 */
export type GenerateRequest = (
  | { task: "chat"; model: string; body: ChatBody }
  | { task: "completion"; model: string; body: CompletionBody }
  | { task: "embedding"; model: string; body: EmbeddingBody }
) & {
  /** For a backend of kind `infernet`: the coordinators that the request came through, the one that sent it here too. */
  trail?: Trail;
};

export type GenerateEnd = {
  /** One entry for each choice that ended, in order of index. Right even where the backend is wrong: "tool_calls" when tools were called. */
  finish: { index: number; reason: FinishReason }[];
  /** As counted by the backend; null where it counts nothing. */
  usage: Usage | null;
};

/**
 * Takes the next piece of output; `pieces`: how many of the server's are joined in it, 1 where left out. Returns a promise
 * when the reader is behind: the adapter then stops reading from its server until it resolves (back-pressure), else
 * undefined.
 */
export type Emit = (delta: Delta, pieces?: number) => Promise<void> | undefined;

/** Does one thing to one model; reports how far it is. Stops soon after `signal` aborts, leaving nothing half-visible. */
export type ModelAction = (
  model: string,
  report: (progress: CommandProgress) => void,
  signal: AbortSignal,
) => Promise<Result<void, BackendError>>;

export type Backend = {
  readonly kind: BackendKind;
  /** Where it listens; null for the embedded engine. No credentials in it. */
  readonly url: string | null;
  /** It can go on with a last message of role "assistant" (proved per adapter). */
  readonly continues: boolean;
  /** Requests it runs side by side; null where it does not say. */
  slots(): number | null;
  /** The server is there and well. Doubles as the health check. */
  models(signal: AbortSignal): Promise<Result<BackendModel[], BackendError>>;
  /** Runs one request to its end. Never throws for what a server can do; resolves soon after `signal` aborts. */
  generate(request: GenerateRequest, emit: Emit, signal: AbortSignal): Promise<Result<GenerateEnd, BackendError>>;
  /** What it says of its own load; absent where it says nothing. */
  load?(signal: AbortSignal): Promise<Result<BackendLoad, BackendError>>;
  /** What can be done to its models; what is absent it does not support. */
  readonly actions?: { readonly [C in Command & `model_${string}`]?: ModelAction };
  /** Lets go of processes and sockets. */
  close(): Promise<void>;
};
