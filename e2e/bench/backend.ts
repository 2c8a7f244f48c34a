// Synthetic inference backend: OpenAI-compatible and Ollama-compatible, cheap enough to stand behind what is measured.
//   bun backend.ts [--port 18000] [--tokens 16] [--delay 0] [--ttft 0] [--batch 1] [--turn 0]
// tokens  reply length when the request does not say max_tokens
// delay   milliseconds between tokens;  ttft  milliseconds before the first
// batch   tokens per write (1 = one HTTP chunk per token, as real servers do)
// turn    writes per turn of the event loop at delay 0 (0 = all in one, so the kernel sees one big send;
//         1 = every token is a send of its own, as fast as they can go)
// POST /_ctl {"delay":10,"ttft":20} changes them while it runs; GET /_ctl gives settings and counts; GET /_aborts gives
// when each stream was left by its client, by the request's `user` field, in ms since the Unix epoch.
import { parseArgs } from "node:util";
import { z } from "zod";
import {
  BENCH_MODEL,
  ollamaModels,
  ollamaStream,
  ollamaUnary,
  openaiModels,
  openaiStream,
  openaiUnary,
} from "./backend-replies.ts";

const settingsSchema = z.object({
  tokens: z.coerce.number().int().min(1).default(16),
  delay: z.coerce.number().min(0).default(0),
  ttft: z.coerce.number().min(0).default(0),
  batch: z.coerce.number().int().min(1).default(1),
  turn: z.coerce.number().int().min(0).default(0),
});
/** How the backend answers; see the top of this file. */
export type BackendSettings = z.infer<typeof settingsSchema>;

/** Answer of `GET /_aborts`. */
export type Aborts = { aborts: { user: string; atMs: number }[] };

type ChatRequest = {
  model?: unknown;
  stream?: unknown;
  user?: unknown;
  max_tokens?: unknown;
  max_completion_tokens?: unknown;
  stream_options?: { include_usage?: unknown };
  options?: { num_predict?: unknown };
};
type Stream = { writes: Uint8Array[]; contentType: string; tokens: number; user: string; signal: AbortSignal };

const MAX_TOKENS = 100_000;
const KEPT_ABORTS = 10_000;
const JSON_HEADERS = { "content-type": "application/json" };

const { values: flags } = parseArgs({
  options: {
    port: { type: "string", default: "18000" },
    tokens: { type: "string" },
    delay: { type: "string" },
    ttft: { type: "string" },
    batch: { type: "string" },
    turn: { type: "string" },
  },
});
const settings = settingsSchema.parse(flags);
const counts = { requests: 0, streams: 0, tokens: 0, aborted: 0 };
const aborts: Aborts["aborts"] = [];

function noteAbort(user: string): void {
  counts.aborted++;
  if (aborts.length < KEPT_ABORTS) aborts.push({ user, atMs: performance.timeOrigin + performance.now() });
}

function streamed({ writes, contentType, tokens, user, signal }: Stream): Response {
  counts.streams++;
  const { delay, ttft, turn } = settings;
  signal.addEventListener("abort", () => noteAbort(user));
  const body = new ReadableStream<Uint8Array>({
    type: "direct",
    async pull(controller) {
      if (ttft > 0) await Bun.sleep(ttft);
      for (const [index, bytes] of writes.entries()) {
        if (signal.aborted) return;
        // Not awaited: a write that waits for the client would turn one burst into many sends.
        void controller.write(bytes);
        void controller.flush();
        if (delay > 0 && index < writes.length - 1) await Bun.sleep(delay);
        else if (turn > 0 && (index + 1) % turn === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      counts.tokens += tokens;
      void controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": contentType, "cache-control": "no-cache" } });
}

async function whole(body: Uint8Array, tokens: number): Promise<Response> {
  if (settings.ttft > 0 || settings.delay > 0) await Bun.sleep(settings.ttft + settings.delay * tokens);
  counts.tokens += tokens;
  return new Response(body, { headers: JSON_HEADERS });
}

const tokensAsked = (asked: unknown) =>
  Math.min(MAX_TOKENS, typeof asked === "number" && asked > 0 ? Math.floor(asked) : settings.tokens);

async function chat(request: Request, dialect: "openai" | "ollama"): Promise<Response> {
  counts.requests++;
  const body = (await request.json()) as ChatRequest;
  const isOllama = dialect === "ollama";
  const tokens = tokensAsked(isOllama ? body.options?.num_predict : (body.max_completion_tokens ?? body.max_tokens));
  const key = {
    model: String(body.model ?? BENCH_MODEL),
    tokens,
    batch: settings.batch,
    withUsage: Boolean(body.stream_options?.include_usage),
  };
  const stream = { tokens, user: String(body.user ?? ""), signal: request.signal };
  if (isOllama) {
    if (body.stream === false) return whole(ollamaUnary(key), tokens);
    return streamed({ ...stream, writes: ollamaStream(key), contentType: "application/x-ndjson" });
  }
  if (!body.stream) return whole(openaiUnary(key), tokens);
  return streamed({ ...stream, writes: openaiStream(key), contentType: "text/event-stream" });
}

async function control(request: Request): Promise<Response> {
  Object.assign(settings, settingsSchema.parse({ ...settings, ...((await request.json()) as object) }));
  return Response.json({ settings, counts });
}

function answer(request: Request): Response | Promise<Response> {
  const path = new URL(request.url).pathname;
  switch (`${request.method} ${path}`) {
    case "POST /v1/chat/completions":
    case "POST /chat/completions":
      return chat(request, "openai");
    case "POST /api/chat":
      return chat(request, "ollama");
    case "POST /_ctl":
      return control(request);
    case "GET /_ctl":
      return Response.json({ settings, counts });
    case "GET /_aborts":
      return Response.json({ aborts } satisfies Aborts);
    case "GET /v1/models":
    case "GET /models":
      return Response.json(openaiModels);
    case "GET /api/version":
      return Response.json({ version: "0.12.0" });
    case "GET /api/tags":
      return Response.json(ollamaModels);
    case "GET /":
    case "GET /health":
      return new Response("ok");
    default:
      return Response.json({ error: { message: "no such path", type: "not_found" } }, { status: 404 });
  }
}

const server = Bun.serve({ port: Number(flags.port), hostname: "127.0.0.1", idleTimeout: 120, fetch: answer });
console.log(`backend on http://127.0.0.1:${server.port}`);
