// The server here is a scripted stand-in with the shapes of Ollama's source; no Ollama runs in these tests.
import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Delta } from "../../protocol/generation.ts";
import { Answer } from "../answer.ts";
import { collect, textOf } from "../testing/collect.ts";
import { endless, type Route, type ScriptedServer, scriptedServer, streamed } from "../testing/scripted-server.ts";
import { AnswerLines } from "./answer-lines.ts";
import { ollama } from "./ollama.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const TAGS = {
  models: [
    { name: "small:latest", digest: "sha256:aa", details: { quantization_level: "Q4_K_M" } },
    { name: "wish:latest", digest: "bb", details: {} },
    { name: "embed:latest", digest: "cc", details: {} },
    { name: "cloud:latest", digest: "dd", remote_host: "https://ollama.com", remote_model: "big" },
  ],
};
const SHOW: Record<string, unknown> = {
  "small:latest": { model_info: { "llama.context_length": 2048 }, capabilities: ["completion", "tools", "vision"] },
  "wish:latest": {
    model_info: { "qwen2.context_length": 131072 },
    parameters: 'stop "x"\nnum_ctx    16384',
    capabilities: ["completion", "thinking"],
  },
  "embed:latest": { model_info: { "bert.context_length": 512 }, capabilities: ["embedding"] },
};

function serve(chat: Route): { backend: ReturnType<typeof ollama>; server: ScriptedServer } {
  const server = scriptedServer({
    "GET /api/tags": () => Response.json(TAGS),
    "GET /api/ps": () => Response.json({ models: [{ name: "wish:latest", context_length: 32768 }] }),
    "POST /api/show": ({ body }) => Response.json(SHOW[String(body?.model)] ?? {}),
    "GET /api/version": () => Response.json({ version: "0.17.4" }),
    "POST /api/chat": chat,
  });
  cleanups.push(() => server.stop());
  return { backend: ollama({ url: server.url }), server };
}

const NDJSON = "application/x-ndjson";
const line = (message: unknown, extra: Record<string, unknown> = {}): string =>
  `${JSON.stringify({ model: "small", created_at: new Date(1.76e12 + Math.random() * 1e9).toISOString(), message, done: false, ...extra })}\n`;
const say = (content: string) => line({ role: "assistant", content });
const last = (extra: Record<string, unknown> = {}) =>
  line(
    { role: "assistant", content: "" },
    { done: true, done_reason: "stop", prompt_eval_count: 8, eval_count: 2, ...extra },
  );
const answer =
  (lines: string[]): Route =>
  () =>
    streamed(lines, NDJSON);

describe("models", () => {
  test("context from training, the Modelfile's wish and what is in memory; tasks and features; no cloud", async () => {
    const { backend, server } = serve(answer([]));
    const listed = await backend.models(new AbortController().signal);
    expect(listed).toEqual({
      ok: true,
      value: [
        {
          name: "small:latest",
          contextLength: 2048,
          digest: "aa",
          loaded: false,
          quantization: "Q4_K_M",
          demo: false,
          tasks: ["chat", "completion"],
          features: ["json", "tools", "vision", "logprobs"],
        },
        {
          name: "wish:latest",
          contextLength: 32768,
          digest: "bb",
          loaded: true,
          quantization: null,
          demo: false,
          tasks: ["chat", "completion"],
          features: ["json", "reasoning", "logprobs"],
        },
        {
          name: "embed:latest",
          contextLength: 512,
          digest: "cc",
          loaded: false,
          quantization: null,
          demo: false,
          tasks: ["embedding"],
          features: [],
        },
      ],
    });
    await backend.models(new AbortController().signal);
    expect(server.seen.filter(({ path }) => path === "/api/show")).toHaveLength(3);
  });
});

describe("request", () => {
  test("OpenAI's fields in Ollama's words, with the offered context", async () => {
    const { backend, server } = serve(answer([say("a"), last()]));
    await collect(backend, {
      model: "small:latest",
      max_tokens: 5,
      temperature: 0.5,
      seed: 7,
      stop: "x",
      response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" } } },
      tools: [{ type: "function", function: { name: "f" } }],
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "see" },
            { type: "image_url", image_url: { url: "data:image/png;base64,QUJD" } },
          ],
        },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: '{"a":1}' } }],
        },
        { role: "tool", tool_call_id: "c1", content: "done" },
      ],
    });
    expect(server.seen.find(({ path }) => path === "/api/chat")?.body).toEqual({
      model: "small:latest",
      stream: true,
      truncate: false,
      shift: false,
      format: { type: "object" },
      tools: [{ type: "function", function: { name: "f" } }],
      options: { num_predict: 5, temperature: 0.5, seed: 7, stop: ["x"], num_ctx: 2048 },
      messages: [
        { role: "user", content: "see", images: ["QUJD"] },
        { role: "assistant", content: "", tool_calls: [{ function: { name: "f", arguments: { a: 1 } } }] },
        { role: "tool", content: "done", tool_name: "f" },
      ],
    });
  });

  test("what surely does not fit is not sent, and pictures by address are refused", async () => {
    const { backend, server } = serve(answer([]));
    const code = async (body: Record<string, unknown>) => {
      const { result } = await collect(backend, { model: "small:latest", ...body });
      return result.ok ? "ok" : result.error.code;
    };
    expect(await code({ messages: [{ role: "user", content: "word ".repeat(10_000) }] })).toBe(
      "context_length_exceeded",
    );
    expect(
      await code({
        messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://x/y.png" } }] }],
      }),
    ).toBe("invalid_request");
    expect(await code({ n: 99 })).toBe("invalid_request");
    expect(server.seen.some(({ path }) => path === "/api/chat")).toBe(false);
  });
});

describe("answer", () => {
  test("text, thinking, usage; a missing count is 0", async () => {
    const { backend } = serve(
      answer([
        line({ role: "assistant", content: "", thinking: "hm" }),
        say("Hel"),
        say("lo"),
        last({ prompt_eval_count: undefined, done_reason: "length" }),
      ]),
    );
    const { text, deltas, result } = await collect(backend, { model: "small:latest" });
    expect(text).toBe("Hello");
    expect(deltas[0]).toEqual({ reasoning_content: "hm" });
    expect(result).toEqual({
      ok: true,
      value: { finish: [{ index: 0, reason: "length" }], usage: { prompt_tokens: 0, completion_tokens: 2 } },
    });
  });

  test("whole tool calls get index, id and text arguments", async () => {
    const call = (name: string) =>
      line({ role: "assistant", content: "", tool_calls: [{ function: { name, arguments: { a: 1 } } }] });
    const { backend } = serve(answer([call("f"), call("g"), last()]));
    const { deltas, result } = await collect(backend, { model: "small:latest" });
    const calls = deltas.flatMap((delta) => delta.tool_calls ?? []);
    expect(calls.map(({ index, function: fn }) => [index, fn?.name, fn?.arguments])).toEqual([
      [0, "f", '{"a":1}'],
      [1, "g", '{"a":1}'],
    ]);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
    expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "tool_calls" }] } });
  });

  test("any split of the bytes, and the short way, give what parsing every line gives", () => {
    const content = fc.oneof(
      fc.string({ unit: "binary", maxLength: 10 }),
      fc.constantFrom('"', "\\", "\n", "😀", "é", '","'),
    );
    fc.assert(
      fc.property(fc.array(content, { maxLength: 20 }), fc.array(fc.nat(300), { maxLength: 20 }), (contents, sizes) => {
        const all = ["lesson", ...contents];
        const bytes = new TextEncoder().encode(`${all.map(say).join("")}${last()}`);
        const deltas: Delta[] = [];
        const answer = new Answer((delta) => {
          deltas.push(delta);
          return undefined;
        });
        const lines = new AnswerLines(answer);
        const decoder = new TextDecoder();
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          void lines.push(decoder.decode(bytes.slice(at, at + size), { stream: true }));
          at += size;
        }
        void lines.end();
        expect(textOf(deltas)).toBe(all.join("").toWellFormed());
        expect(lines.done).toBe(true);
        expect(lines.usage).toEqual({ prompt_tokens: 8, completion_tokens: 2 });
        expect(answer.end().finish).toEqual([{ index: 0, reason: "stop" }]);
      }),
      { numRuns: 300 },
    );
  });

  test("lines of one read are one delta although their times differ", async () => {
    const { backend } = serve(answer([Array.from({ length: 40 }, (_, i) => say(`${i} `)).join("") + last()]));
    expect((await collect(backend, { model: "small:latest" })).deltas).toHaveLength(1);
  });
});

describe("errors", () => {
  const failure = async (chat: Route) => {
    const { result } = await collect(serve(chat).backend, { model: "small:latest" });
    if (result.ok) throw new Error("no error");
    return result.error;
  };
  test("unknown model, full queue, fault", async () => {
    expect((await failure(() => Response.json({ error: "model 'x' not found" }, { status: 404 }))).code).toBe(
      "model_not_found",
    );
    expect((await failure(() => Response.json({ error: "server busy, please try again" }, { status: 503 }))).code).toBe(
      "backend_busy",
    );
    expect((await failure(() => Response.json({ error: "llama runner terminated" }, { status: 500 }))).code).toBe(
      "backend_failed",
    );
  });
  test("a prompt that is too long, with the length", async () => {
    const error = await failure(() =>
      Response.json({ error: "the input length exceeds the context length" }, { status: 400 }),
    );
    expect(error).toMatchObject({ code: "context_length_exceeded", message: expect.stringContaining("2048") });
  });
  test("under status 200, after text", async () => {
    const { backend } = serve(answer([say("a"), '{"error":"an error was encountered"}\n']));
    const { text, result } = await collect(backend, { model: "small:latest" });
    expect(text).toBe("a");
    expect(result).toEqual({ ok: false, error: { code: "backend_failed", message: "an error was encountered" } });
  });
  test("a stream without its last line, and nonsense", async () => {
    expect((await failure(answer([say("a")]))).code).toBe("backend_failed");
    expect((await failure(answer(["{oops\n"]))).code).toBe("backend_failed");
  });
  test("an abort closes the connection", async () => {
    const { response, gone } = endless([say("a")], NDJSON);
    const abort = new AbortController();
    const { result } = await collect(
      serve(() => response).backend,
      { model: "small:latest" },
      {
        signal: abort.signal,
        onDelta: () => {
          abort.abort();
          return undefined;
        },
      },
    );
    expect(result).toMatchObject({ ok: false, error: { code: "aborted" } });
    await gone;
  });
});
