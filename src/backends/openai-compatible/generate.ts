// Generate: runs one request on a server that speaks OpenAI's API, to its end.
import { readText } from "../../lib/read-text.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, EmbeddingBody, Emit, GenerateEnd, GenerateRequest } from "../backend.ts";
import { type Endpoint, MAX_JSON_BYTES, readPieces, request, requestJson } from "../http.ts";
import { errorFromThrow, errorInStream } from "../http-errors.ts";
import { isRecord } from "../record.ts";
import { ChatStream } from "./chat-stream.ts";
import type { Dialect } from "./dialect.ts";
import { readEmbeddings } from "./embeddings.ts";
import { PATHS, requestBody } from "./request-body.ts";

const BROKEN_OFF: BackendError = {
  code: "backend_failed",
  message: "the backend's stream ended before the answer did",
};
const ABORTED: BackendError = { code: "aborted", message: "aborted" };

/** Never throws for what a server can do; resolves soon after `signal` aborts. */
export async function generate(
  server: Endpoint,
  dialect: Omit<Dialect, "find">,
  asked: GenerateRequest,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<GenerateEnd, BackendError>> {
  const { task } = asked;
  if (!dialect.tasks.includes(task)) {
    return err({ code: "invalid_request", message: `this backend has no route for ${task} requests` } as const);
  }
  if (dialect.lacks?.(asked.model)) {
    return err({ code: "model_not_found", message: `this backend has no model ${asked.model}` } as const);
  }
  const body = JSON.stringify(requestBody(asked, dialect));
  if (task === "embedding") return await embed(server, body, asked.body, emit, signal);
  const response = await request(server, PATHS[task], body, signal);
  if (!response.ok) return response;
  const choices = typeof asked.body.n === "number" ? asked.body.n : 1;
  const usageByChoice = dialect.usageByChoice && choices > 1;
  const stream = new ChatStream(emit, { choices, usageByChoice, completion: task === "completion" });
  try {
    if (response.value.headers.get("content-type")?.includes("json")) await readWhole(response.value, stream);
    else await readStream(response.value, stream, signal);
  } catch (thrown) {
    if (!signal.aborted) return err(errorFromThrow(thrown, signal));
  }
  if (signal.aborted) {
    if (stream.id !== null) dialect.cancelled?.(stream.id);
    return err(ABORTED);
  }
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

async function embed(
  server: Endpoint,
  body: string,
  asked: EmbeddingBody,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<GenerateEnd, BackendError>> {
  const answer = await requestJson(server, PATHS.embedding, body, signal);
  if (!answer.ok) return answer;
  if (isRecord(answer.value) && answer.value.error != null) return err(errorInStream(answer.value));
  try {
    const end = await readEmbeddings(answer.value, asked, emit, signal);
    return signal.aborted ? err(ABORTED) : ok(end);
  } catch (thrown) {
    return err(errorFromThrow(thrown, signal));
  }
}
