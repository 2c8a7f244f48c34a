// Ollama's own words for what goes wrong, and what they mean to a node. "seen" was recorded from a real Ollama 0.17.4,
// "source" is read from its source (server/routes.go, server/sched.go, llm/server.go) and cannot be made at will.
import { afterEach, expect, test } from "bun:test";
import type { BackendErrorCode } from "../backend.ts";
import { collect } from "../testing/collect.ts";
import { scriptedServer, streamed } from "../testing/scripted-server.ts";
import { ollama } from "./ollama.ts";

type Fixture = {
  from: "seen" | "source";
  what: string;
  status: number;
  /** A text stands for itself, anything else for its JSON. */
  body: unknown;
  means: BackendErrorCode;
};

const FIXTURES: Fixture[] = [
  {
    from: "seen",
    what: "unknown model",
    status: 404,
    body: { error: "model 'x' not found" },
    means: "model_not_found",
  },
  {
    from: "seen",
    what: "unknown model, embedding",
    status: 404,
    body: { error: 'model "x" not found, try pulling it first' },
    means: "model_not_found",
  },
  {
    from: "seen",
    what: "prompt too long",
    status: 400,
    body: { error: "the input length exceeds the context length" },
    means: "context_length_exceeded",
  },
  {
    from: "source",
    what: "embedded text too long, older servers",
    status: 400,
    body: { error: "input exceeds maximum context length and cannot be truncated further" },
    means: "context_length_exceeded",
  },
  {
    from: "seen",
    what: "queue full",
    status: 503,
    body: { error: "server busy, please try again.  maximum pending requests exceeded" },
    means: "backend_busy",
  },
  {
    from: "seen",
    what: "no tools",
    status: 400,
    body: { error: "registry.ollama.ai/library/demo:latest does not support tools" },
    means: "invalid_request",
  },
  {
    from: "seen",
    what: "no thinking",
    status: 400,
    body: { error: '"demo" does not support thinking' },
    means: "invalid_request",
  },
  {
    from: "seen",
    what: "wrong bound",
    status: 400,
    body: { error: "top_logprobs must be between 0 and 20" },
    means: "invalid_request",
  },
  {
    from: "seen",
    what: "broken JSON",
    status: 400,
    body: { error: "invalid character 'b' looking for beginning of object key string" },
    means: "invalid_request",
  },
  { from: "seen", what: "wrong method", status: 405, body: "405 method not allowed", means: "backend_failed" },
  {
    from: "source",
    what: "too little memory",
    status: 500,
    body: { error: "model requires more system memory (5.6 GiB) than is available (2.1 GiB)" },
    means: "backend_failed",
  },
  {
    from: "seen",
    what: "runner killed",
    status: 500,
    body: {
      error:
        "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details",
    },
    means: "backend_failed",
  },
  {
    from: "source",
    what: "cloud model, not signed in",
    status: 401,
    body: { error: "unauthorized", signin_url: "https://ollama.com/connect" },
    means: "backend_failed",
  },
  {
    from: "source",
    what: "error under status 200",
    status: 200,
    body: { error: "an error was encountered while running the model: unexpected EOF" },
    means: "backend_failed",
  },
];

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

for (const { from, what, status, body, means } of FIXTURES) {
  test(`${what} (${from}): HTTP ${status} means ${means}`, async () => {
    const answer = () =>
      status === 200 ? streamed([`${JSON.stringify(body)}\n`]) : new Response(textOf(body), { status });
    const server = scriptedServer({
      "GET /api/version": () => Response.json({ version: "0.17.4" }),
      "GET /api/tags": () => Response.json({ models: [{ name: "x", digest: "aa" }] }),
      "POST /api/show": () =>
        Response.json({
          model_info: { "llama.context_length": 512 },
          capabilities: ["completion", "tools", "thinking"],
        }),
      "POST /api/chat": answer,
      "POST /api/embed": answer,
    });
    stops.push(server.stop);
    const { result } = await collect(ollama({ url: server.url }), { model: "x" });
    expect(result).toMatchObject({ ok: false, error: { code: means } });
    if (means === "context_length_exceeded") expect(result).toMatchObject({ error: { contextLength: 512 } });
  });
}

const textOf = (body: unknown): string => (typeof body === "string" ? body : JSON.stringify(body));
