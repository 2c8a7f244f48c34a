// Generation: the pieces of an answer as they travel from backend to client, in OpenAI's field names.
import { z } from "zod";

/** Longest text in one delta, in UTF-16 units. A joined delta is cut before it grows past this. */
export const MAX_DELTA_CHARS = 64 * 1024;

const text = z.string().max(MAX_DELTA_CHARS);

/** What is asked of a model, by OpenAI's routes: `/chat/completions`, `/completions`, `/embeddings`. */
export const TASKS = ["chat", "completion", "embedding"] as const;
export const taskSchema = z.enum(TASKS);
export type Task = z.infer<typeof taskSchema>;

/** What a model can do beyond text. */
export const FEATURES = ["tools", "vision", "json", "logprobs", "reasoning"] as const;
export const featureSchema = z.enum(FEATURES);
export type Feature = z.infer<typeof featureSchema>;

/** Highest choice index, and most inputs of an embedding request, less one. */
export const MAX_INDEX = 2047;
/** Characters of one embedding: base64 of 32,768 dimensions. */
export const MAX_EMBEDDING_CHARS = 174_764;

export const toolCallDeltaSchema = z.object({
  /** Position among the answer's tool calls, always present (OpenAI: `tool_calls[].index`). */
  index: z.int().min(0).max(127),
  id: z.string().max(256).optional(),
  type: z.literal("function").optional(),
  function: z.object({ name: z.string().max(256).optional(), arguments: text.optional() }).optional(),
});
export type ToolCallDelta = z.infer<typeof toolCallDeltaSchema>;

/** A piece of one choice's answer. `{ content }` alone, of choice 0, is the plain case. */
export const deltaSchema = z.object({
  /** Choice index (OpenAI: `choices[].index`), or the input's position where embeddings were asked for; absent means 0. */
  index: z.int().min(0).max(MAX_INDEX).optional(),
  content: text.optional(),
  /** Reasoning text (`reasoning_content` of vLLM, SGLang, DeepSeek). */
  reasoning_content: text.optional(),
  refusal: text.optional(),
  tool_calls: z.array(toolCallDeltaSchema).max(128).optional(),
  /** OpenAI's `choices[].logprobs` for this piece, passed on as it is. */
  logprobs: z.unknown().optional(),
  /** One input's embedding: base64 of little-endian 32-bit floats (OpenAI: `encoding_format: "base64"`). */
  embedding: z
    .string()
    .max(MAX_EMBEDDING_CHARS)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/)
    .optional(),
});
export type Delta = z.infer<typeof deltaSchema>;

export const finishReasonSchema = z.enum(["stop", "length", "tool_calls", "content_filter"]);
export type FinishReason = z.infer<typeof finishReasonSchema>;

const tokenCount = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
export const usageSchema = z.object({ prompt_tokens: tokenCount, completion_tokens: tokenCount });
export type Usage = z.infer<typeof usageSchema>;

/** True where the delta is nothing but text of the first choice, so that it may be joined with its neighbour. */
export function isPlain(delta: object & { content?: unknown }): delta is { content: string } {
  for (const key in delta) if (key !== "content") return false;
  return delta.content !== undefined;
}

/** What a delta costs against an attempt's credit, in bytes. Both ends of the link count with this. */
export function deltaCost(delta: Delta): number {
  if (isPlain(delta)) return 32 + delta.content.length;
  return 32 + JSON.stringify(delta).length;
}
