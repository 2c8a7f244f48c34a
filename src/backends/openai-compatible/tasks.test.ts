// Completions and embeddings, and what servers do with chats beyond text. llama.cpp's streams are recorded.
import { afterEach, describe, expect, test } from "bun:test";
import type { Delta } from "../../protocol/generation.ts";
import type { Backend, CompletionBody, EmbeddingBody } from "../backend.ts";
import { collect, textOf } from "../testing/collect.ts";
import { endless, type Route, type ScriptedServer, scriptedServer, streamed } from "../testing/scripted-server.ts";
import type { OpenAiKind } from "./dialect.ts";
import { openAiCompatible } from "./openai-compatible.ts";
import { asStream, COMPLETION, TOOL_CALL, TWO_CHOICES } from "./testing/recorded-llamacpp.ts";

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});
function serve(kind: OpenAiKind, routes: Record<string, Route>): { backend: Backend; server: ScriptedServer } {
  const server = scriptedServer(routes);
  servers.push(server);
  return { backend: openAiCompatible({ kind, url: server.url }), server };
}
const signal = AbortSignal.timeout(60_000);
const recorded =
  (events: readonly unknown[]): Route =>
  () =>
    streamed(asStream(events));

describe("completions", () => {
  async function complete(backend: Backend, body: Partial<CompletionBody> = {}) {
    const deltas: Delta[] = [];
    const result = await backend.generate(
      { task: "completion", model: "m", body: { model: "m", prompt: "infernet", ...body } },
      (delta) => {
        deltas.push(delta);
        return undefined;
      },
      signal,
    );
    return { deltas, result };
  }

  test("text, log probabilities, usage and reason of llama.cpp (recorded)", async () => {
    const { backend, server } = serve("llamacpp", { "POST /v1/completions": recorded(COMPLETION) });
    const { deltas, result } = await complete(backend, { logprobs: 1, infernet: {} });
    expect(textOf(deltas)).toBe(" is?");
    // It answers with the form of chats.
    expect(deltas[0]?.logprobs).toEqual({
      tokens: [" is"],
      token_logprobs: [-0.875],
      top_logprobs: [{}],
      text_offset: [0],
    });
    expect(result).toEqual({
      ok: true,
      value: { finish: [{ index: 0, reason: "length" }], usage: { prompt_tokens: 4, completion_tokens: 2 } },
    });
    expect(server.seen[0]?.body).toEqual({
      model: "m",
      prompt: "infernet",
      logprobs: 1,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test("log probabilities know where their text begins, choice by choice, after pieces without any too", async () => {
    const event = (index: number, text: string, token: string | null) => ({
      choices: [
        { index, text, logprobs: token === null ? null : { content: [{ token, logprob: -1, top_logprobs: [] }] } },
      ],
    });
    const events = [
      event(0, "ab", null),
      event(0, "cd", null),
      event(1, "x", "x"),
      event(0, "e", "e"),
      event(1, "y", "y"),
    ];
    const last = [0, 1].map((index) => ({ choices: [{ index, text: "", finish_reason: "stop" }] }));
    const { backend } = serve("llamacpp", { "POST /v1/completions": recorded([...events, ...last]) });
    const { deltas } = await complete(backend, { n: 2, logprobs: 1 });
    const offsets = deltas.flatMap(({ index = 0, logprobs }) =>
      logprobs === undefined ? [] : [[index, (logprobs as { text_offset: number[] }).text_offset[0]]],
    );
    expect(offsets).toEqual([
      [1, 0],
      [0, 4],
      [1, 1],
    ]);
  });

  test("the older form of other servers stays as it is", async () => {
    const logprobs = { tokens: ["a"], token_logprobs: [-1], top_logprobs: [null], text_offset: [9] };
    const events = [{ choices: [{ index: 0, text: "a", logprobs, finish_reason: "stop" }] }];
    const { backend } = serve("vllm", { "POST /v1/completions": recorded(events) });
    expect((await complete(backend, { logprobs: 1 })).deltas).toEqual([{ content: "a", logprobs }]);
  });

  test("many pieces take the short way to the same text", async () => {
    const words = Array.from({ length: 200 }, (_, i) => ` w${i}`);
    const event = (text: string) => ({
      id: "cmpl-1",
      choices: [{ index: 0, text, logprobs: null, finish_reason: null, stop_reason: null }],
      usage: null,
    });
    const last = { choices: [{ index: 0, text: "", finish_reason: "stop" }] };
    const { backend } = serve("vllm", { "POST /v1/completions": recorded([...words.map(event), last]) });
    expect(textOf((await complete(backend)).deltas)).toBe(words.join(""));
  });

  test("a server without that route is not asked", async () => {
    const { backend, server } = serve("exo", {});
    expect((await complete(backend)).result).toMatchObject({ ok: false, error: { code: "invalid_request" } });
    expect(server.seen).toEqual([]);
  });
});

describe("embeddings", () => {
  const FLOATS = [0.5, -1.25, 3];
  const AS_BASE64 = Buffer.from(Float32Array.from(FLOATS).buffer).toString("base64");
  async function embed(backend: Backend, input: EmbeddingBody["input"], abort = signal, dimensions?: number) {
    const deltas: Delta[] = [];
    const result = await backend.generate(
      { task: "embedding", model: "m", body: { model: "m", input, encoding_format: "float", dimensions } },
      (delta) => {
        deltas.push(delta);
        return undefined;
      },
      abort,
    );
    return { deltas, result };
  }
  const answer =
    (data: unknown): Route =>
    () =>
      Response.json({ object: "list", data, usage: { prompt_tokens: 7, total_tokens: 7 } });

  test("come as base64 of little-endian floats, whatever the server sends, in the order of the inputs", async () => {
    const data = [
      { index: 1, embedding: AS_BASE64 },
      { index: 0, embedding: FLOATS },
    ];
    const { backend } = serve("openai", { "POST /v1/embeddings": answer(data) });
    expect(await embed(backend, ["a", "b"])).toEqual({
      deltas: [{ embedding: AS_BASE64 }, { index: 1, embedding: AS_BASE64 }],
      result: { ok: true, value: { finish: [], usage: { prompt_tokens: 7, completion_tokens: 0 } } },
    });
  });

  test("base64 is asked of the servers that know it", async () => {
    const formats: Record<string, unknown> = {};
    for (const kind of ["vllm", "llamacpp", "sglang", "max", "openai"] as const) {
      const { backend, server } = serve(kind, { "POST /v1/embeddings": answer([{ index: 0, embedding: FLOATS }]) });
      await embed(backend, "a");
      formats[kind] = server.seen[0]?.body?.encoding_format;
      expect(server.seen[0]?.body?.stream).toBeUndefined();
    }
    expect(formats).toEqual({ vllm: "base64", llamacpp: "base64", sglang: "float", max: "float", openai: "float" });
  });

  test("tokens are one input, lists of tokens several", async () => {
    const one = serve("openai", { "POST /v1/embeddings": answer([{ index: 0, embedding: FLOATS }]) });
    expect((await embed(one.backend, [1, 2, 3])).result.ok).toBe(true);
    const two = serve("openai", { "POST /v1/embeddings": answer([{ embedding: FLOATS }, { embedding: FLOATS }]) });
    expect((await embed(two.backend, [[1], [2, 3]])).deltas.map(({ index }) => index)).toEqual([undefined, 1]);
  });

  test("are cut to the dimensions asked for, and of length 1 again, where the server passed over that", async () => {
    const { backend } = serve("llamacpp", { "POST /v1/embeddings": answer([{ index: 0, embedding: [0.6, 0.8, 5] }]) });
    const vector = async (dimensions: number) => {
      const bytes = Buffer.from((await embed(backend, "a", signal, dimensions)).deltas[0]?.embedding ?? "", "base64");
      return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
    };
    expect((await vector(2)).map((value) => value.toFixed(3))).toEqual(["0.600", "0.800"]);
    expect((await vector(1))[0]).toBe(1);
    expect((await vector(3)).length).toBe(3);
    expect((await vector(0)).length).toBe(3);
  });

  test("an input without its embedding, and nonsense, are errors", async () => {
    const wrong: unknown[] = [
      [{ index: 0, embedding: FLOATS }],
      [
        { index: 0, embedding: FLOATS },
        { index: 7, embedding: FLOATS },
      ],
      [
        { index: 0, embedding: ["x"] },
        { index: 1, embedding: FLOATS },
      ],
      [
        { index: 0, embedding: "not base64!" },
        { index: 1, embedding: FLOATS },
      ],
      [
        { index: 0, embedding: "" },
        { index: 1, embedding: FLOATS },
      ],
      "none",
    ];
    for (const data of wrong) {
      const { backend } = serve("openai", { "POST /v1/embeddings": answer(data) });
      expect((await embed(backend, ["a", "b"])).result).toMatchObject({ ok: false, error: { code: "backend_failed" } });
    }
    const { backend } = serve("openai", { "POST /v1/embeddings": () => Response.json({ error: { message: "late" } }) });
    expect((await embed(backend, "a")).result).toMatchObject({ ok: false, error: { message: "late" } });
  });

  test("an abort ends the waiting for them", async () => {
    const abort = new AbortController();
    const { backend } = serve("openai", {
      "POST /v1/embeddings": () => {
        abort.abort();
        return new Promise(() => undefined);
      },
    });
    expect((await embed(backend, "a", abort.signal)).result).toMatchObject({ error: { code: "aborted" } });
  });
});

describe("several choices", () => {
  test("llama.cpp counts each for itself: their tokens are added up, the prompt's are not (recorded)", async () => {
    const { backend } = serve("llamacpp", { "POST /v1/chat/completions": recorded(TWO_CHOICES) });
    const { deltas, result } = await collect(backend, { n: 2 });
    expect([textOf(deltas, 0), textOf(deltas, 1)]).toEqual(["Infernet", "Infernet"]);
    expect(result).toEqual({
      ok: true,
      value: {
        finish: [
          { index: 0, reason: "length" },
          { index: 1, reason: "length" },
        ],
        usage: { prompt_tokens: 20, completion_tokens: 4 },
      },
    });
  });

  test("others count them together, and say so more than once", async () => {
    const usage = (completion_tokens: number) => ({ choices: [], usage: { prompt_tokens: 20, completion_tokens } });
    const events = [...TWO_CHOICES.filter((event) => !("usage" in event)), usage(2), usage(4)];
    const { backend } = serve("vllm", { "POST /v1/chat/completions": recorded(events) });
    const { result } = await collect(backend, { n: 2 });
    expect(result).toMatchObject({ ok: true, value: { usage: { completion_tokens: 4 } } });
  });

  test("a stream that ends while one of them is unfinished is broken", async () => {
    const events = TWO_CHOICES.slice(0, 7).map((event) => `data: ${JSON.stringify(event)}\n\n`);
    for (const [n, pieces] of [
      [2, events],
      [2, events.filter((event) => !event.includes('"index":1'))],
    ] as const) {
      const { backend } = serve("llamacpp", { "POST /v1/chat/completions": () => streamed([...pieces]) });
      expect((await collect(backend, { n })).result).toMatchObject({ error: { code: "backend_failed" } });
    }
  });
});

describe("tool calls", () => {
  test("of llama.cpp keep their id and pieces; a reason of their own stays (recorded)", async () => {
    const { backend } = serve("llamacpp", { "POST /v1/chat/completions": recorded(TOOL_CALL) });
    const { deltas, result } = await collect(backend);
    const calls = deltas.flatMap((delta) => delta.tool_calls ?? []);
    expect(calls[0]).toEqual({
      index: 0,
      id: "8ppvwephR1z1eZ2CtwQ94IMQyV3RkivS",
      type: "function",
      function: { name: "g" },
    });
    expect(calls.slice(1).every((call) => call.id === undefined && call.type === undefined)).toBe(true);
    expect(calls.map((call) => call.function?.arguments ?? "").join("")).toBe(' "x"\n                    :true }');
    expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "length" }] } });
  });

  test("of Exo come whole and end with the right reason and usage", async () => {
    const call = (id: string, index: number | null) => ({
      id,
      index,
      type: "function",
      function: { id, name: "f", arguments: '{"x":1}' },
    });
    const event = {
      id: "c",
      choices: [
        {
          index: 0,
          delta: { role: "assistant", content: null, tool_calls: [call("a", null), call("b", null)] },
          usage: null,
          finish_reason: "tool_calls",
        },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 9 },
    };
    const { backend } = serve("exo", { "POST /v1/chat/completions": recorded([event]) });
    const { deltas, result } = await collect(backend);
    expect(deltas.flatMap((delta) => delta.tool_calls ?? []).map(({ index, id }) => [index, id])).toEqual([
      [0, "a"],
      [1, "b"],
    ]);
    expect(result).toEqual({
      ok: true,
      value: { finish: [{ index: 0, reason: "tool_calls" }], usage: { prompt_tokens: 5, completion_tokens: 9 } },
    });
  });
});

describe("going on with an answer", () => {
  const begun = [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
  ];
  test("is asked of each server in its own words, and of none for another last message", async () => {
    const fields: Record<string, unknown> = {};
    for (const kind of ["vllm", "sglang", "max", "llamacpp", "exo", "openai"] as const) {
      const { backend, server } = serve(kind, { "*": recorded([]) });
      await collect(backend, { messages: begun });
      await collect(backend, { messages: begun.slice(0, 1) });
      const [asked, plain] = server.seen.map(({ body }) => [body?.continue_final_message, body?.add_generation_prompt]);
      expect(plain).toEqual([undefined, undefined]);
      fields[kind] = [backend.continues, ...(asked ?? [])];
    }
    expect(fields).toEqual({
      vllm: [true, true, false],
      sglang: [true, true, undefined],
      max: [false, undefined, undefined],
      // Without these fields a newer one repeats what is there (seen with 0.5.0).
      llamacpp: [true, true, false],
      exo: [false, undefined, undefined],
      openai: [false, undefined, undefined],
    });
  });
});

describe("cancelling", () => {
  test("Exo is told by the answer's name too, the others by the closed connection alone", async () => {
    for (const kind of ["exo", "vllm", "sglang", "max", "llamacpp", "openai"] as const) {
      const first = `data: ${JSON.stringify({ id: "cmd 7", choices: [{ index: 0, delta: { content: "a" } }] })}\n\n`;
      const { response, gone } = endless([first]);
      const told = Promise.withResolvers<void>();
      const { backend, server } = serve(kind, {
        "POST /v1/chat/completions": () => response,
        "*": () => {
          told.resolve();
          return Response.json({});
        },
      });
      const abort = new AbortController();
      const options = {
        signal: abort.signal,
        onDelta: () => {
          abort.abort();
          return undefined;
        },
      };
      expect((await collect(backend, {}, options)).result).toMatchObject({ error: { code: "aborted" } });
      await gone;
      if (kind === "exo") await told.promise;
      const expected = kind === "exo" ? ["/v1/chat/completions", "/v1/cancel/cmd%207"] : ["/v1/chat/completions"];
      expect(server.seen.map(({ path }) => path)).toEqual(expected);
    }
  });
});
