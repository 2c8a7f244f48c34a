// OpenAI-compatible: the adapter for every server that speaks OpenAI's chat completions. Kinds differ by their variant.
import { err, ok, type Result } from "../../lib/result.ts";
import type { Backend, BackendError, BackendModel, Emit, GenerateEnd, GenerateRequest } from "../backend.ts";
import {
  type Endpoint,
  endpoint,
  type Fetch,
  MAX_JSON_BYTES,
  readPieces,
  readText,
  request,
  requestJson,
} from "../http.ts";
import { errorFromThrow, errorInStream } from "../http-errors.ts";
import { isRecord } from "../record.ts";
import { ChatStream } from "./chat-stream.ts";
import { parseModelList } from "./model-list.ts";
import { chatBody, type OpenAiKind, VARIANTS } from "./variants.ts";

export type OpenAiCompatibleOptions = {
  kind: OpenAiKind;
  /** Base address, with or without `/v1`. */
  url: string;
  apiKey?: string | null;
  fetch?: Fetch;
};

/** A backend at `url`. Throws TypeError where `url` is no address. Opens nothing before its first use. */
export function openAiCompatible({
  kind,
  url,
  apiKey = null,
  fetch: fetchFn = fetch,
}: OpenAiCompatibleOptions): Backend {
  const server = endpoint(fetchFn, url.replace(/\/v1\/*$/, ""), apiKey);
  const variant = VARIANTS[kind];
  return {
    kind,
    url: server.base,
    continues: variant.continues,
    slots: () => null,
    async models(signal: AbortSignal): Promise<Result<BackendModel[], BackendError>> {
      const answer = await requestJson(server, variant.modelsPath, null, signal);
      return answer.ok ? parseModelList(answer.value, variant) : answer;
    },
    generate: ({ model, body }: GenerateRequest, emit: Emit, signal: AbortSignal) =>
      chat(server, JSON.stringify(chatBody(variant, model, body)), emit, signal),
    close: async () => undefined,
  };
}

const BROKEN_OFF: BackendError = {
  code: "backend_failed",
  message: "the backend's stream ended before the answer did",
};

async function chat(
  server: Endpoint,
  body: string,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<GenerateEnd, BackendError>> {
  const response = await request(server, "/v1/chat/completions", body, signal);
  if (!response.ok) return response;
  const stream = new ChatStream(emit);
  try {
    if (response.value.headers.get("content-type")?.includes("json")) await readWhole(response.value, stream);
    else await readStream(response.value, stream, signal);
  } catch (thrown) {
    return err(errorFromThrow(thrown, signal));
  }
  if (signal.aborted) return err({ code: "aborted", message: "aborted" } as const);
  if (stream.error !== null) return err(stream.error);
  const end = stream.result();
  return end === null ? err(BROKEN_OFF) : ok(end);
}

async function readStream(response: Response, stream: ChatStream, signal: AbortSignal): Promise<void> {
  await readPieces(response, signal, (text) => {
    const waits = stream.push(text);
    return waits ?? (stream.done || stream.error !== null ? "enough" : undefined);
  });
  if (!signal.aborted) await stream.end();
}

/** Some servers answer in one JSON document although a stream was asked for. */
async function readWhole(response: Response, stream: ChatStream): Promise<void> {
  const answer: unknown = JSON.parse(await readText(response, MAX_JSON_BYTES));
  if (!isRecord(answer)) throw new SyntaxError("the answer is not an object");
  if (answer.error !== undefined && answer.error !== null) stream.error = errorInStream(answer);
  else stream.chunk(answer);
  stream.done = true;
  await stream.end();
}
