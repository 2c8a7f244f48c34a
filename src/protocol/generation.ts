// Generation: the pieces of an answer as they travel from backend to client, in OpenAI's field names.
import { z } from "zod";

/** Longest text in one delta, in UTF-16 units. A joined delta is cut before it grows past this. */
export const MAX_DELTA_CHARS = 64 * 1024;

const text = z.string().max(MAX_DELTA_CHARS);

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
  /** Choice index (OpenAI: `choices[].index`); absent means 0. */
  index: z.int().min(0).max(127).optional(),
  content: text.optional(),
  /** Reasoning text (`reasoning_content` of vLLM, SGLang, DeepSeek). */
  reasoning_content: text.optional(),
  refusal: text.optional(),
  tool_calls: z.array(toolCallDeltaSchema).max(128).optional(),
  /** OpenAI's `choices[].logprobs` for this piece, passed on as it is. */
  logprobs: z.unknown().optional(),
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
