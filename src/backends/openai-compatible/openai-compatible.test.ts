// Every server here is a scripted stand-in; the real engine is in ../embedded/embedded.test.ts.
import { afterEach, describe, expect, test } from "bun:test";
import type { BackendError } from "../backend.ts";
import { collect, textOf } from "../testing/collect.ts";
import {
  cuttingServer,
  endless,
  type Route,
  type ScriptedServer,
  scriptedServer,
  streamed,
} from "../testing/scripted-server.ts";
import type { OpenAiKind } from "./dialect.ts";
import { openAiCompatible } from "./openai-compatible.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function serve(
  chat: Route,
  kind: OpenAiKind = "openai",
): { backend: ReturnType<typeof openAiCompatible>; server: ScriptedServer } {
  const server = scriptedServer({ "POST /v1/chat/completions": chat });
  cleanups.push(() => server.stop());
  return { backend: openAiCompatible({ kind, url: server.url }), server };
}

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const choice = (delta: unknown, finish: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

describe("request", () => {
  test("is streamed with usage, under the backend's model name, without this network's own fields", async () => {
    const { backend, server } = serve(() => streamed([event(choice({ content: "a" }, "stop")), "data: [DONE]\n\n"]));
    await collect(backend, {
      model: "real",
      provider: { order: [] },
      infernet: {},
      models: ["a"],
      top_k: 4,
      stream: false,
    });
    expect(server.seen[0]?.body).toEqual({
      messages: [{ role: "user", content: "hi" }],
      model: "real",
      top_k: 4,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test("carries the key, and the address may end in /v1", async () => {
    const server = scriptedServer({ "*": () => streamed(["data: [DONE]\n\n"]) });
    cleanups.push(() => server.stop());
    const backend = openAiCompatible({ kind: "openai", url: `${server.url}/v1/`, apiKey: "sk-1" });
    await collect(backend);
    expect(server.seen[0]?.path).toBe("/v1/chat/completions");
    expect(server.seen[0]?.headers.get("authorization")).toBe("Bearer sk-1");
  });

  test("credentials in the address are sent and not shown", async () => {
    const server = scriptedServer({ "*": () => streamed(["data: [DONE]\n\n"]) });
    cleanups.push(() => server.stop());
    const backend = openAiCompatible({ kind: "openai", url: server.url.replace("//", "//u:p@") });
    await collect(backend);
    expect(backend.url).toBe(server.url);
    expect(server.seen[0]?.headers.get("authorization")).toBe(`Basic ${btoa("u:p")}`);
  });

  test("vLLM and SGLang are told to continue an assistant's message", async () => {
    for (const kind of ["vllm", "sglang", "openai"] as const) {
      const { backend, server } = serve(() => streamed(["data: [DONE]\n\n"]), kind);
      await collect(backend, {
        messages: [
          { role: "user", content: "a" },
          { role: "assistant", content: "b" },
        ],
      });
      expect(server.seen[0]?.body?.continue_final_message ?? false).toBe(kind !== "openai");
    }
  });
});

describe("answer", () => {
  test("text, finish reason and usage from a last chunk without choices", async () => {
    const { backend } = serve(() =>
      streamed([
        event(choice({ role: "assistant", content: "" })),
        event(choice({ content: "Hel" })),
        event(choice({ content: "lo" })),
        event(choice({}, "length")),
        event({ choices: [], usage }),
        "data: [DONE]\n\n",
      ]),
    );
    const { text, result } = await collect(backend);
    expect(text).toBe("Hello");
    expect(result).toEqual({
      ok: true,
      value: { finish: [{ index: 0, reason: "length" }], usage: { prompt_tokens: 3, completion_tokens: 2 } },
    });
  });

  test("usage on the content chunks counts too, the last one", async () => {
    const { backend } = serve(() =>
      streamed(
        [1, 2].map((n) =>
          event({ ...choice({ content: "x" }, n === 2 ? "stop" : null), usage: { ...usage, completion_tokens: n } }),
        ),
      ),
    );
    const { result } = await collect(backend);
    expect(result).toMatchObject({ ok: true, value: { usage: { completion_tokens: 2 } } });
  });

  test("a whole JSON document although a stream was asked for", async () => {
    const { backend } = serve(() =>
      Response.json({
        choices: [
          { index: 0, message: { role: "assistant", content: "one" }, finish_reason: "stop" },
          { index: 1, message: { role: "assistant", content: "two" }, finish_reason: "length" },
        ],
        usage,
      }),
    );
    const { deltas, result } = await collect(backend);
    expect([textOf(deltas, 0), textOf(deltas, 1)]).toEqual(["one", "two"]);
    expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "stop" }, { index: 1, reason: "length" }] } });
  });

  test("a finish reason without [DONE] is an end", async () => {
    const { backend } = serve(() => streamed([event(choice({ content: "a" })), event(choice({}, "stop"))]));
    expect((await collect(backend)).result.ok).toBe(true);
  });

  test("[DONE] without a finish reason means stop", async () => {
    const { backend } = serve(() => streamed([event(choice({ content: "a" })), "data: [DONE]\n\n"]));
    expect((await collect(backend)).result).toMatchObject({
      ok: true,
      value: { finish: [{ index: 0, reason: "stop" }] },
    });
  });

  test("tool calls get their index, text arguments and the right finish reason", async () => {
    const { backend } = serve(() =>
      streamed([
        event(choice({ tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "" } }] })),
        event(choice({ tool_calls: [{ function: { arguments: '{"x":' } }] })),
        event(choice({ tool_calls: [{ function: { arguments: "1}" } }] })),
        event(choice({ tool_calls: [{ id: "b", function: { name: "g", arguments: { y: 2 } } }] })),
        event(choice({}, "stop")),
        "data: [DONE]\n\n",
      ]),
    );
    const { deltas, result } = await collect(backend);
    const calls = deltas.flatMap((delta) => delta.tool_calls ?? []);
    expect(calls.map((call) => call.index)).toEqual([0, 0, 0, 1]);
    expect(calls.map((call) => call.function?.arguments).join("|")).toBe('|{"x":|1}|{"y":2}');
    expect(result).toMatchObject({ ok: true, value: { finish: [{ index: 0, reason: "tool_calls" }] } });
  });

  test("log probabilities stay with their piece of text", async () => {
    const logprobs = { content: [{ token: "a", logprob: -0.5 }] };
    const { backend } = serve(() =>
      streamed([event({ choices: [{ index: 0, delta: { content: "a" }, logprobs }] }), event(choice({}, "stop"))]),
    );
    expect((await collect(backend)).deltas).toEqual([{ content: "a", logprobs }]);
  });
});

const failure = async (chat: Route, kind: OpenAiKind = "openai"): Promise<BackendError> => {
  const { result } = await collect(serve(chat, kind).backend);
  if (result.ok) throw new Error("no error");
  return result.error;
};

describe("errors", () => {
  test("the server's message is kept, markup is not", async () => {
    expect(await failure(() => Response.json({ error: { message: "n must be 1" } }, { status: 400 }))).toEqual({
      code: "invalid_request",
      message: "n must be 1",
    });
    expect((await failure(() => new Response("<html>bad gateway", { status: 502 }))).message).toBe("HTTP 502");
  });

  test("in mid-stream: what came before is given, then the error", async () => {
    const { backend } = serve(() =>
      streamed([
        event(choice({ content: "a" })),
        event({ error: { message: "CUDA error", code: 500 } }),
        event(choice({ content: "b" })),
      ]),
    );
    const { text, result } = await collect(backend);
    expect(text).toBe("a");
    expect(result).toEqual({ ok: false, error: { code: "backend_failed", message: "CUDA error" } });
  });

  test("in mid-stream with a status of its own", async () => {
    const busy = event({ error: { message: "queue full", code: 429 } });
    expect((await failure(() => streamed([busy]))).code).toBe("backend_busy");
  });

  test("as an event named error, and as llama.cpp's error field", async () => {
    expect((await failure(() => streamed(['event: error\ndata: {"message":"no"}\n\n']))).message).toBe("no");
    expect((await failure(() => streamed(['error: {"error":{"code":500,"message":"oh"}}\n\n']))).message).toBe("oh");
  });

  test("as one JSON document under status 200", async () => {
    expect((await failure(() => Response.json({ error: { message: "late" } }))).code).toBe("backend_failed");
  });

  test("a stream that ends before the answer does", async () => {
    expect((await failure(() => streamed([event(choice({ content: "a" }))]))).code).toBe("backend_failed");
    expect((await failure(() => streamed([]))).code).toBe("backend_failed");
  });

  test("nonsense", async () => {
    expect((await failure(() => streamed(["data: {oops\n\n"]))).code).toBe("backend_failed");
    expect((await failure(() => streamed([event({ choices: [{ index: 900, delta: {} }] })]))).code).toBe(
      "backend_failed",
    );
    expect((await failure(() => new Response("{", { headers: { "content-type": "application/json" } }))).code).toBe(
      "backend_failed",
    );
  });

  test("nothing listens", async () => {
    const server = scriptedServer({});
    await server.stop();
    const { result } = await collect(openAiCompatible({ kind: "openai", url: server.url }));
    expect(result).toMatchObject({ ok: false, error: { code: "backend_unreachable" } });
  });

  test("the connection is cut in mid-stream", async () => {
    const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    const piece = event(choice({ content: "a" }));
    const server = cuttingServer(`${head}${piece.length.toString(16)}\r\n${piece}\r\n`);
    cleanups.push(() => server.stop());
    const { result } = await collect(openAiCompatible({ kind: "openai", url: server.url }));
    expect(result).toMatchObject({ ok: false, error: { code: "backend_unreachable" } });
  });
});

describe("cancel and back-pressure", () => {
  test("an abort ends the answer and closes the connection to the server", async () => {
    const { response, gone } = endless([event(choice({ content: "a" }))]);
    const { backend } = serve(() => response);
    const abort = new AbortController();
    const { result } = await collect(
      backend,
      {},
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

  test("an abort before the first byte ends it too", async () => {
    const abort = new AbortController();
    const { backend } = serve((_seen, signal) => {
      abort.abort();
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(new Response())));
    });
    expect((await collect(backend, {}, { signal: abort.signal })).result).toMatchObject({ error: { code: "aborted" } });
  });

  test("an abort while the reader is behind ends it", async () => {
    const { response, gone } = endless([event(choice({ content: "a" }))]);
    const { backend } = serve(() => response);
    const abort = new AbortController();
    const { result } = await collect(
      backend,
      {},
      {
        signal: abort.signal,
        onDelta: () => {
          queueMicrotask(() => abort.abort());
          return new Promise<void>(() => undefined);
        },
      },
    );
    expect(result).toMatchObject({ ok: false, error: { code: "aborted" } });
    await gone;
  });

  test("nothing is read while the reader is behind", async () => {
    const piece = event(choice({ content: "x".repeat(60_000) }));
    let sent = 0;
    const total = 2000;
    const body = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent++ < total) controller.enqueue(new TextEncoder().encode(piece));
          else controller.close();
        },
      });
    const { backend } = serve(() => new Response(body(), { headers: { "content-type": "text/event-stream" } }));
    const held = Promise.withResolvers<void>();
    const first = Promise.withResolvers<void>();
    const run = collect(
      backend,
      {},
      {
        onDelta: () => {
          first.resolve();
          return held.promise;
        },
      },
    );
    await first.promise;
    // The server fills the buffers of the kernel and of fetch, then it has to stop.
    for (let last = -1; last !== sent; ) {
      last = sent;
      for (let turn = 0; turn < 200; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(total);
    held.resolve();
    const { deltas } = await run;
    expect(textOf(deltas).length).toBe(total * 60_000);
  });
});
