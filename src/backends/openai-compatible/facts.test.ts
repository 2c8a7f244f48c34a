// What each server says of itself. llama.cpp's answers are recorded; the others' are written after their sources.
import { afterEach, describe, expect, test } from "bun:test";
import type { Backend } from "../backend.ts";
import { type Route, type ScriptedServer, scriptedServer } from "../testing/scripted-server.ts";
import type { OpenAiKind } from "./dialect.ts";
import { openAiCompatible } from "./openai-compatible.ts";
import {
  ERRORS,
  METRICS,
  MODELS,
  PROPS,
  ROUTER_MODELS,
  ROUTER_PROPS,
  routerModel,
  SLOTS,
  TOOL_CAPS,
} from "./testing/recorded-llamacpp.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const signal = AbortSignal.timeout(60_000);
const json =
  (body: unknown, status = 200): Route =>
  () =>
    Response.json(body, { status });
const page =
  (body: string): Route =>
  () =>
    new Response(body);
const list = (...data: unknown[]): Route => json({ object: "list", data });

function serve(kind: OpenAiKind, routes: Record<string, Route>): { backend: Backend; server: ScriptedServer } {
  const server = scriptedServer(routes);
  cleanups.push(() => server.stop());
  return { backend: openAiCompatible({ kind, url: server.url }), server };
}
async function modelsOf(backend: Backend) {
  const models = await backend.models(signal);
  if (!models.ok) throw new Error(models.error.message);
  return models.value;
}
async function loadOf(backend: Backend) {
  const load = await backend.load?.(signal);
  return load?.ok === true ? load.value : null;
}
const PLAIN = { contextLength: null, digest: null, loaded: null, quantization: null, demo: false };

describe("vLLM", () => {
  const base = { id: "m", object: "model", owned_by: "vllm", root: "org/m", parent: null, max_model_len: 4096 };
  test("says the context length; an adapter has that of its model; nothing of slots", async () => {
    const { backend } = serve("vllm", {
      "GET /v1/models": list(base, { ...base, id: "lora", parent: "m", max_model_len: null }),
      "GET /health": page(""),
    });
    expect(await modelsOf(backend)).toEqual([
      { ...PLAIN, name: "m", contextLength: 4096, loaded: true },
      { ...PLAIN, name: "lora", contextLength: 4096, loaded: true },
    ]);
    expect(backend.slots()).toBeNull();
  });

  test("whose engine died is not well, though it still lists its models", async () => {
    const { backend } = serve("vllm", {
      "GET /v1/models": list(base),
      "GET /health": () => new Response("", { status: 503 }),
    });
    expect(await backend.models(signal)).toMatchObject({ ok: false, error: { code: "backend_busy" } });
  });

  test("tells its load, of several engines together, under its older name too", async () => {
    const metrics = (cache: string) => `# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="org/m"} 3.0
vllm:num_requests_running{engine="1",model_name="org/m"} 1.0
vllm:num_requests_waiting{engine="0",model_name="org/m"} 2.0
vllm:num_requests_waiting{engine="1",model_name="org/m"} 0.0
vllm:num_requests_waiting_by_reason{reason="capacity"} 9.0
${cache}{engine="0",model_name="org/m"} 0.25
${cache}{engine="1",model_name="org/m"} 0.75
`;
    for (const cache of ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"]) {
      const { backend } = serve("vllm", { "GET /metrics": page(metrics(cache)) });
      expect(await loadOf(backend)).toEqual({ running: 4, waiting: 2, cache: 0.75 });
    }
  });

  test("without metrics says nothing of its load", async () => {
    const { backend } = serve("vllm", { "GET /metrics": page("python_info 1\n") });
    expect(await backend.load?.(signal)).toMatchObject({ ok: false, error: { code: "backend_failed" } });
  });
});

describe("SGLang", () => {
  const entry = { id: "m", object: "model", owned_by: "sglang", root: "m", max_model_len: 8192 };
  const info = {
    version: "0.5.6",
    max_running_requests: 48,
    tool_call_parser: "qwen25",
    reasoning_parser: null,
    quantization: "fp8",
    dp_size: 2,
    internal_states: [{ effective_max_running_requests_per_dp: 24 }, { effective_max_running_requests_per_dp: 24 }],
  };
  test("says what its model can, by its newer and its older pages", async () => {
    const model = { model_path: "m", is_generation: true, has_image_understanding: true };
    for (const names of [
      ["/model_info", "/server_info"],
      ["/get_model_info", "/get_server_info"],
    ]) {
      const { backend } = serve("sglang", {
        "GET /v1/models": list(entry),
        [`GET ${names[0]}`]: json(model),
        [`GET ${names[1]}`]: json(info),
      });
      expect(await modelsOf(backend)).toEqual([
        {
          ...PLAIN,
          name: "m",
          contextLength: 8192,
          loaded: true,
          quantization: "fp8",
          tasks: ["chat", "completion"],
          features: ["json", "logprobs", "tools", "vision"],
        },
      ]);
      expect(backend.slots()).toBe(48);
    }
  });

  test("with an embedding model is asked for embeddings only", async () => {
    const { backend } = serve("sglang", {
      "GET /v1/models": list(entry),
      "GET /model_info": json({ is_generation: false }),
      "GET /server_info": json({ ...info, internal_states: [] }),
    });
    expect(await modelsOf(backend)).toMatchObject([{ tasks: ["embedding"] }]);
    expect((await modelsOf(backend))[0]?.features).toBeUndefined();
    expect(backend.slots()).toBe(48);
  });

  test("tells its load by a page of its own, else by metrics, each request once", async () => {
    const own = serve("sglang", {
      "GET /v1/loads": json({
        loads: [
          { dp_rank: 0, num_running_reqs: 3, num_waiting_reqs: 1, token_usage: 0.1 },
          { dp_rank: 1, num_running_reqs: 2, num_waiting_reqs: 0, token_usage: 0.4 },
        ],
      }),
    });
    expect(await loadOf(own.backend)).toEqual({ running: 5, waiting: 1, cache: 0.4 });
    const metrics = serve("sglang", {
      "GET /metrics": page(`sglang:num_running_reqs{model_name="m",tp_rank="0"} 5.0
sglang:num_running_reqs{model_name="m",tp_rank="1"} 5.0
sglang:num_queue_reqs{model_name="m",tp_rank="0"} 1.0
sglang:token_usage{model_name="m",tp_rank="0"} 0.5
`),
    });
    expect(await loadOf(metrics.backend)).toEqual({ running: 5, waiting: 1, cache: 0.5 });
  });
});

describe("MAX", () => {
  test("lists one model, without a context length until it refuses a longer prompt", async () => {
    const overflow = { error: { message: "Prompt exceeds the maximum context length of 2048 tokens" } };
    const { backend } = serve("max", {
      "GET /v1/models": list({ id: "m", object: "model", created: null, owned_by: "" }),
      "GET /health": page(""),
      "POST /v1/chat/completions": json(overflow, 400),
    });
    expect(await modelsOf(backend)).toEqual([{ ...PLAIN, name: "m", loaded: true }]);
    const body = { model: "m", messages: [] };
    await backend.generate({ task: "chat", model: "m", body }, () => undefined, signal);
    expect(await modelsOf(backend)).toMatchObject([{ contextLength: 2048 }]);
  });

  test("tells its load on port 8001 of the same machine", async () => {
    const asked: string[] = [];
    const backend = openAiCompatible({
      kind: "max",
      url: "http://10.0.0.7:8000",
      fetch: async (url) => {
        asked.push(url);
        return new Response("maxserve_num_requests_running 7.0\nmaxserve_num_requests_queued 2.0\n");
      },
    });
    expect(await loadOf(backend)).toEqual({ running: 7, waiting: 2, cache: null });
    expect(asked).toEqual(["http://10.0.0.7:8001/metrics"]);
  });
});

describe("llama.cpp's server", () => {
  const routes = {
    "GET /v1/models": json(MODELS),
    "GET /health": json({ status: "ok" }),
    "GET /props": json(PROPS),
    "POST /v1/embeddings": json(ERRORS.noEmbeddings[1], 501),
  };
  test("says context, quantisation, slots and abilities; its file's path stays here (recorded)", async () => {
    const { backend } = serve("llamacpp", routes);
    expect(await modelsOf(backend)).toEqual([
      {
        ...PLAIN,
        name: "infernet-demo",
        contextLength: 512,
        loaded: true,
        quantization: "Q8_0",
        tasks: ["chat", "completion"],
        features: ["json", "logprobs"],
      },
    ]);
    expect(backend.slots()).toBe(2);
    expect(backend.actions).toEqual({});
  });

  test("is not asked for another model than its own: it would answer all the same", async () => {
    const { backend, server } = serve("llamacpp", {
      ...routes,
      "POST /v1/chat/completions": () => new Response('data: {"choices":[]}\n\ndata: [DONE]\n\n'),
    });
    const ask = (model: string) =>
      backend.generate({ task: "chat", model, body: { model, messages: [] } }, () => undefined, signal);
    expect((await ask("other")).ok).toBe(true);
    await modelsOf(backend);
    expect(await ask("other")).toMatchObject({ ok: false, error: { code: "model_not_found" } });
    expect((await ask("infernet-demo")).ok).toBe(true);
    expect(server.seen.filter(({ method }) => method === "POST").map(({ path }) => path)).toEqual([
      "/v1/chat/completions",
      "/v1/embeddings",
      "/v1/chat/completions",
    ]);
  });

  test("an alias stays as it is", async () => {
    for (const id of ["gpt-oss:20b", "org/model", "qwen3"]) {
      const entry = { ...MODELS.data[0], id };
      const { backend } = serve("llamacpp", { ...routes, "GET /v1/models": list(entry) });
      expect((await modelsOf(backend))[0]?.name).toBe(id);
    }
  });

  test("with a template for tools, eyes and thoughts, and embeddings", async () => {
    const props = {
      ...PROPS,
      chat_template_caps: TOOL_CAPS,
      chat_template: "{% if enable_thinking %}<think>{% endif %}",
      modalities: { vision: true },
    };
    const { backend, server } = serve("llamacpp", {
      ...routes,
      "GET /props": json(props),
      "POST /v1/embeddings": json({ error: { message: '"input" or "content" must be provided' } }, 400),
    });
    for (let i = 0; i < 3; i++) {
      expect(await modelsOf(backend)).toMatchObject([
        {
          tasks: ["chat", "completion", "embedding"],
          features: ["json", "logprobs", "tools", "vision", "reasoning"],
        },
      ]);
    }
    // What does not change is asked once.
    expect(server.seen.filter(({ path }) => path === "/v1/embeddings").length).toBe(1);
  });

  test("that sleeps has its model out of memory, and is not woken by questions", async () => {
    const { backend, server } = serve("llamacpp", { ...routes, "GET /props": json({ ...PROPS, is_sleeping: true }) });
    expect(await modelsOf(backend)).toMatchObject([{ loaded: false }]);
    expect(await loadOf(backend)).toEqual({ running: 0, waiting: 0, cache: null });
    expect(server.seen.map(({ path }) => path).sort()).toEqual(["/health", "/props", "/v1/models"]);
  });

  test("that still loads is not well", async () => {
    const { backend } = serve("llamacpp", { "*": json(ERRORS.loading[1], 503) });
    expect(await backend.models(signal)).toMatchObject({ ok: false, error: { code: "backend_busy" } });
  });

  test("tells its load by metrics (recorded)", async () => {
    const { backend } = serve("llamacpp", { ...routes, "GET /metrics": page(METRICS) });
    await modelsOf(backend);
    expect(await loadOf(backend)).toEqual({ running: 2, waiting: 1, cache: null });
  });

  test("without metrics is asked for its slots only while it works for this node", async () => {
    const inside = Promise.withResolvers<void>();
    const held = Promise.withResolvers<Response>();
    const { backend, server } = serve("llamacpp", {
      ...routes,
      "GET /props": json({ ...PROPS, endpoint_metrics: false }),
      "GET /slots": json(SLOTS),
      "POST /v1/chat/completions": () => {
        inside.resolve();
        return held.promise;
      },
    });
    await modelsOf(backend);
    expect(await loadOf(backend)).toBeNull();
    const body = { model: "infernet-demo", messages: [] };
    const answer = backend.generate({ task: "chat", model: body.model, body }, () => undefined, signal);
    await inside.promise;
    expect(await loadOf(backend)).toEqual({ running: 1, waiting: 0, cache: null });
    held.resolve(new Response("data: [DONE]\n\n"));
    await answer;
    expect(await loadOf(backend)).toBeNull();
    expect(server.seen.filter(({ path }) => path === "/slots").length).toBe(1);
  });
});

describe("llama.cpp's router", () => {
  const props: Route = ({ query }) => Response.json(query.get("model") === "demo-a" ? PROPS : ROUTER_PROPS);
  const routes = {
    "GET /v1/models": json(ROUTER_MODELS),
    "GET /props": props,
    "POST /v1/embeddings": json(ERRORS.noEmbeddings[1], 501),
    "GET /metrics": page(METRICS),
  };
  test("says what is in memory and what it could load, and counts the slots in memory (recorded)", async () => {
    const { backend, server } = serve("llamacpp", routes);
    expect(await modelsOf(backend)).toMatchObject([
      { name: "demo-a", loaded: true, contextLength: 512, quantization: "Q8_0", tasks: ["chat", "completion"] },
      { name: "demo-b", loaded: false, contextLength: null, features: ["json", "logprobs"] },
    ]);
    expect(backend.slots()).toBe(2);
    expect(Object.keys(backend.actions ?? {}).sort()).toEqual([
      "model_install",
      "model_load",
      "model_remove",
      "model_unload",
    ]);
    // No question may load a model.
    for (const { path, query } of server.seen) {
      if (query.has("model") || path === "/v1/embeddings") expect(query.get("autoload")).toBe("false");
    }
    expect(await loadOf(backend)).toEqual({ running: 2, waiting: 1, cache: null });
  });

  test("that loads nothing on demand offers what is in memory", async () => {
    const { backend } = serve("llamacpp", {
      ...routes,
      "GET /props": ({ query }) =>
        Response.json(query.has("model") ? PROPS : { ...ROUTER_PROPS, models_autoload: false }),
    });
    expect((await modelsOf(backend)).map(({ name }) => name)).toEqual(["demo-a"]);
  });

  test("does not offer what could not be loaded, nor what is still being fetched", async () => {
    const broken = routerModel("broken", "unloaded");
    const { backend } = serve("llamacpp", {
      ...routes,
      "GET /v1/models": list(
        { ...broken, status: { ...broken.status, failed: true, exit_code: 1 } },
        routerModel("coming", "downloading"),
        routerModel("fine", "unloaded"),
      ),
    });
    expect((await modelsOf(backend)).map(({ name }) => name)).toEqual(["fine"]);
    expect(backend.slots()).toBeNull();
  });
});

describe("llama-swap", () => {
  const entry = (id: string, more: Record<string, unknown> = {}) => ({
    id,
    object: "model",
    created: 1,
    owned_by: "llama-swap",
    ...more,
  });
  const routes = {
    "GET /v1/models": list(
      entry("a"),
      entry("org/b", { meta: { llamaswap: { context_length: 8192 } } }),
      entry("far", { meta: { llamaswap: { peerID: "other" } } }),
    ),
    "GET /running": json({ running: [{ model: "a", state: "ready" }] }),
    "GET /upstream/a/props": json(PROPS),
    "POST /upstream/a/v1/embeddings": json(ERRORS.noEmbeddings[1], 501),
  };
  test("says what runs; what its peers have is not offered; a server behind it is asked once", async () => {
    const { backend, server } = serve("llamacpp", routes);
    for (let i = 0; i < 3; i++) {
      expect(await modelsOf(backend)).toMatchObject([
        { name: "a", loaded: true, contextLength: 512, quantization: "Q8_0", tasks: ["chat", "completion"] },
        { name: "org/b", loaded: false, contextLength: 8192 },
      ]);
    }
    expect(backend.slots()).toBe(2);
    expect(server.seen.filter(({ path }) => path === "/upstream/a/props").length).toBe(1);
    expect(Object.keys(backend.actions ?? {}).sort()).toEqual(["model_load", "model_unload"]);
    // Its load would be the load of servers that each question keeps running.
    expect(await loadOf(backend)).toBeNull();
  });

  test("a server behind it that is no llama.cpp is not asked again either", async () => {
    const { backend, server } = serve("llamacpp", { ...routes, "GET /upstream/a/props": json({}, 404) });
    for (let i = 0; i < 3; i++) expect(await modelsOf(backend)).toMatchObject([{ name: "a", loaded: true }, {}]);
    expect(server.seen.filter(({ path }) => path === "/upstream/a/props").length).toBe(1);
  });

  test("newer ones say it in the listing", async () => {
    const { backend } = serve("llamacpp", {
      ...routes,
      "GET /v1/models": list(
        entry("a", { status: { value: "unloaded" } }),
        entry("b", { status: { value: "loaded" } }),
      ),
      "GET /running": json({ running: [] }),
    });
    expect((await modelsOf(backend)).map(({ loaded }) => loaded)).toEqual([false, true]);
  });

  test("without models is told by what it runs, and unloads them", async () => {
    const { backend } = serve("llamacpp", { "GET /v1/models": list(), "GET /running": json({ running: [] }) });
    expect(await modelsOf(backend)).toEqual([]);
    expect(Object.keys(backend.actions ?? {}).sort()).toEqual(["model_load", "model_unload"]);
  });
});

describe("Exo", () => {
  const entry = {
    id: "org/m-4bit",
    owned_by: "exo",
    context_length: 32768,
    quantization: "4bit",
    tasks: ["TextGeneration"],
    capabilities: ["text", "thinking"],
  };
  const state = (runner: Record<string, unknown>) => ({
    instances: {
      i1: {
        MlxRingInstance: {
          instanceId: "i1",
          shardAssignments: { modelId: "org/m-4bit", runnerToShard: { r1: {} }, nodeToRunner: { n1: "r1" } },
        },
      },
    },
    runners: { r1: runner },
    downloads: {},
  });
  test("offers what has an instance, of all that is fetched", async () => {
    const { backend, server } = serve("exo", {
      "GET /v1/models": list(entry, { ...entry, id: "org/other" }, { ...entry, tasks: ["TextToImage"] }),
      "GET /state": json(state({ RunnerReady: {} })),
    });
    expect(await modelsOf(backend)).toEqual([
      {
        ...PLAIN,
        name: "org/m-4bit",
        contextLength: 32768,
        loaded: true,
        quantization: "4bit",
        tasks: ["chat"],
        features: ["logprobs", "reasoning"],
      },
    ]);
    expect(server.seen.find(({ path }) => path === "/v1/models")?.query.get("status")).toBe("downloaded");
    expect(backend.load).toBeUndefined();
  });

  test("an instance whose runners still load has nothing in memory yet", async () => {
    const { backend } = serve("exo", {
      "GET /v1/models": list({ ...entry, context_length: 0 }),
      "GET /state": json(state({ RunnerLoading: { layersLoaded: 3, totalLayers: 32 } })),
    });
    expect(await modelsOf(backend)).toMatchObject([{ loaded: false, contextLength: null }]);
  });
});

describe("any other server", () => {
  test("is taken by its listing, under the names that are in use for a context length", async () => {
    for (const field of ["max_model_len", "context_length", "max_context_length", "context_window"]) {
      const { backend } = serve("openai", { "GET /v1/models": list({ id: "m", [field]: 4096 }, { id: "" }, 7) });
      expect(await modelsOf(backend)).toEqual([{ ...PLAIN, name: "m", contextLength: 4096 }]);
    }
  });

  test("that lists nothing readable is not well", async () => {
    const { backend } = serve("openai", { "GET /v1/models": json({ nope: 1 }) });
    expect(await backend.models(signal)).toMatchObject({ ok: false, error: { code: "backend_failed" } });
  });

  test("that wants a key gets it with every question, and refuses another", async () => {
    const guarded: Route = ({ headers }) =>
      headers.get("authorization") === "Bearer sk-1"
        ? Response.json(MODELS)
        : Response.json(ERRORS.noKey[1], { status: 401 });
    const { server } = serve("openai", { "*": guarded });
    for (const kind of ["openai", "vllm", "sglang", "max"] as const) {
      const known = openAiCompatible({ kind, url: server.url, apiKey: "sk-1" });
      expect((await known.models(signal)).ok).toBe(true);
      const stranger = openAiCompatible({ kind, url: server.url, apiKey: "sk-2" });
      expect(await stranger.models(signal)).toMatchObject({ ok: false, error: { code: "backend_failed" } });
    }
  });
});
