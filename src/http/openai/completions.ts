// `POST /v1/completions`: text that goes on where the prompt ends (OpenAI's older route; code completion, base models).
import { z } from "zod";
import type { Choice } from "../../jobs/answer.ts";
import type { JobSpec } from "../../jobs/job.ts";
import { errorResponse } from "../errors.ts";
import type { ClientCall } from "../routes.ts";
import { answerTo, type ChatDeps } from "./chat-completions.ts";
import type { Shape } from "./chat-output.ts";
import { type ChatRequest, chatRequestSchema, check, parseJson } from "./chat-request.ts";
import { jobSpec } from "./job-spec.ts";

const MAX_PROMPT_CHARS = 16_000_000;
const promptSchema = z.string().min(1).max(MAX_PROMPT_CHARS);

const { model, ...shared } = chatRequestSchema.omit({
  messages: true,
  tools: true,
  logprobs: true,
  top_logprobs: true,
}).shape;
export const completionRequestSchema = z.object({
  model,
  /** One text. Several at once, or tokens, are not taken. */
  prompt: z.union([promptSchema, z.tuple([promptSchema])], {
    error: "must be one text (several prompts at once, or tokens, are not supported)",
  }),
  logprobs: z.int().min(0).max(20).nullish().describe("How many of the most likely tokens to give beside each."),
  suffix: z.string().max(MAX_PROMPT_CHARS).nullish().describe("What comes after the text, where the model fills in."),
  echo: z.boolean().nullish().describe("The prompt comes first in the answer."),
  best_of: z.int().min(1).max(16).nullish(),
  ...shared,
});

export async function completions(deps: ChatDeps, call: ClientCall): Promise<Response> {
  const text = await call.body();
  const json = parseJson(text);
  if (!json.ok) return errorResponse(json.error.code, json.error.message, json.error);
  const request = check(completionRequestSchema, json.value);
  if (!request.ok) return errorResponse(request.error.code, request.error.message, request.error);
  const { prompt: given, logprobs: _, suffix, echo, ...rest } = request.value;
  const prompt = typeof given === "string" ? given : given[0];
  // Backends take one text; as it came where it is one already.
  const bodyJson = typeof given === "string" ? text : JSON.stringify({ ...(json.value as object), prompt });
  const asked = { ...rest, messages: [{ role: "user" as const, content: prompt }] };
  return answerTo(deps, call, {
    spec: completionSpec(deps, call, asked, bodyJson, !suffix && echo !== true),
    idPrefix: "cmpl-",
    shape: () => TEXT_SHAPE,
    includeUsage: rest.stream_options?.include_usage === true,
  });
}

/**
 * For routing, a prompt is a conversation of one message. What has a text after it too cannot be continued by halves, and
 * what repeats the prompt would repeat the first half.
 */
function completionSpec(
  { defaults }: ChatDeps,
  { caller }: ClientCall,
  request: ChatRequest,
  bodyJson: string,
  canGoOn: boolean,
): JobSpec {
  const spec = jobSpec("chat", request, bodyJson, caller, defaults);
  return { ...spec, task: "completion", structured: spec.structured || !canGoOn };
}

const choiceJson = (index: number, text: string, logprobs: unknown, finish: string): string =>
  `{"index":${index},"text":${JSON.stringify(text)},"logprobs":${JSON.stringify(logprobs ?? null)},"finish_reason":${finish}}`;

/** OpenAI's `text_completion`, the same in a stream and as a whole. */
const TEXT_SHAPE: Shape = {
  chunk: "text_completion",
  whole: "text_completion",
  piece: ({ index = 0, content = "", logprobs }, chunkOf) =>
    content === "" && logprobs === undefined ? "" : chunkOf(choiceJson(index, content, logprobs, "null")),
  end: (index, reason, chunkOf) => chunkOf(choiceJson(index, "", null, `"${reason}"`)),
  choice: ({ index, message, logprobs, finish_reason }: Choice) => ({
    index,
    text: message.content ?? "",
    logprobs,
    finish_reason,
  }),
};
