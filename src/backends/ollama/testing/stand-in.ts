// Stand-in: an Ollama server with a model that knows one answer. Its shapes and words are those recorded from a real
// Ollama 0.17.4; what it says is scripted. Tokens are words here, with the space before them.
import { isRecord } from "../../record.ts";
import { type Route, scriptedServer } from "../../testing/scripted-server.ts";

export const STAND_IN = { model: "parrot:latest", embedder: "vectors:latest", contextLength: 64 } as const;

const ANSWER = "This is a parrot that says one sentence, and then it is done.";
const NAMES: readonly string[] = [STAND_IN.model, STAND_IN.embedder];

export type OllamaStandIn = { url: string; stop(): Promise<void> };

export function ollamaStandIn(): OllamaStandIn {
  return scriptedServer({
    "GET /api/version": () => Response.json({ version: "0.17.4" }),
    "GET /api/ps": () => Response.json({ models: [] }),
    "GET /api/tags": () => {
      const details = { format: "gguf", family: "llama", quantization_level: "Q8_0" };
      return Response.json({ models: NAMES.map((name, i) => ({ name, digest: `${i}`.repeat(64), details })) });
    },
    "POST /api/show": ({ body }) => {
      const capabilities = body?.model === STAND_IN.embedder ? ["embedding"] : ["completion"];
      return Response.json({ model_info: { "llama.context_length": STAND_IN.contextLength }, capabilities });
    },
    "POST /api/chat": known(chat),
    "POST /api/generate": known((body, signal) => say(body, String(body.prompt), signal)),
    "POST /api/embed": known(embed),
  });
}

type Body = Record<string, unknown>;

function known(route: (body: Body, signal: AbortSignal) => Response): Route {
  return ({ body }, signal) => {
    if (body !== null && NAMES.includes(String(body.model))) return route(body, signal);
    return Response.json({ error: `model '${body?.model}' not found` }, { status: 404 });
  };
}

function chat(body: Body, signal: AbortSignal): Response {
  if (Array.isArray(body.tools)) {
    const error = `registry.ollama.ai/library/${body.model} does not support tools`;
    return Response.json({ error }, { status: 400 });
  }
  const messages = Array.isArray(body.messages) ? body.messages.filter(isRecord) : [];
  let prompt = messages.map(({ role, content }) => `${role}: ${content}`).join("\n");
  if (messages.at(-1)?.role !== "assistant") prompt += "\nassistant: ";
  if (body._debug_render_only === true) return Response.json({ _debug_info: { rendered_template: prompt } });
  return say(body, prompt, signal);
}

/** Goes on with what stands behind the last "assistant: ". */
function say(body: Body, prompt: string, signal: AbortSignal): Response {
  const options = isRecord(body.options) ? body.options : {};
  const promptTokens = wordsOf(prompt).length;
  if (promptTokens >= Number(options.num_ctx)) return tooLong();
  const begun = prompt.slice(prompt.lastIndexOf("assistant: ") + "assistant: ".length);
  const rest = body.format === undefined ? (ANSWER.startsWith(begun) ? ANSWER.slice(begun.length) : "") : FORMATTED;
  const stop = Array.isArray(options.stop) ? rest.indexOf(String(options.stop[0])) : -1;
  const words = wordsOf(stop < 0 ? rest : rest.slice(0, stop));
  const limit = typeof options.num_predict === "number" ? options.num_predict : words.length + 1;
  const said = words.slice(0, limit);
  const last = {
    done: true,
    done_reason: limit <= words.length ? "length" : "stop",
    prompt_eval_count: promptTokens,
    eval_count: said.length,
  };
  return lines([...said.map((word) => part(body, word)), { ...part(body, ""), ...last }], signal);
}

const FORMATTED = '{ "ok": true, "kind": "a" }';

const tooLong = (): Response =>
  Response.json({ error: "the input length exceeds the context length" }, { status: 400 });

const wordsOf = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];

function part(body: Body, text: string): Body {
  const base = { model: body.model, created_at: new Date(0).toISOString(), done: false };
  const logprob = { token: text, logprob: -0.5, bytes: [...Buffer.from(text)] };
  const top = Array.from({ length: Number(body.top_logprobs ?? 0) }, () => logprob);
  const beside = body.logprobs === true && text !== "" ? { logprobs: [{ ...logprob, top_logprobs: top }] } : {};
  return body.messages === undefined
    ? { ...base, ...beside, response: text }
    : { ...base, ...beside, message: { role: "assistant", content: text } };
}

/** One line a turn of the event loop, until the client is gone. */
function lines(all: Body[], signal: AbortSignal): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const line of all) {
        if (signal.aborted) return;
        controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}

function embed(body: Body): Response {
  const inputs = Array.isArray(body.input) ? body.input.map(String) : [];
  const options = isRecord(body.options) ? body.options : {};
  const counts = inputs.map((text) => wordsOf(text).length);
  if (counts.some((count) => count >= Number(options.num_ctx))) return tooLong();
  const size = typeof body.dimensions === "number" ? body.dimensions : 8;
  const embeddings = inputs.map((text) => {
    const raw = Array.from({ length: size }, (_, i) => Math.sin(Bun.hash.crc32(`${i}${text}`)));
    return raw.map((value) => value / Math.hypot(...raw));
  });
  return Response.json({ model: body.model, embeddings, prompt_eval_count: counts.reduce((a, b) => a + b, 0) });
}
