// A real llama.cpp server, where one is installed (LLAMA_SERVER or on the PATH): the adapter against one model, several
// slots, a router, a key, a crash.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import OpenAI from "openai";
import type { Backend, BackendModel, GenerateRequest } from "../src/backends/backend.ts";
import { openAiCompatible } from "../src/backends/openai-compatible/openai-compatible.ts";
import { probeBackends } from "../src/backends/probe.ts";
import { collect, textOf } from "../src/backends/testing/collect.ts";
import { serving } from "../src/daemon/serving.ts";
import { NO_LOG } from "../src/jobs/testing/stage.ts";
import { systemClock } from "../src/lib/clock.ts";
import type { Delta } from "../src/protocol/generation.ts";
import { localApiKey, waitForModel } from "./harness/instance.ts";
import {
  DEMO,
  llamaServerBinary,
  type RealLlamaServer,
  startLlamaServer,
  startRouter,
} from "./harness/real-llamacpp.ts";
import { openStage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const START_MS = 60_000;
const MODEL = "infernet-demo";
const CONTEXT_LENGTH = 512;
const MESSAGES = [{ role: "user", content: "what is infernet?" }];
const PROMPT = "<|im_start|>user\nwhat is infernet?<|im_end|>\n<|im_start|>assistant\n";
const GREEDY = { model: MODEL, messages: MESSAGES, temperature: 0 };
/** Never ends by itself. */
const ENDLESS = { ...GREEDY, max_tokens: 1_000_000, ignore_eos: true };

const signal = () => AbortSignal.timeout(START_MS);
async function modelsOf(backend: Backend): Promise<BackendModel[]> {
  const listed = await backend.models(signal());
  if (!listed.ok) throw new Error(listed.error.message);
  return listed.value;
}
async function run(backend: Backend, request: GenerateRequest) {
  const deltas: Delta[] = [];
  const result = await backend.generate(
    request,
    (delta) => {
      deltas.push(delta);
      return undefined;
    },
    signal(),
  );
  return { deltas, text: textOf(deltas), result };
}
const completion = (prompt: string, more: Record<string, unknown> = {}): GenerateRequest => ({
  task: "completion",
  model: MODEL,
  body: { model: MODEL, prompt, temperature: 0, ...more },
});
const busySlots = async (url: string): Promise<number> => {
  const slots = (await (await fetch(`${url}/slots`)).json()) as { is_processing: boolean }[];
  return slots.filter((slot) => slot.is_processing).length;
};

const reason = llamaServerBinary === null ? " (skipped: no llama-server by LLAMA_SERVER or on the PATH)" : "";
const real = describe.skipIf(llamaServerBinary === null);

real(`a real llama-server${reason}`, () => {
  let server: RealLlamaServer;
  let backend: Backend;
  beforeAll(async () => {
    server = await startLlamaServer(["-m", DEMO, "-np", "2", "--metrics"]);
    backend = openAiCompatible({ kind: "llamacpp", url: server.url });
    await modelsOf(backend);
  }, START_MS);
  afterAll(() => server.stop());

  test("is found by its signs, at whatever port it is looked for", async () => {
    const urls = { ollama: server.url, vllm: server.url, sglang: server.url, max: server.url, exo: server.url };
    const found = await probeBackends({ urls: { ...urls, llamacpp: server.url } });
    expect(found.map(({ kind }) => kind)).toEqual(["llamacpp"]);
  });

  test("says what it serves", async () => {
    expect(await modelsOf(backend)).toEqual([
      {
        name: MODEL,
        contextLength: CONTEXT_LENGTH,
        digest: null,
        loaded: true,
        quantization: "Q8_0",
        demo: false,
        tasks: ["chat", "completion"],
        features: ["json", "logprobs"],
      },
    ]);
    expect(backend.slots()).toBe(2);
  });

  test("streams an answer with its usage, the same again", async () => {
    const [one, two] = [await collect(backend, GREEDY), await collect(backend, GREEDY)];
    expect(one.text.length).toBeGreaterThan(40);
    expect(two.text).toBe(one.text);
    expect(one.result).toMatchObject({ ok: true, value: { finish: [{ index: 0, reason: "stop" }] } });
    const usage = one.result.ok ? one.result.value.usage : null;
    expect(usage?.prompt_tokens).toBeGreaterThan(10);
    expect(usage?.completion_tokens).toBeGreaterThan(10);
  });

  test("goes on with an unfinished answer from every space as if nothing had been, and repeats nothing", async () => {
    const { text } = await collect(backend, GREEDY);
    const cuts = [...text.matchAll(/ /g)].map(({ index }) => index);
    expect(cuts.length).toBeGreaterThan(10);
    for (const cut of cuts) {
      const begun = { role: "assistant", content: text.slice(0, cut) };
      const rest = await collect(backend, { ...GREEDY, messages: [...MESSAGES, begun] });
      expect(text.slice(0, cut) + rest.text).toBe(text);
    }
  });

  test("from every character it goes on as the plain prompt with the same text does", async () => {
    const { text } = await collect(backend, GREEDY);
    for (let cut = 1; cut < text.length; cut += 3) {
      const begun = { role: "assistant", content: text.slice(0, cut) };
      const chat = await collect(backend, { ...GREEDY, messages: [...MESSAGES, begun], max_tokens: 12 });
      const plain = await run(backend, completion(PROMPT + text.slice(0, cut), { max_tokens: 12 }));
      expect(chat.text).toBe(plain.text);
    }
  });

  test("completes plain prompts, with log probabilities in the older form", async () => {
    const { deltas, text, result } = await run(backend, completion(PROMPT, { max_tokens: 4, logprobs: 1 }));
    expect((await collect(backend, GREEDY)).text.startsWith(text)).toBe(true);
    const lists = deltas.map(({ logprobs }) => logprobs as { tokens: string[]; text_offset: number[] });
    expect(lists.flatMap(({ tokens }) => tokens).join("")).toBe(text);
    expect(lists.map(({ text_offset: [offset] }) => offset)).toEqual(
      deltas.map((_, i) => textOf(deltas.slice(0, i)).length),
    );
    expect(result).toMatchObject({
      ok: true,
      value: { finish: [{ reason: "length" }], usage: { completion_tokens: 4 } },
    });
  });

  test("gives several choices, their tokens counted together and the prompt's once", async () => {
    const one = await collect(backend, { ...GREEDY, max_tokens: 3 });
    const two = await collect(backend, { ...GREEDY, max_tokens: 3, n: 2 });
    expect(textOf(two.deltas, 1)).toBe(one.text);
    const usage = one.result.ok ? one.result.value.usage : null;
    expect(two.result).toMatchObject({
      ok: true,
      value: {
        finish: [{ index: 0 }, { index: 1 }],
        usage: { prompt_tokens: usage?.prompt_tokens, completion_tokens: 6 },
      },
    });
    expect((await collect(backend, { ...GREEDY, n: 3 })).result).toMatchObject({ error: { code: "invalid_request" } });
  });

  test("keeps to a schema", async () => {
    const schema = {
      type: "object",
      properties: { ok: { type: "boolean" } },
      required: ["ok"],
      additionalProperties: false,
    };
    const format = { type: "json_schema", json_schema: { name: "a", schema } };
    const { text } = await collect(backend, { ...GREEDY, response_format: format });
    expect(JSON.parse(text)).toEqual({ ok: expect.any(Boolean) });
  });

  test("refuses what is too long with the length it takes, whatever it embeds, and what it cannot see", async () => {
    const content = "what is infernet? ".repeat(400);
    const long = await collect(backend, { ...GREEDY, messages: [{ role: "user", content }] });
    expect(long.result).toMatchObject({
      ok: false,
      error: { code: "context_length_exceeded", contextLength: CONTEXT_LENGTH },
    });
    expect(long.deltas).toEqual([]);
    const plain = await run(backend, completion(content));
    expect(plain.result).toMatchObject({ error: { code: "context_length_exceeded", contextLength: CONTEXT_LENGTH } });
    const embedding = await run(backend, { task: "embedding", model: MODEL, body: { model: MODEL, input: "a" } });
    expect(embedding.result).toMatchObject({ error: { code: "invalid_request" } });
    const image = [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }];
    const seen = await collect(backend, { ...GREEDY, messages: [{ role: "user", content: image }] });
    expect(seen.result).toMatchObject({ error: { code: "invalid_request" } });
    expect((await collect(backend, GREEDY)).result.ok).toBe(true);
  });

  test("stops at once when nobody wants the answer any more: the slot is free", async () => {
    const freeAfterMs: number[] = [];
    for (let round = 0; round < 5; round++) {
      const abort = new AbortController();
      let abortedAt = 0;
      const onDelta = () => {
        if (abortedAt === 0) abortedAt = performance.now();
        abort.abort();
        return undefined;
      };
      const { result } = await collect(backend, ENDLESS, { signal: abort.signal, onDelta });
      expect(result).toMatchObject({ error: { code: "aborted" } });
      await waitFor("the slot to be free", async () => (await busySlots(server.url)) === 0);
      freeAfterMs.push(performance.now() - abortedAt);
    }
    expect(Math.min(...freeAfterMs)).toBeLessThan(1000);
  });

  test("tells its load: what runs, and what waits for a slot", async () => {
    const abort = new AbortController();
    const answers = [0, 1, 2].map(() => collect(backend, ENDLESS, { signal: abort.signal }));
    await waitFor("three requests", async () => {
      const load = await backend.load?.(signal());
      return load?.ok === true && load.value.running === 2 && load.value.waiting === 1;
    });
    abort.abort();
    await Promise.all(answers);
    await waitFor("no request", async () => {
      const load = await backend.load?.(signal());
      return load?.ok === true && load.value.running === 0 && load.value.waiting === 0;
    });
  });

  test("serves chats through infernet, word for word", async () => {
    const stage = await openStage();
    try {
      const config = `[node]\nprobe = false\n[[node.backends]]\nkind = "llamacpp"\nurl = "${server.url}"\n`;
      const both = await stage.start({ mode: "both", config });
      const model = await waitForModel(stage.executable, both);
      expect(model).toBe(MODEL);
      const client = new OpenAI({ baseURL: `${both.url}/v1`, apiKey: localApiKey(both), maxRetries: 0 });
      const messages = [{ role: "user" as const, content: "what is infernet?" }];
      const { text } = await collect(backend, GREEDY);
      const answer = await client.chat.completions.create({ model, messages, temperature: 0 });
      expect(answer.choices[0]?.message.content).toBe(text);
      const long = [{ role: "user" as const, content: "what is infernet? ".repeat(400) }];
      const [refused] = await Promise.allSettled([client.chat.completions.create({ model, messages: long })]);
      expect(refused).toMatchObject({ status: "rejected", reason: { status: 400, code: "context_length_exceeded" } });
    } finally {
      await stage.close();
    }
  });
});

real(`llama-server with embeddings, asleep, with a key, and after a crash${reason}`, () => {
  test("embeds, each input alike whether alone or with others", async () => {
    const server = await startLlamaServer(["-m", DEMO, "--embeddings", "--pooling", "mean"]);
    try {
      const backend = openAiCompatible({ kind: "llamacpp", url: server.url });
      expect((await modelsOf(backend))[0]?.tasks).toEqual(["chat", "completion", "embedding"]);
      const embed = (input: string | string[], more: Record<string, unknown> = {}) =>
        run(backend, { task: "embedding", model: MODEL, body: { model: MODEL, input, ...more } });
      const vector = ({ embedding = "" }: Delta) =>
        new Float32Array(new Uint8Array(Buffer.from(embedding, "base64")).buffer);
      const { deltas, result } = await embed(["one text", "another"]);
      expect(deltas.map(({ index = 0 }) => index)).toEqual([0, 1]);
      for (const delta of deltas) expect(Math.hypot(...vector(delta))).toBeCloseTo(1, 3);
      const [alone] = (await embed("another")).deltas;
      const [first, second] = [vector(alone ?? {}), vector(deltas[1] ?? {})];
      for (const [i, value] of first.entries()) expect(value).toBeCloseTo(second[i] ?? 9, 3);
      expect(result).toMatchObject({ ok: true, value: { usage: { completion_tokens: 0 } } });
      expect(vector((await embed("one text", { dimensions: 4 })).deltas[0] ?? {}).length).toBe(4);
      const long = await embed(["short", "word ".repeat(1000)]);
      expect(long.result).toMatchObject({ error: { code: "context_length_exceeded", contextLength: CONTEXT_LENGTH } });
    } finally {
      await server.stop();
    }
  });

  test("falls asleep although it is asked what it serves, and wakes for a job", async () => {
    const server = await startLlamaServer(["-m", DEMO, "--sleep-idle-seconds", "1"]);
    try {
      const backend = openAiCompatible({ kind: "llamacpp", url: server.url });
      expect(await modelsOf(backend)).toMatchObject([{ name: MODEL, loaded: true }]);
      // Asked all the while: no question of a node may keep it awake, or wake it.
      await waitFor("it to sleep", async () => {
        await backend.load?.(signal());
        return (await modelsOf(backend))[0]?.loaded === false;
      });
      await backend.load?.(signal());
      expect(await modelsOf(backend)).toMatchObject([{ name: MODEL, loaded: false, contextLength: CONTEXT_LENGTH }]);
      expect((await collect(backend, GREEDY)).text.length).toBeGreaterThan(40);
      expect(await modelsOf(backend)).toMatchObject([{ loaded: true }]);
    } finally {
      await server.stop();
    }
  });

  test("a crash under a job is noticed at once, and its return soon", async () => {
    let server = await startLlamaServer(["-m", DEMO]);
    const port = Number(new URL(server.url).port);
    const backend = openAiCompatible({ kind: "llamacpp", url: server.url });
    const terms = () => ({ slots: 0, prices: { input: 0, output: 0 } });
    const deps = { log: NO_LOG, backends: [backend], terms };
    const changed: string[] = [];
    const serves = serving({ ...deps, clock: systemClock }, () =>
      changed.push(serves.now().backends[0]?.healthy === true ? "back" : "gone"),
    );
    try {
      await serves.refresh();
      const begun = Promise.withResolvers<void>();
      const job = serves.backendOf(MODEL)?.generate(
        { task: "chat", model: MODEL, body: ENDLESS },
        () => {
          begun.resolve();
          return undefined;
        },
        signal(),
      );
      await begun.promise;
      await server.kill();
      expect(await job).toMatchObject({ ok: false, error: { code: "backend_unreachable" } });
      await waitFor("it to be gone", () => changed.includes("gone"), { deadlineMs: 10_000 });
      expect(serves.backendOf(MODEL)).toBeUndefined();
      server = await startLlamaServer(["-m", DEMO], port);
      await waitFor("it to be back", () => changed.includes("back"));
      expect(serves.backendOf(MODEL)).toBeDefined();
    } finally {
      serves.stop();
      await server.stop();
    }
  });
});

real(`llama.cpp's real router, with a key${reason}`, () => {
  let router: RealLlamaServer;
  let backend: Backend;
  const loaded = async () =>
    Object.fromEntries((await modelsOf(backend)).map(({ name, loaded: isLoaded }) => [name, isLoaded]));
  const act = (action: "model_load" | "model_unload" | "model_remove", model: string, aborts = signal()) =>
    backend.actions?.[action]?.(model, () => undefined, aborts);
  beforeAll(async () => {
    router = await startRouter(
      ["demo-a", "demo-b", "demo-c"],
      ["--models-max", "2", "--api-key", "secret", "-np", "3"],
    );
    backend = openAiCompatible({ kind: "llamacpp", url: router.url, apiKey: "secret", pollMs: 20 });
  }, START_MS);
  afterAll(() => router.stop());

  test("refuses another key, and says so", async () => {
    const stranger = openAiCompatible({ kind: "llamacpp", url: router.url, apiKey: "other" });
    expect(await stranger.models(signal())).toMatchObject({ error: { message: expect.stringMatching(/credentials/) } });
  });

  test("offers what it could load, without loading it", async () => {
    expect(await loaded()).toEqual({ "demo-a": false, "demo-b": false, "demo-c": false });
    expect(backend.slots()).toBeNull();
    expect(await loaded()).toEqual({ "demo-a": false, "demo-b": false, "demo-c": false });
  });

  test("loads and unloads by command", async () => {
    expect(await act("model_load", "demo-a")).toEqual({ ok: true, value: undefined });
    expect(await act("model_load", "demo-a")).toEqual({ ok: true, value: undefined });
    expect(await modelsOf(backend)).toMatchObject([
      { name: "demo-a", loaded: true, contextLength: CONTEXT_LENGTH, quantization: "Q8_0" },
      { name: "demo-b", loaded: false },
      { name: "demo-c", loaded: false },
    ]);
    expect(backend.slots()).toBe(3);
    expect(await act("model_unload", "demo-a")).toEqual({ ok: true, value: undefined });
    expect(await act("model_unload", "demo-a")).toEqual({ ok: true, value: undefined });
    expect((await loaded())["demo-a"]).toBe(false);
  });

  test("loads on demand, and unloads the oldest for it", async () => {
    for (const model of ["demo-a", "demo-b", "demo-c"]) {
      expect((await collect(backend, { ...GREEDY, model })).text.length).toBeGreaterThan(40);
    }
    expect(await loaded()).toEqual({ "demo-a": false, "demo-b": true, "demo-c": true });
    expect(backend.slots()).toBe(6);
  });

  test("tells the load of all that is in memory while it works for this node", async () => {
    const abort = new AbortController();
    const answers = ["demo-b", "demo-c"].map((model) =>
      collect(backend, { ...ENDLESS, model }, { signal: abort.signal }),
    );
    await waitFor("both to run", async () => {
      const load = await backend.load?.(signal());
      return load?.ok === true && load.value.running === 2;
    });
    abort.abort();
    await Promise.all(answers);
  });

  test("says what it does not have, and keeps what it did not fetch", async () => {
    expect((await collect(backend, { ...GREEDY, model: "demo-x" })).result).toMatchObject({
      error: { code: "model_not_found" },
    });
    expect(await act("model_load", "demo-x")).toMatchObject({ error: { code: "model_not_found" } });
    expect(await act("model_remove", "demo-a")).toMatchObject({ error: { code: "invalid_request" } });
    expect(Object.keys(await loaded())).toEqual(["demo-a", "demo-b", "demo-c"]);
  });
});
