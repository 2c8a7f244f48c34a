// Ollama: the adapter for an Ollama server, by its native API.
import { err, ok, type Result } from "../../lib/result.ts";
import type { Backend, BackendError, BackendModel, Emit, GenerateEnd, GenerateRequest } from "../backend.ts";
import { type Endpoint, endpoint, type Fetch, readPieces, request } from "../http.ts";
import { errorFromThrow } from "../http-errors.ts";
import { ChatLines } from "./chat-lines.ts";
import { listModels, type Shown } from "./model-list.ts";
import { leastPromptTokens, ollamaRequest } from "./request.ts";

export type OllamaOptions = {
  url: string;
  apiKey?: string | null;
  fetch?: Fetch;
  /** Tokens asked for (`num_ctx`) for models whose Modelfile names none; more needs more memory. */
  contextLength?: number;
};

const DEFAULT_CONTEXT_LENGTH = 8192;

/** A backend at `url`. Throws TypeError where `url` is no address. Opens nothing before its first use. */
export function ollama(options: OllamaOptions): Backend {
  const { url, apiKey = null, fetch: fetchFn = fetch, contextLength = DEFAULT_CONTEXT_LENGTH } = options;
  const server = endpoint(fetchFn, url, apiKey);
  const shown = new Map<string, Shown>();
  /** What each model was offered with: the server is asked for just that. */
  let contexts: Map<string, number | null> | null = null;
  const models = async (signal: AbortSignal): Promise<Result<BackendModel[], BackendError>> => {
    const listed = await listModels(server, { contextLength, shown }, signal);
    if (listed.ok) contexts = new Map(listed.value.map((model) => [model.name, model.contextLength]));
    return listed;
  };
  return {
    kind: "ollama",
    url: server.base,
    continues: true,
    slots: () => null,
    models,
    async generate({ task, model, body }: GenerateRequest, emit: Emit, signal: AbortSignal) {
      if (task !== "chat") return err({ code: "invalid_request", message: `${task} requests are not built yet` });
      if (contexts === null) {
        const listed = await models(signal);
        if (!listed.ok) return listed;
      }
      const context = contexts?.get(model) ?? contexts?.get(`${model}:latest`) ?? null;
      const sent = ollamaRequest(model, body, context);
      if (!sent.ok) return err({ code: "invalid_request", message: sent.error } as const);
      const least = leastPromptTokens(body.messages);
      if (context !== null && least >= context) return err(tooLong(context, `at least ${least}`));
      const result = await chat(server, JSON.stringify(sent.value), emit, signal);
      return result.ok ? result : err(named(result.error, context));
    },
    close: async () => undefined,
  };
}

const tooLong = (context: number, tokens: string): BackendError => ({
  code: "context_length_exceeded",
  message: `This model's maximum context length is ${context} tokens. However, your messages resulted in ${tokens} tokens.`,
});

/** Ollama says that a prompt is too long without saying for what. */
function named(error: BackendError, context: number | null): BackendError {
  const isRefusal = error.code === "invalid_request" || error.code === "backend_failed";
  if (context === null || !isRefusal || !/exceed\w* .*context (length|size|window)/i.test(error.message)) return error;
  return tooLong(context, "more");
}

async function chat(
  server: Endpoint,
  body: string,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<GenerateEnd, BackendError>> {
  const response = await request(server, "/api/chat", body, signal);
  if (!response.ok) return response;
  const lines = new ChatLines(emit);
  try {
    await readPieces(response.value, signal, (text) => {
      const waits = lines.push(text);
      return waits ?? (lines.done || lines.error !== null ? "enough" : undefined);
    });
    if (!signal.aborted) await lines.end();
  } catch (thrown) {
    return err(errorFromThrow(thrown, signal));
  }
  if (signal.aborted) return err({ code: "aborted", message: "aborted" } as const);
  if (lines.error !== null) return err(lines.error);
  const end = lines.result();
  return end === null ? err(BROKEN_OFF) : ok(end);
}

const BROKEN_OFF: BackendError = { code: "backend_failed", message: "Ollama's stream ended before the answer did" };
