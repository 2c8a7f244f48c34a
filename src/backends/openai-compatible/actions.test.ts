// What can be done to a server's models. The routes and answers of llama.cpp's router are as seen on the real one.
import { afterEach, describe, expect, test } from "bun:test";
import type { CommandProgress } from "../../protocol/commands.ts";
import type { Backend } from "../backend.ts";
import { type Route, type ScriptedServer, type Seen, scriptedServer } from "../testing/scripted-server.ts";
import type { OpenAiKind } from "./dialect.ts";
import { openAiCompatible } from "./openai-compatible.ts";
import { PROPS, ROUTER_PROPS, routerModel } from "./testing/recorded-llamacpp.ts";

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const SUCCESS: Route = () => Response.json({ success: true });
const refuse = (status: number, message: string) => Response.json({ error: { message, code: status } }, { status });

async function serve(kind: OpenAiKind, routes: Record<string, Route>): Promise<{ backend: Backend; seen: Seen[] }> {
  const server = scriptedServer(routes);
  servers.push(server);
  const backend = openAiCompatible({ kind, url: server.url, pollMs: 1 });
  await backend.models(AbortSignal.timeout(10_000));
  return { backend, seen: server.seen };
}
type Action = keyof NonNullable<Backend["actions"]>;
async function act(backend: Backend, action: Action, model: string, signal = AbortSignal.timeout(10_000)) {
  const progress: CommandProgress[] = [];
  const run = backend.actions?.[action];
  if (run === undefined) throw new Error(`no ${action}`);
  return { result: await run(model, (step) => progress.push(step), signal), progress };
}
const asked = (seen: Seen[], method: string): string[] =>
  seen.filter((one) => one.method === method).map(({ path, query }) => (query.size > 0 ? `${path}?${query}` : path));

describe("llama.cpp's router", () => {
  /** A router whose model's status is what `status` says next; undefined for a model that is not listed. */
  function router(
    statuses: (string | { value: string; progress?: unknown } | undefined)[],
    more: Record<string, Route> = {},
  ) {
    let at = -1;
    let began = false;
    const routes: Record<string, Route> = {
      "GET /props": ({ query }) => Response.json(query.has("model") ? PROPS : ROUTER_PROPS),
      "GET /v1/models": () => {
        if (began) at = Math.min(at + 1, statuses.length - 1);
        const status = began ? statuses[at] : "unloaded";
        const entry =
          typeof status === "object" ? { ...routerModel("m", status.value), status } : routerModel("m", status ?? "");
        return Response.json({ data: status === undefined ? [] : [entry] });
      },
      "GET /models": () => Response.json({ data: statuses.at(-1) === undefined ? [] : [routerModel("m", "unloaded")] }),
    };
    for (const path of ["POST /models/load", "POST /models/unload", "POST /models", "DELETE /models"]) {
      routes[path] = (seen, signal) => {
        began = true;
        return (more[path] ?? SUCCESS)(seen, signal);
      };
    }
    return serve("llamacpp", routes);
  }

  test("a model is loaded when it is in memory, not when the router says it begins", async () => {
    const { backend, seen } = await router(["loading", "loading", "loaded"]);
    const { result, progress } = await act(backend, "model_load", "m");
    expect(result.ok).toBe(true);
    expect(progress).toEqual([{ phase: "loading m", completed: null, total: null }]);
    expect(seen.find(({ method }) => method === "POST")?.body ?? {}).toEqual({ model: "m" });
  });

  test("a model that does not come up is an error; one that is up already is none", async () => {
    const { backend } = await router(["loading", "unloaded"]);
    expect((await act(backend, "model_load", "m")).result).toMatchObject({ error: { code: "backend_failed" } });
    const running = await router(["loaded"], { "POST /models/load": () => refuse(400, "model is already running") });
    expect((await act(running.backend, "model_load", "m")).result.ok).toBe(true);
  });

  test("a model it does not have is told as such (its 404 says only that a file was not found)", async () => {
    const { backend } = await router(["unloaded"], { "POST /models/load": () => refuse(404, "File Not Found") });
    expect((await act(backend, "model_load", "x")).result).toMatchObject({ error: { code: "model_not_found" } });
  });

  test("loading that is cancelled is taken back", async () => {
    const { backend, seen } = await router(["loading"]);
    const abort = new AbortController();
    const running = act(backend, "model_load", "m", abort.signal);
    while (!seen.some(({ path }) => path === "/models/load")) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    expect((await running).result).toMatchObject({ error: { code: "aborted" } });
    while (!seen.some(({ path }) => path === "/models/unload")) await new Promise((resolve) => setImmediate(resolve));
  });

  test("a model is unloaded when it is out of memory; one that is not in it is no error", async () => {
    const { backend } = await router(["loaded", "loaded", "unloaded"]);
    expect((await act(backend, "model_unload", "m")).result.ok).toBe(true);
    const idle = await router(["unloaded"], { "POST /models/unload": () => refuse(400, "model is not running") });
    expect((await act(idle.backend, "model_unload", "m")).result.ok).toBe(true);
  });

  test("fetching tells its bytes, of all files together", async () => {
    const progress = { "https://a/1.gguf": { done: 10, total: 100 }, "https://a/2.gguf": { done: 5, total: 50 } };
    const { backend, seen } = await router([{ value: "downloading", progress }, "downloaded"]);
    const { result, progress: told } = await act(backend, "model_install", "m");
    expect(result.ok).toBe(true);
    expect(told.at(-1)).toEqual({ phase: "fetching m", completed: 15, total: 150 });
    expect(asked(seen, "GET")).toContain("/models?reload=1");
  });

  test("what was fetched in vain is an error, though the router calls it finished", async () => {
    const { backend } = await router([{ value: "downloading" }, undefined]);
    expect((await act(backend, "model_install", "m")).result).toMatchObject({ error: { code: "backend_failed" } });
  });

  test("a model is removed by name; one that the router did not fetch itself stays, and that is said", async () => {
    const { backend, seen } = await router(["unloaded"]);
    expect((await act(backend, "model_remove", "org/m:Q4")).result.ok).toBe(true);
    expect(asked(seen, "DELETE")).toEqual(["/models?model=org%2Fm%3AQ4"]);
    const own = await router(["unloaded"], {
      "DELETE /models": () => refuse(500, "model name=m is not removable (not from cache)"),
    });
    expect((await act(own.backend, "model_remove", "m")).result).toMatchObject({ error: { code: "invalid_request" } });
  });
});

describe("llama-swap", () => {
  async function swap(states: Record<string, string>, routes: Record<string, Route> = {}) {
    return await serve("llamacpp", {
      "GET /v1/models": () => Response.json({ data: [{ id: "org/m", owned_by: "llama-swap" }] }),
      "GET /running": () =>
        Response.json({ running: Object.entries(states).map(([model, state]) => ({ model, state })) }),
      ...routes,
    });
  }

  test("a model is loaded by asking its server something", async () => {
    const states: Record<string, string> = {};
    const { backend } = await swap(states, {
      "GET /upstream/org/m/health": () => {
        states["org/m"] = "ready";
        return Response.json({ status: "ok" });
      },
    });
    expect((await act(backend, "model_load", "org/m")).result.ok).toBe(true);
  });

  test("one that does not come up is an error", async () => {
    const { backend } = await swap({}, { "GET /upstream/org/m/health": () => refuse(502, "command exited") });
    expect((await act(backend, "model_load", "org/m")).result).toMatchObject({ error: { message: "command exited" } });
  });

  test("a model is unloaded by its name, and is gone when it runs no more", async () => {
    const states: Record<string, string> = { "org/m": "ready", other: "ready" };
    let polls = 0;
    const { backend, seen } = await swap(states, {
      "POST /api/models/unload/org/m": () => {
        states["org/m"] = "stopping";
        return new Response("OK");
      },
      "GET /running": () => {
        if (states["org/m"] === "stopping" && ++polls > 2) delete states["org/m"];
        return Response.json({ running: Object.entries(states).map(([model, state]) => ({ model, state })) });
      },
    });
    expect((await act(backend, "model_unload", "org/m")).result.ok).toBe(true);
    expect(states).toEqual({ other: "ready" });
    expect(asked(seen, "POST")).toEqual(["/api/models/unload/org/m"]);
  });
});

describe("Exo", () => {
  const instance = (model: string) => ({
    MlxRingInstance: { shardAssignments: { modelId: model, runnerToShard: { r1: {} }, nodeToRunner: { n1: "r1" } } },
  });
  const MODEL = "org/m";
  const shard = { PipelineShardMetadata: { modelCard: { modelId: MODEL }, deviceRank: 0, worldSize: 1 } };
  const downloading = (tag: string, more: Record<string, unknown> = {}) => ({
    [tag]: { nodeId: "n1", shardMetadata: shard, ...more },
  });
  /** An Exo whose state the test changes as it is asked for. */
  async function exo(next: (asks: number) => Record<string, unknown>, routes: Record<string, Route> = {}) {
    let asks = 0;
    return await serve("exo", {
      "GET /v1/models": () => Response.json({ data: [] }),
      "GET /state": () => Response.json({ instances: {}, runners: {}, downloads: {}, ...next(asks++) }),
      "POST /place_instance": () => Response.json({ message: "Command received." }),
      "GET /instance/await": () => new Response('data: {"type":"ready","instance":{}}\n\n'),
      ...routes,
    });
  }

  test("an instance is placed, awaited, and loaded layer by layer", async () => {
    const runners: Record<string, unknown>[] = [
      {},
      {},
      { r1: { RunnerLoading: { layersLoaded: 3, totalLayers: 32 } } },
      { r1: { RunnerWarmingUp: {} } },
      { r1: { RunnerReady: {} } },
    ];
    const { backend, seen } = await exo((asks) => ({
      instances: asks < 2 ? {} : { i1: instance(MODEL) },
      runners: runners[Math.min(asks, 4)],
    }));
    const { result, progress } = await act(backend, "model_load", MODEL);
    expect(result.ok).toBe(true);
    expect(progress.map(({ phase }) => phase)).toEqual([
      `placing ${MODEL}`,
      `loading ${MODEL}: layer 3 of 32`,
      `loading ${MODEL}`,
    ]);
    expect(seen.find(({ path }) => path === "/place_instance")?.body).toEqual({ model_id: MODEL });
    expect(asked(seen, "GET")).toContain(`/instance/await?model_id=${encodeURIComponent(MODEL)}&timeout_seconds=120`);
  });

  test("one that finds no room, and one whose runner fails, are errors", async () => {
    const full = await exo(() => ({}), {
      "GET /instance/await": () => new Response('data: {"type": "timeout", "message": "none"}\n\n'),
    });
    expect((await act(full.backend, "model_load", MODEL)).result).toMatchObject({ error: { code: "backend_failed" } });
    const broken = await exo((asks) => ({
      instances: asks < 2 ? {} : { i1: instance(MODEL) },
      runners: { r1: { RunnerFailed: { errorMessage: "out of memory" } } },
    }));
    expect((await act(broken.backend, "model_load", MODEL)).result).toMatchObject({
      error: { message: `${MODEL} could not be loaded: out of memory` },
    });
  });

  test("all instances of a model are deleted, and no others", async () => {
    const there: Record<string, unknown> = { i1: instance(MODEL), i2: instance(MODEL), i3: instance("org/other") };
    const { backend, seen } = await exo(() => ({ instances: there }), {
      "*": ({ method, path }) => {
        if (method === "DELETE") delete there[path.split("/").at(-1) ?? ""];
        return Response.json({});
      },
    });
    expect((await act(backend, "model_unload", MODEL)).result.ok).toBe(true);
    expect(asked(seen, "DELETE")).toEqual(["/instance/i1", "/instance/i2"]);
  });

  test("a download is started where the smallest plan wants it, and tells its bytes", async () => {
    const plan = (nodes: Record<string, string>) => ({
      instance: {
        MlxRingInstance: {
          shardAssignments: {
            modelId: MODEL,
            nodeToRunner: nodes,
            runnerToShard: Object.fromEntries(Object.values(nodes).map((runner) => [runner, shard])),
          },
        },
      },
    });
    const states = [
      [],
      [downloading("DownloadPending")],
      [
        downloading("DownloadOngoing", {
          downloadProgress: { downloadedBytes: { inBytes: 30 }, totalBytes: { inBytes: 90 } },
        }),
      ],
      [downloading("DownloadCompleted")],
    ];
    const { backend, seen } = await exo((asks) => ({ downloads: { n1: states[Math.min(asks, 3)] } }), {
      "GET /instance/previews": () =>
        Response.json({
          previews: [{ instance: null, error: "no" }, plan({ n1: "r1", n2: "r2" }), plan({ n1: "r1" })],
        }),
      "POST /download/start": () => Response.json({ commandId: "c" }),
    });
    const { result, progress } = await act(backend, "model_install", MODEL);
    expect(result.ok).toBe(true);
    expect(progress.at(-1)).toEqual({ phase: `fetching ${MODEL}`, completed: 30, total: 90 });
    const started = seen.filter(({ path }) => path === "/download/start");
    expect(started.map(({ body }) => body)).toEqual([{ targetNodeId: "n1", shardMetadata: shard }]);
  });

  test("a download that fails is an error with its reason", async () => {
    const { backend } = await exo(
      () => ({ downloads: { n1: [downloading("DownloadFailed", { errorMessage: "no space" })] } }),
      {
        "GET /instance/previews": () =>
          Response.json({
            previews: [
              { instance: { I: { shardAssignments: { nodeToRunner: { n1: "r" }, runnerToShard: { r: shard } } } } },
            ],
          }),
        "POST /download/start": () => Response.json({}),
      },
    );
    expect((await act(backend, "model_install", MODEL)).result).toMatchObject({
      error: { message: `${MODEL} could not be fetched: no space` },
    });
  });

  test("a model is removed with its instances, from every machine that has it", async () => {
    let instances: Record<string, unknown> = { i1: instance(MODEL) };
    let downloads: Record<string, unknown> = {
      n1: [downloading("DownloadCompleted")],
      n2: [downloading("DownloadOngoing")],
    };
    const { backend, seen } = await exo(() => ({ instances, downloads }), {
      "*": ({ method, path }) => {
        if (method === "DELETE" && path.startsWith("/instance")) instances = {};
        if (method === "DELETE" && path.startsWith("/download/n2"))
          downloads = { n1: [downloading("DownloadPending")] };
        return Response.json({});
      },
    });
    expect((await act(backend, "model_remove", MODEL)).result.ok).toBe(true);
    expect(asked(seen, "DELETE")).toEqual(["/instance/i1", "/download/n1/org/m", "/download/n2/org/m"]);
  });
});

test("other servers let nothing be done to their models", () => {
  for (const kind of ["vllm", "sglang", "max", "openai"] as const) {
    expect(openAiCompatible({ kind, url: "http://127.0.0.1:1" }).actions).toEqual({});
  }
});
