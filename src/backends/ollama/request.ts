// Ollama request: OpenAI's chat request in the words of Ollama's native `/api/chat`. The native route is used because
// the OpenAI one ignores `num_ctx` and silently cuts the prompt at 4096 tokens.
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";

/** OpenAI's name → Ollama's option (api/types.go, `Options`). */
const OPTIONS: [string, string][] = [
  ["max_tokens", "num_predict"],
  ["max_completion_tokens", "num_predict"],
  ["temperature", "temperature"],
  ["top_p", "top_p"],
  ["top_k", "top_k"],
  ["min_p", "min_p"],
  ["seed", "seed"],
  ["frequency_penalty", "frequency_penalty"],
  ["presence_penalty", "presence_penalty"],
];

/** `contextLength` is asked for as `num_ctx`; null leaves it to the server. The error is a sentence for the client. */
export function ollamaRequest(
  model: string,
  body: Record<string, unknown>,
  contextLength: number | null,
): Result<Record<string, unknown>, string> {
  if (typeof body.n === "number" && body.n > 1) return err("Ollama gives one choice at a time: n must be 1");
  const messages = readMessages(body.messages);
  if (!messages.ok) return messages;
  const options: Record<string, unknown> = isRecord(body.options) ? { ...body.options } : {};
  for (const [from, to] of OPTIONS) if (body[from] !== undefined && body[from] !== null) options[to] = body[from];
  const { stop } = body;
  if (stop !== undefined && stop !== null) options.stop = Array.isArray(stop) ? stop : [stop];
  if (contextLength !== null) options.num_ctx = contextLength;
  // `truncate` and `shift`: an error instead of messages dropped without a word. Older servers do not know them.
  const sent: Record<string, unknown> = {
    model,
    messages: messages.value,
    stream: true,
    truncate: false,
    shift: false,
    options,
  };
  if (body.logprobs === true) {
    sent.logprobs = true;
    if (typeof body.top_logprobs === "number") sent.top_logprobs = body.top_logprobs;
  }
  if (Array.isArray(body.tools) && body.tool_choice !== "none") sent.tools = body.tools;
  const format = responseFormat(body.response_format);
  if (format !== null) sent.format = format;
  for (const key of ["think", "keep_alive"]) if (body[key] !== undefined) sent[key] = body[key];
  if (sent.think === undefined && typeof body.reasoning_effort === "string") {
    sent.think = body.reasoning_effort === "none" ? false : body.reasoning_effort;
  }
  return ok(sent);
}

/** OpenAI's `response_format` as Ollama's `format`: "json" or a JSON schema. */
function responseFormat(format: unknown): unknown {
  if (!isRecord(format)) return null;
  if (format.type === "json_object") return "json";
  const { json_schema: named } = format;
  return format.type === "json_schema" && isRecord(named) ? (named.schema ?? null) : null;
}

function readMessages(list: unknown): Result<Record<string, unknown>[], string> {
  if (!Array.isArray(list) || list.length === 0) return err("messages must not be empty");
  const messages: Record<string, unknown>[] = [];
  /** Tool results name their call by id at OpenAI's, by the function's name at Ollama's. */
  const toolNames = new Map<string, string>();
  for (const [i, item] of list.entries()) {
    if (!isRecord(item) || typeof item.role !== "string") return err(`messages[${i}] has no role`);
    const content = readContent(item.content);
    if (typeof content === "string") return err(`messages[${i}]: ${content}`);
    const message: Record<string, unknown> = {
      role: item.role === "developer" ? "system" : item.role,
      content: content.text,
    };
    if (content.images.length > 0) message.images = content.images;
    if (Array.isArray(item.tool_calls)) message.tool_calls = readToolCalls(item.tool_calls, toolNames);
    const name = typeof item.tool_call_id === "string" ? toolNames.get(item.tool_call_id) : undefined;
    if (name !== undefined) message.tool_name = name;
    if (typeof item.reasoning_content === "string") message.thinking = item.reasoning_content;
    messages.push(message);
  }
  return ok(messages);
}

/** Text and pictures of a message; a sentence where a part cannot be carried. */
function readContent(content: unknown): { text: string; images: string[] } | string {
  if (content === undefined || content === null) return { text: "", images: [] };
  if (typeof content === "string") return { text: content, images: [] };
  if (!Array.isArray(content)) return "content must be text or a list of parts";
  const texts: string[] = [];
  const images: string[] = [];
  for (const part of content) {
    if (!isRecord(part)) return "a part of content is not an object";
    if (typeof part.text === "string") texts.push(part.text);
    else {
      const url = isRecord(part.image_url) ? part.image_url.url : part.image_url;
      const data = typeof url === "string" ? /^data:[^,]*;base64,(.+)$/s.exec(url)?.[1] : undefined;
      if (data === undefined) return `Ollama takes text and pictures as data: URLs only, not "${part.type}"`;
      images.push(data);
    }
  }
  return { text: texts.join("\n"), images };
}

/** Earlier calls of the assistant: arguments are an object at Ollama's. */
function readToolCalls(calls: unknown[], names: Map<string, string>): unknown[] {
  const made: unknown[] = [];
  for (const call of calls) {
    const fn = isRecord(call) && isRecord(call.function) ? call.function : null;
    if (!isRecord(call) || fn === null || typeof fn.name !== "string") continue;
    if (typeof call.id === "string") names.set(call.id, fn.name);
    made.push({ function: { name: fn.name, arguments: parseArguments(fn.arguments) } });
  }
  return made;
}

function parseArguments(text: unknown): unknown {
  if (typeof text !== "string") return text ?? {};
  try {
    return JSON.parse(text);
  } catch {
    return { raw: text }; // A model wrote it, and models write broken JSON.
  }
}

/** English has about 4 bytes a token, code full of spaces up to 7: with more, a prompt is surely too long. */
const MAX_BYTES_PER_TOKEN = 8;

/**
 * The prompt's length in tokens at the very least, counted from its bytes. An Ollama that does not know `truncate`
 * drops old messages without a word, so what surely does not fit is refused here.
 */
export function leastPromptTokens(messages: unknown): number {
  let bytes = 0;
  for (const message of Array.isArray(messages) ? messages : []) {
    const content = isRecord(message) ? readContent(message.content) : "";
    if (typeof content !== "string") bytes += Buffer.byteLength(content.text);
  }
  return Math.ceil(bytes / MAX_BYTES_PER_TOKEN);
}
