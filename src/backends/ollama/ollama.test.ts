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

describe("what a request may not do", () => {
  const refusal = async (body: Record<string, unknown>, model = "small:latest") => {
    const { backend, server } = serve(answer([say("a"), last()]));
    const { result } = await collect(backend, { model, ...body });
    expect(server.seen.some(({ path }) => path === "/api/chat")).toBe(false);
    return result.ok ? "ok" : result.error.message;
  };
  test("what Ollama would drop without a word is refused", async () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,QUJD" } };
    expect(await refusal({ tools, tool_choice: "required" })).toContain("tool_choice");
    expect(await refusal({ logit_bias: { 5: 1 } })).toContain("logit_bias");
    expect(await refusal({ temperature: "hot" })).toContain("temperature");
    expect(await refusal({ messages: [{ role: "user", content: [image] }] }, "wish:latest")).toContain("pictures");
  });
  test("options that are the owner's are not passed on", async () => {
    const { backend, server } = serve(answer([say("a"), last()]));
    const own = { num_gpu: 0, num_ctx: 99, num_predict: -1, use_mmap: false, top_k: 3 };
    await collect(backend, { model: "small:latest", options: own, keep_alive: -1, repeat_penalty: 1.2 });
    const sent = server.seen.at(-1)?.body;
    expect(sent?.options).toEqual({ num_ctx: 2048, top_k: 3, repeat_penalty: 1.2 });
    expect(sent).not.toHaveProperty("keep_alive");
  });
  test("reasoning_effort becomes think where the model thinks", async () => {
    const { backend, server } = serve(answer([say("a"), last()]));
    const think = async (model: string, effort: string) => {
      await collect(backend, { model, reasoning_effort: effort });
      return server.seen.at(-1)?.body?.think;
    };
    expect(await think("wish:latest", "high")).toBe(true);
    expect(await think("wish:latest", "none")).toBe(false);
    expect(await think("small:latest", "high")).toBeUndefined();
  });
});

describe("older and other servers", () => {
  const server = (version: string, tags: object[], show: object) => {
    const made = scriptedServer({
      "GET /api/version": () => Response.json({ version }),
      "GET /api/tags": () => Response.json({ models: tags }),
      "POST /api/show": () => Response.json(show),
      "POST /api/chat": answer([say("a"), last()]),
    });
    cleanups.push(() => made.stop());
    return made;
  };
  const context = { model_info: { "llama.context_length": 1000 } };
  test("one that drops messages without a word gets only what surely fits", async () => {
    const old = ollama({ url: server("0.9.0", [{ name: "m", digest: "a" }], context).url });
    const content = "x".repeat(3500);
    const { result } = await collect(old, { messages: [{ role: "user", content }] });
    expect(result).toMatchObject({ ok: false, error: { code: "context_length_exceeded" } });
    const recent = ollama({ url: server("0.17.4", [{ name: "m", digest: "a" }], context).url });
    expect((await collect(recent, { messages: [{ role: "user", content }] })).result.ok).toBe(true);
  });
  test("one without logprobs refuses them; what it says nothing of is left open", async () => {
    const backend = ollama({ url: server("0.12.10", [{ name: "m", digest: "a" }], context).url });
    expect((await collect(backend, { logprobs: true })).result).toMatchObject({ error: { code: "invalid_request" } });
    const listed = await backend.models(new AbortController().signal);
    expect(listed.ok ? listed.value[0] : null).not.toHaveProperty("tasks");
  });
  test("cloud models are offered only where they are asked for", async () => {
    const cloud = { name: "big-cloud", digest: "c", remote_host: "https://ollama.com", remote_model: "big" };
    const show = { capabilities: ["completion"] };
    for (const wanted of [false, true]) {
      const listed = await ollama({ url: server("0.17.4", [cloud], show).url, cloud: wanted }).models(
        new AbortController().signal,
      );
      expect(listed.ok ? listed.value.length : -1).toBe(wanted ? 1 : 0);
    }
  });
});

describe("going on with an answer", () => {
  const messages = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "Hel " },
  ];
  /** A server whose template ends the assistant's message with `end`. */
  const rendering = (end: string): ReturnType<typeof serve> =>
    serve((seen) => {
      if (seen.body?._debug_render_only !== true) return streamed([say("lo"), last()], NDJSON);
      const list = seen.body.messages as { role: string; content: string }[];
      const open = list.map(({ role, content }) => (role === "user" ? `U${content}A` : content + end)).join("");
      return Response.json({ _debug_info: { rendered_template: open } });
    });
  const paths = (server: ScriptedServer) =>
    server.seen.flatMap(({ path, body }) => (/chat|generate/.test(path) ? [[path, body?.prompt ?? null]] : []));
  test("as a chat, where the rendered prompt ends with it to the last space", async () => {
    const { backend, server } = rendering("");
    expect((await collect(backend, { model: "small:latest", messages })).text).toBe("lo");
    expect(paths(server)).toEqual([
      ["/api/chat", null],
      ["/api/chat", null],
    ]);
  });
  test("raw, where the template closes the message", async () => {
    const { backend, server } = rendering("</end>");
    await collect(backend, { model: "small:latest", messages });
    expect(paths(server).at(-1)).toEqual(["/api/generate", "UhiAHel "]);
    expect(server.seen.at(-1)?.body).toMatchObject({ raw: true, options: { num_ctx: 2048 } });
    expect(server.seen.at(-1)?.body).not.toHaveProperty("messages");
  });
  test("not with tools behind a template that closes it: the error says so", async () => {
    const { backend } = rendering("</end>");
    const tools = [{ type: "function", function: { name: "f" } }];
    const { result } = await collect(backend, { model: "small:latest", messages, tools });
    expect(result).toMatchObject({ ok: false, error: { message: expect.stringContaining("gone on with") } });
  });
  test("an empty answer is nothing to go on with", async () => {
    const { backend, server } = rendering("</end>");
    const begun = [
      { role: "user", content: "hi" },
      { role: "assistant", content: "" },
    ];
    await collect(backend, { model: "small:latest", messages: begun });
    expect(paths(server)).toEqual([["/api/chat", null]]);
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
  test("a loop that Ollama stopped is an end, wherever the lines are cut; other text that breaks off is none", async () => {
    for (const text of [Array(40).fill(" cli"), Array(40).fill("\n"), Array(20).fill(["a", " a"]).flat()]) {
      const { result } = await collect(serve(answer(text.map(say))).backend, { model: "small:latest" });
      expect(result).toEqual({ ok: true, value: { finish: [{ index: 0, reason: "length" }], usage: null } });
    }
    expect((await failure(answer(Array(20).fill(say("ab"))))).code).toBe("backend_failed");
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
