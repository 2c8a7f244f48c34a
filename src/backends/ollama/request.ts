// Ollama request: OpenAI's requests in the words of Ollama's native routes. These are used because the OpenAI ones
// ignore `num_ctx` and silently cut the prompt at 4096 tokens.
import { err, ok, type Result } from "../../lib/result.ts";
import type { ChatBody, CompletionBody, EmbeddingBody } from "../backend.ts";
import { isRecord } from "../record.ts";
import { type Message, readMessages, unfinishedAnswer } from "./messages.ts";
import type { Shown } from "./model-list.ts";
import { readOptions } from "./sampling.ts";
import { isAtLeast, SINCE, type Version } from "./version.ts";

/** What a request must know of its model. */
export type Target = {
  /** The model's name at the server. */
  model: string;
  /** Asked for as `num_ctx`, always the same for one model, since another loads it anew; null leaves it to the server. */
  contextLength: number | null;
  shown: Shown;
  version: Version | null;
};

export type ChatRequest = Record<string, unknown> & { messages: Message[]; options: Record<string, unknown> };

/** `/api/chat`. The error is a sentence for the client. */
export function chatRequest(target: Target, body: ChatBody): Result<ChatRequest, string> {
  const common = commonRequest(target, body);
  const messages = readMessages(body.messages, target.shown.capabilities?.has("vision") ?? true);
  const tools = readTools(body);
  const format = responseFormat(body.response_format);
  const logprobs = readLogprobs(target, body.logprobs === true, body.top_logprobs);
  if (!common.ok) return common;
  if (!messages.ok) return messages;
  if (!tools.ok) return tools;
  if (!format.ok) return format;
  if (!logprobs.ok) return logprobs;
  // An empty answer has nothing to go on with.
  if (unfinishedAnswer(messages.value) === "") messages.value.pop();
  const sent: ChatRequest = { ...common.value, ...logprobs.value, messages: messages.value };
  if (tools.value !== null) sent.tools = tools.value;
  if (format.value !== null) sent.format = format.value;
  const think = readThink(target, body);
  if (think !== null) sent.think = think;
  return ok(sent);
}

/** `/api/generate` with the prompt as it is. With a suffix, the model's own template puts both in their places. */
export function completionRequest(target: Target, body: CompletionBody): Result<Record<string, unknown>, string> {
  const common = commonRequest(target, body);
  const wished = typeof body.logprobs === "number" ? body.logprobs : null;
  const logprobs = readLogprobs(target, wished !== null, wished ?? undefined);
  if (!common.ok) return common;
  if (!logprobs.ok) return logprobs;
  if (body.prompt === "") return err("Ollama takes an empty prompt for no request: prompt must not be empty");
  if (body.echo === true) return err("Ollama does not echo the prompt: echo must be false");
  if (typeof body.best_of === "number" && body.best_of > 1) return err("Ollama has no best_of");
  const sent = { ...common.value, ...logprobs.value, prompt: body.prompt };
  const { suffix } = body;
  if (suffix === undefined || suffix === null || suffix === "") return ok({ ...sent, raw: true });
  if (typeof suffix !== "string") return err("suffix must be text");
  if (target.shown.capabilities?.has("insert") === false) return err("this model cannot fill in before a suffix");
  return ok({ ...sent, suffix });
}

/** `/api/embed` for some of the inputs. The error is a sentence for the client. */
export function embeddingRequest(
  { model, contextLength }: Target,
  { dimensions }: EmbeddingBody,
): Result<Record<string, unknown>, string> {
  // The same num_ctx as for an answer: another would load the model anew.
  const sent: Record<string, unknown> = { model, truncate: false };
  if (contextLength !== null) sent.options = { num_ctx: contextLength };
  if (dimensions === undefined || dimensions === null) return ok(sent);
  if (typeof dimensions !== "number" || !Number.isInteger(dimensions) || dimensions < 1)
    return err("dimensions must be a whole number above 0");
  return ok({ ...sent, dimensions });
}

/** Texts to embed; tokens are not taken. */
export function embeddingInputs(input: EmbeddingBody["input"]): Result<string[], string> {
  const list: unknown[] = Array.isArray(input) ? input : [input];
  if (list.length === 0) return err("input must not be empty");
  const texts = list.filter((item): item is string => typeof item === "string");
  return texts.length === list.length ? ok(texts) : err("Ollama embeds texts, not tokens: input must be text");
}

function commonRequest(
  { model, contextLength }: Target,
  body: Record<string, unknown>,
): Result<Record<string, unknown> & { options: Record<string, unknown> }, string> {
  const options = readOptions(body);
  if (!options.ok) return options;
  const { logit_bias: bias } = body;
  if (isRecord(bias) && Object.keys(bias).length > 0) return err("Ollama has no logit_bias");
  if (contextLength !== null) options.value.num_ctx = contextLength;
  // `truncate` and `shift`: an error instead of messages dropped without a word.
  return ok({ model, stream: true, truncate: false, shift: false, options: options.value });
}

function readTools(body: ChatBody): Result<unknown[] | null, string> {
  const { tools, tool_choice: choice = "auto" } = body;
  if (!Array.isArray(tools) || tools.length === 0 || choice === "none") return ok(null);
  if (choice === "auto" || choice === null) return ok(tools);
  return err("Ollama leaves it to the model whether it calls a tool: tool_choice must be auto or none");
}

/** OpenAI's `response_format` as Ollama's `format`: "json", a JSON schema, or null for text. */
function responseFormat(format: unknown): Result<unknown, string> {
  if (format === undefined || format === null) return ok(null);
  const type = isRecord(format) ? format.type : format;
  if (type === "text") return ok(null);
  if (type === "json_object") return ok("json");
  const named = isRecord(format) ? format.json_schema : null;
  if (type === "json_schema" && isRecord(named) && isRecord(named.schema)) return ok(named.schema);
  return err("response_format must be text, json_object, or json_schema with a schema");
}

function readLogprobs({ version }: Target, wanted: boolean, top: unknown): Result<Record<string, unknown>, string> {
  if (!wanted) return ok({});
  if (!isAtLeast(version, SINCE.logprobs)) return err(`this Ollama (${version?.join(".")}) gives no logprobs`);
  if (top === undefined || top === null || top === 0) return ok({ logprobs: true });
  if (typeof top !== "number" || !Number.isInteger(top) || top < 0 || top > 20)
    return err("top_logprobs must be a whole number from 0 to 20");
  return ok({ logprobs: true, top_logprobs: top });
}

/** gpt-oss knows how hard to think; other models only whether to. */
const KNOWS_EFFORT = /^gpt-?oss$/;
const EFFORTS: Record<string, string> = { minimal: "low", low: "low", medium: "medium", high: "high", xhigh: "high" };

/** `think`, else OpenAI's `reasoning_effort`, which a model that cannot think goes without. */
function readThink({ shown }: Target, body: ChatBody): unknown {
  if (body.think !== undefined && body.think !== null) return body.think;
  const { reasoning_effort: effort } = body;
  if (typeof effort !== "string" || shown.capabilities?.has("thinking") !== true) return null;
  if (KNOWS_EFFORT.test(shown.family)) return EFFORTS[effort] ?? null;
  return effort !== "none";
}
