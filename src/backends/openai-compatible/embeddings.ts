// Embeddings: reads the answer of `/v1/embeddings` into one delta for each input. Servers send floats or base64,
// whatever they were asked for; what goes on is base64 of little-endian 32-bit floats.
import { type Delta, MAX_EMBEDDING_CHARS } from "../../protocol/generation.ts";
import type { EmbeddingBody, Emit, GenerateEnd } from "../backend.ts";
import { embeddingText } from "../embedding-text.ts";
import { isRecord } from "../record.ts";

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Throws SyntaxError or RangeError for an answer that makes no sense, or lacks an input's embedding. */
export async function readEmbeddings(
  answer: unknown,
  { input, dimensions }: EmbeddingBody,
  emit: Emit,
  signal: AbortSignal,
): Promise<GenerateEnd> {
  if (!isRecord(answer) || !Array.isArray(answer.data)) throw new SyntaxError("the answer has no list of embeddings");
  const count = inputCount(input);
  const embeddings: (string | undefined)[] = new Array(count);
  answer.data.forEach((item, position) => {
    if (!isRecord(item)) throw new SyntaxError("an embedding is not an object");
    const index = typeof item.index === "number" ? item.index : position;
    if (!Number.isInteger(index) || index < 0 || index >= count) throw new RangeError(`embedding index ${index}`);
    embeddings[index] = cut(asBase64(item.embedding), dimensions);
  });
  for (const [index, embedding] of embeddings.entries()) {
    if (embedding === undefined) throw new RangeError(`no embedding of input ${index}`);
    const delta: Delta = index === 0 ? { embedding } : { index, embedding };
    await emit(delta);
    if (signal.aborted) break;
  }
  return { finish: [], usage: usageOf(answer.usage) };
}

/** A list of numbers is one input given as tokens. */
function inputCount(input: EmbeddingBody["input"]): number {
  return Array.isArray(input) && typeof input[0] !== "number" ? input.length : 1;
}

function asBase64(embedding: unknown): string {
  // llama.cpp's own route gives a list of one list.
  const inner: unknown = Array.isArray(embedding) && Array.isArray(embedding[0]) ? embedding[0] : embedding;
  const text = typeof inner === "string" ? inner : embeddingText(inner);
  if (text === null || text === "" || !BASE64.test(text)) throw new SyntaxError("an embedding is no vector");
  if (text.length > MAX_EMBEDDING_CHARS) throw new RangeError(`an embedding of ${text.length} characters`);
  return text;
}

/** The first dimensions, of length 1 again, where a server passes over how many were asked for (OpenAI: `dimensions`). */
function cut(text: string, dimensions: unknown): string {
  if (typeof dimensions !== "number" || !Number.isInteger(dimensions) || dimensions < 1) return text;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length <= dimensions * 4) return text;
  const vector = Array.from({ length: dimensions }, (_, i) => bytes.readFloatLE(i * 4));
  const length = Math.hypot(...vector);
  return embeddingText(length > 0 ? vector.map((value) => value / length) : vector) ?? text;
}

function usageOf(usage: unknown): GenerateEnd["usage"] {
  const tokens = isRecord(usage) ? usage.prompt_tokens : null;
  if (typeof tokens !== "number" || !Number.isInteger(tokens) || tokens < 0 || tokens >= 2 ** 31) return null;
  return { prompt_tokens: tokens, completion_tokens: 0 };
}
