// Chat request: OpenAI's `POST /v1/chat/completions` body, checked as far as routing and safety need; what is not named
// here goes through to the backend as it came.
import { z } from "zod";
import { isDeeper } from "../../lib/json-depth.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { wishFields } from "./wishes.ts";

const MAX_MESSAGES = 4096;
const MAX_CHOICES = 16;
const MAX_TOKENS = 10_000_000;

// Plain objects, though unknown fields are welcome: what goes to the backend is the text of the request, not this.
const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z
    .union([z.string(), z.array(z.object({ type: z.string().max(64), text: z.unknown().optional() })).max(1024)])
    .nullish(),
});
const tokens = z.int().min(1).max(MAX_TOKENS).nullish();

export const chatRequestSchema = z.object({
  model: z.string().min(1).max(256),
  messages: z.array(messageSchema).min(1).max(MAX_MESSAGES),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  n: z.int().min(1).max(MAX_CHOICES).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().nullish(),
  response_format: z.looseObject({ type: z.string().max(64) }).nullish(),
  stop: z.union([z.string().max(1024), z.array(z.string().max(1024)).max(16)]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z
    .array(z.looseObject({ type: z.string().max(64) }))
    .max(256)
    .nullish(),
  ...wishFields,
});
export type ChatRequest = z.infer<typeof chatRequestSchema>;

export type RequestError = { code: "invalid_json" | "invalid_value"; message: string; param: string | null };

/** JSON nested deeper than this is refused: no real request is, and parsers downstream may be weaker than ours. */
const MAX_DEPTH = 64;

/** The body of a request for a model. Where it names `models` alone, the first of them is its `model`. */
export function parseJson(text: string): Result<unknown, RequestError> {
  const json = parsePlainJson(text);
  if (!json.ok) return json;
  const { model, models } = (json.value ?? {}) as { model?: unknown; models?: unknown };
  return model === undefined && Array.isArray(models) ? ok({ ...(json.value as object), model: models[0] }) : json;
}

/** The body of any request, as it is. */
export function parsePlainJson(text: string): Result<unknown, RequestError> {
  // Before it is parsed: 30 MB of brackets would become gigabytes of lists.
  if (isDeeper(text, MAX_DEPTH))
    return err({ code: "invalid_value", message: `nested deeper than ${MAX_DEPTH} levels`, param: null });
  try {
    return ok(JSON.parse(text));
  } catch (error) {
    const message = `the body is not JSON: ${error instanceof Error ? error.message : "it does not parse"}`;
    return err({ code: "invalid_json", message, param: null });
  }
}

/** Which field is wrong, what is allowed; the first of all that is wrong. */
export function check<T>(schema: z.ZodType<T>, value: unknown): Result<T, RequestError> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  const param = issue && issue.path.length > 0 ? issue.path.map(String).join(".") : null;
  return err({ code: "invalid_value", message: `${param ?? "body"}: ${issue?.message ?? "does not fit"}`, param });
}

/** UTF-16 units of text in the messages; images and other parts count nothing. */
export function textLength(messages: ChatRequest["messages"]): number {
  let length = 0;
  for (const { content } of messages) {
    if (typeof content === "string") length += content.length;
    else for (const part of content ?? []) if (typeof part.text === "string") length += part.text.length;
  }
  return length;
}
