// Backend replies: the bytes of the synthetic backend's answers, made once for each kind of request and kept.
import { replyText, tokenText } from "./tokens.ts";

export const BENCH_MODEL = "bench-model";

/** What decides an answer's bytes. `batch` is the tokens per write. */
export type ReplyKey = { model: string; tokens: number; batch: number; withUsage: boolean };

const CREATED_AT_S = Math.floor(Date.now() / 1000);
const KEPT_REPLIES = 256;
const PROMPT_TOKENS = 8;
const utf8 = new TextEncoder();

function kept<T>(make: (key: ReplyKey) => T): (key: ReplyKey) => T {
  const replies = new Map<string, T>();
  return (key) => {
    const name = `${key.tokens} ${key.batch} ${key.withUsage} ${key.model}`;
    let reply = replies.get(name);
    if (reply === undefined) {
      if (replies.size >= KEPT_REPLIES) replies.clear();
      reply = make(key);
      replies.set(name, reply);
    }
    return reply;
  };
}

const usageOf = (tokens: number) => ({
  prompt_tokens: PROMPT_TOKENS,
  completion_tokens: tokens,
  total_tokens: PROMPT_TOKENS + tokens,
});

function openaiEvent(model: string, fields: object): string {
  const chunk = { id: "chatcmpl-bench", object: "chat.completion.chunk", created: CREATED_AT_S, model, ...fields };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
const openaiChunk = (model: string, delta: object, finish: string | null) =>
  openaiEvent(model, { choices: [{ index: 0, delta, finish_reason: finish }] });

/** The writes of one OpenAI stream, in order. */
export const openaiStream = kept(({ model, tokens, batch, withUsage }) => {
  const writes: Uint8Array[] = [];
  for (let first = 0; first < tokens; first += batch) {
    let text = first === 0 ? openaiChunk(model, { role: "assistant", content: "" }, null) : "";
    for (let index = first; index < Math.min(tokens, first + batch); index++)
      text += openaiChunk(model, { content: tokenText(index) }, null);
    writes.push(utf8.encode(text));
  }
  let end = openaiChunk(model, {}, "stop");
  if (withUsage) end += openaiEvent(model, { choices: [], usage: usageOf(tokens) });
  writes.push(utf8.encode(`${end}data: [DONE]\n\n`));
  return writes;
});

/** The body of one OpenAI answer that is not streamed. */
export const openaiUnary = kept(({ model, tokens }) =>
  utf8.encode(
    JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion",
      created: CREATED_AT_S,
      model,
      choices: [{ index: 0, message: { role: "assistant", content: replyText(tokens) }, finish_reason: "stop" }],
      usage: usageOf(tokens),
    }),
  ),
);

const ollamaEnd = (tokens: number) => ({
  done: true,
  done_reason: "stop",
  total_duration: 1e6,
  load_duration: 1e3,
  prompt_eval_count: PROMPT_TOKENS,
  prompt_eval_duration: 1e5,
  eval_count: tokens,
  eval_duration: 1e6,
});
const ollamaLine = (model: string, content: string, end: object) => {
  const createdAt = new Date(CREATED_AT_S * 1000).toISOString();
  return `${JSON.stringify({ model, created_at: createdAt, message: { role: "assistant", content }, ...end })}\n`;
};

/** The writes of one Ollama stream (`/api/chat`, NDJSON), in order. */
export const ollamaStream = kept(({ model, tokens, batch }) => {
  const writes: Uint8Array[] = [];
  for (let first = 0; first < tokens; first += batch) {
    let text = "";
    for (let index = first; index < Math.min(tokens, first + batch); index++)
      text += ollamaLine(model, tokenText(index), { done: false });
    writes.push(utf8.encode(text));
  }
  writes.push(utf8.encode(ollamaLine(model, "", ollamaEnd(tokens))));
  return writes;
});

/** The body of one Ollama answer that is not streamed. */
export const ollamaUnary = kept(({ model, tokens }) =>
  utf8.encode(ollamaLine(model, replyText(tokens), ollamaEnd(tokens))),
);

/** `GET /v1/models`. */
export const openaiModels = {
  object: "list",
  data: [{ id: BENCH_MODEL, object: "model", created: CREATED_AT_S, owned_by: "bench" }],
};

/** `GET /api/tags`. */
export const ollamaModels = {
  models: [
    {
      name: BENCH_MODEL,
      model: BENCH_MODEL,
      modified_at: new Date(CREATED_AT_S * 1000).toISOString(),
      size: 1e9,
      digest: "0".repeat(64),
      details: { format: "gguf", family: "bench", parameter_size: "1B", quantization_level: "Q4_0" },
    },
  ],
};
