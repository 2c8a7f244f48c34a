// Every server here is a scripted stand-in that gives the signs of the real one, and of those that imitate it.
import { afterEach, describe, expect, test } from "bun:test";
import { PROBE_ORDER, type ProbedKind, probeBackends } from "./probe.ts";
import { type Route, type ScriptedServer, scriptedServer } from "./testing/scripted-server.ts";

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});
function serve(routes: Record<string, Route>): string {
  const server = scriptedServer(routes);
  servers.push(server);
  return server.url;
}
const list =
  (model: Record<string, unknown>): Route =>
  () =>
    Response.json({ object: "list", data: [{ id: "m", ...model }] });

const STAND_INS: Record<ProbedKind | "llama-swap", Record<string, Route>> = {
  ollama: {
    "GET /": () => new Response("Ollama is running"),
    "GET /api/version": () => Response.json({ version: "0.9.0" }),
    "GET /v1/models": list({ owned_by: "library" }),
  },
  vllm: { "GET /v1/models": list({ owned_by: "vllm", max_model_len: 4096 }) },
  sglang: {
    "GET /v1/models": list({ owned_by: "someone" }),
    "GET /get_server_info": () => Response.json({ version: "0.5", internal_states: [] }),
  },
  max: {
    "GET /v1/models": list({ owned_by: "", created: null }),
    "GET /openapi.json": () => Response.json({ info: { title: "MAX Serve" } }),
  },
  llamacpp: {
    "GET /v1/models": () =>
      Response.json(
        { models: [{ name: "m" }], data: [{ id: "m", owned_by: "llamacpp" }] },
        { headers: { server: "llama.cpp" } },
      ),
  },
  exo: {
    "GET /node_id": () => Response.json("12D3"),
    "GET /v1/models": list({ owned_by: "exo" }),
    "GET /ollama/api/version": () => Response.json({ version: "exo" }),
  },
  "llama-swap": {
    "GET /v1/models": list({ owned_by: "llama-swap" }),
    "GET /api/version": () => Response.json({ version: "1", commit: "c", build_date: "d" }),
    "GET /running": () => Response.json({ running: [] }),
  },
};
const nowhere = "http://127.0.0.1:1";
/** However slow the machine, what answers is waited for. */
const probe = (urls: Partial<Record<ProbedKind, string>>) => probeBackends({ urls, timeoutMs: 30_000 });
const all = (url: string): Record<ProbedKind, string> =>
  Object.fromEntries(PROBE_ORDER.map((kind) => [kind, url])) as Record<ProbedKind, string>;

describe("probe", () => {
  test("each server is told apart from all others, even at another's port", async () => {
    for (const [name, routes] of Object.entries(STAND_INS)) {
      const found = await probe(all(serve(routes)));
      expect(found.map(({ kind }) => kind)).toEqual([name === "llama-swap" ? "llamacpp" : (name as ProbedKind)]);
    }
  });

  test("a llama.cpp that still loads its model is found", async () => {
    const loading: Route = () =>
      Response.json(
        { error: { code: 503, message: "Loading model" } },
        { status: 503, headers: { server: "llama.cpp" } },
      );
    const found = await probe(all(serve({ "*": loading })));
    expect(found.map(({ kind }) => kind)).toEqual(["llamacpp"]);
  });

  test("what wants a key is not offered without it", async () => {
    const locked: Route = () =>
      Response.json({ error: "Unauthorized" }, { status: 401, headers: { server: "llama.cpp" } });
    const open: Route = () => Response.json({ status: "ok" }, { headers: { server: "llama.cpp" } });
    const found = await probe(all(serve({ "*": locked, "GET /health": open })));
    expect(found.map(({ kind }) => kind)).toEqual(["embedded"]);
  });

  test("a server of another make with the same API, and one that is only unwell, are left to the configuration", async () => {
    const others: Record<string, Route>[] = [
      { "GET /v1/models": list({ owned_by: "openai" }), "GET /health": () => new Response("ok") },
      {
        "GET /v1/models": list({ owned_by: "", created: 1 }),
        "GET /openapi.json": () => Response.json({ info: { title: "X" } }),
      },
      { "*": () => new Response("starting", { status: 503 }) },
      {
        "GET /": () => new Response("Ollama is running"),
        "GET /api/version": () => Response.json({ version: "1", commit: "c" }),
      },
      { "GET /node_id": () => Response.json("12D3"), "GET /v1/models": list({ owned_by: "someone" }) },
      { "GET /server_info": () => Response.json({ version: "1" }), "GET /v1/models": list({}) },
    ];
    for (const routes of others) {
      const found = await probe(all(serve(routes)));
      expect(found.map(({ kind }) => kind)).toEqual(["embedded"]);
    }
  });

  test("vLLM and MAX, which share a port, are never both", async () => {
    for (const kind of ["vllm", "max"] as const) {
      const url = serve(STAND_INS[kind]);
      const found = await probe({ ...all(nowhere), vllm: url, max: url });
      expect(found.map((one) => one.kind)).toEqual([kind]);
    }
  });

  test("all that are found come in the fixed order", async () => {
    const urls = Object.fromEntries(PROBE_ORDER.map((kind) => [kind, serve(STAND_INS[kind])]));
    const found = await probe(urls);
    expect(found.map(({ kind }) => kind)).toEqual([...PROBE_ORDER]);
    expect(found.map(({ url }) => url)).toEqual(PROBE_ORDER.map((kind) => urls[kind] ?? null));
  });

  test("the embedded engine is offered only where nothing else is", async () => {
    expect((await probe(all(nowhere))).map(({ kind }) => kind)).toEqual(["embedded"]);
    const found = await probe({ ...all(nowhere), vllm: serve(STAND_INS.vllm) });
    expect(found.map(({ kind }) => kind)).toEqual(["vllm"]);
  });

  test("a stranger's web server and a silent one are no backend", async () => {
    const stranger = serve({ "*": () => new Response("<html>hello") });
    expect((await probe(all(stranger))).map(({ kind }) => kind)).toEqual(["embedded"]);
    const silent = serve({ "*": () => new Promise<Response>(() => undefined) });
    expect((await probeBackends({ urls: all(silent), timeoutMs: 50 })).map(({ kind }) => kind)).toEqual(["embedded"]);
  });
});
