// Embed: texts to vectors by `/api/embed`, some inputs at a time, so that an answer stays small and a cancel is quick.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError, EmbeddingBody, Emit, GenerateEnd } from "../backend.ts";
import { embeddingText } from "../embedding-text.ts";
import { type Endpoint, orAborted, requestJson } from "../http.ts";
import { isRecord } from "../record.ts";
import { knownTooLong } from "./overflow.ts";
import { embeddingInputs, embeddingRequest, type Target } from "./request.ts";

/** Inputs of one call: 64 vectors of 8,192 numbers are some 6 MB of JSON. */
const INPUTS_AT_ONCE = 64;

export async function embed(
  server: Endpoint,
  target: Target,
  body: EmbeddingBody,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<GenerateEnd, BackendError>> {
  const inputs = embeddingInputs(body.input);
  const sent = embeddingRequest(target, body);
  if (!inputs.ok) return err({ code: "invalid_request", message: inputs.error } as const);
  if (!sent.ok) return err({ code: "invalid_request", message: sent.error } as const);
  for (const text of inputs.value) {
    const tooLong = knownTooLong(target, [text]);
    if (tooLong !== null) return err(tooLong);
  }
  let promptTokens = 0;
  for (let from = 0; from < inputs.value.length; from += INPUTS_AT_ONCE) {
    const input = inputs.value.slice(from, from + INPUTS_AT_ONCE);
    const answer = await requestJson(server, "/api/embed", JSON.stringify({ ...sent.value, input }), signal);
    if (!answer.ok) return answer;
    const vectors = readVectors(answer.value, input.length);
    if (vectors === null)
      return err({ code: "backend_failed", message: "Ollama's answer has not one vector for each input" } as const);
    for (const [i, embedding] of vectors.entries()) {
      const waits = emit({ ...(from + i === 0 ? {} : { index: from + i }), embedding });
      if (waits !== undefined) await orAborted(waits, signal);
    }
    promptTokens += promptTokensOf(answer.value);
  }
  if (signal.aborted) return err({ code: "aborted", message: "aborted" } as const);
  return ok({
    finish: [{ index: 0, reason: "stop" }],
    usage: { prompt_tokens: promptTokens, completion_tokens: 0 },
  });
}

function readVectors(answer: unknown, inputs: number): string[] | null {
  const list = isRecord(answer) ? answer.embeddings : null;
  if (!Array.isArray(list) || list.length !== inputs) return null;
  const texts = list.map((vector) => embeddingText(vector)).filter((text) => text !== null);
  return texts.length === inputs ? texts : null;
}

function promptTokensOf(answer: unknown): number {
  const tokens = isRecord(answer) ? answer.prompt_eval_count : null;
  return typeof tokens === "number" && Number.isInteger(tokens) && tokens > 0 ? tokens : 0;
}
