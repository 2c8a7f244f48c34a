// Backend: what every inference server looks like to a node. Adapters translate their server's dialect into this and
// nothing else; a node never sees HTTP, NDJSON or SSE.
import type { Result } from "../lib/result.ts";
import type { BackendKind } from "../protocol/backend-kinds.ts";
import type { Delta, FinishReason, Usage } from "../protocol/generation.ts";

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

export type BackendError = { code: BackendErrorCode; message: string };

/** A chat request as the client wrote it: OpenAI's fields, unknown ones included. */
export type ChatBody = Record<string, unknown> & { model: string; messages: unknown[] };

export type GenerateRequest = {
  /** The model's name at this backend. */
  model: string;
  body: ChatBody;
};

export type GenerateEnd = {
  /** One entry for each choice that ended, in order of index. Right even where the backend is wrong: "tool_calls" when tools were called. */
  finish: { index: number; reason: FinishReason }[];
  /** As counted by the backend; null where it counts nothing. */
  usage: Usage | null;
};

/**
 * Takes the next piece of output. Returns a promise when the reader is behind: the adapter then stops reading from its
 * server until it resolves (back-pressure), else undefined.
 */
export type Emit = (delta: Delta) => Promise<void> | undefined;

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
  /** Lets go of processes and sockets. */
  close(): Promise<void>;
};
