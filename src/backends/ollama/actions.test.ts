// What a pull says, line by line, was recorded from a real Ollama 0.17.4; e2e/real-ollama.test.ts runs a real one.
import { afterEach, describe, expect, test } from "bun:test";
import type { CommandProgress } from "../../protocol/commands.ts";
import { endless, type Route, type ScriptedServer, scriptedServer, streamed } from "../testing/scripted-server.ts";
import { ollama } from "./ollama.ts";

const NDJSON = "application/x-ndjson";
const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

function serve(routes: Record<string, Route>, cloud = false) {
  const server = scriptedServer({
    "GET /api/version": () => Response.json({ version: "0.17.4" }),
    "GET /api/tags": () => Response.json({ models: ["big", "vectors"].map((name) => ({ name, digest: name })) }),
    "POST /api/show": ({ body }) =>
      Response.json({
        model_info: { "llama.context_length": 4096 },
        capabilities: body?.model === "vectors" ? ["embedding"] : ["completion"],
      }),
    ...routes,
  });
  servers.push(server);
  return { server, actions: ollama({ url: server.url, cloud }).actions ?? {} };
}

const signal = () => new AbortController().signal;
const nothing = () => undefined;
const lines = (...all: object[]) => all.map((line) => `${JSON.stringify(line)}\n`);

describe("fetching", () => {
  test("progress is summed over the layers, and ends with success", async () => {
    const layer = (digest: string, total: number, completed?: number) => ({
      status: `pulling ${digest.slice(0, 12)}`,
      digest: `sha256:${digest}`,
      total,
      ...(completed === undefined ? {} : { completed }),
    });
    const pull = lines(
      { status: "pulling manifest" },
      layer("71cd77a43d15", 1000),
      layer("71cd77a43d15", 1000, 400),
      layer("71cd77a43d15", 1000, 1000),
      layer("3a6cbde1d2ab", 50, 50),
      { status: "verifying sha256 digest" },
      { status: "writing manifest" },
      { status: "success" },
    );
    const { server, actions } = serve({ "POST /api/pull": () => streamed(pull, NDJSON) });
    const seen: CommandProgress[] = [];
    const outcome = await actions.model_install?.("qwen3:0.6b", (progress) => void seen.push(progress), signal());
    expect(outcome).toEqual({ ok: true, value: undefined });
    expect(server.seen.at(-1)?.body).toEqual({ model: "qwen3:0.6b", stream: true });
    expect(seen.map(({ phase, completed, total }) => [phase, completed, total])).toEqual([
      ["pulling manifest", null, null],
      ["pulling 71cd77a43d15", 0, 1000],
      ["pulling 71cd77a43d15", 400, 1000],
      ["pulling 71cd77a43d15", 1000, 1000],
      ["pulling 3a6cbde1d2ab", 1050, 1050],
      ["verifying sha256 digest", 1050, 1050],
      ["writing manifest", 1050, 1050],
      ["success", 1050, 1050],
    ]);
  });

  test("an error under status 200, one with its status, and an end without success", async () => {
    const missing = "pull model manifest: file does not exist";
    const routes: [Route, string][] = [
      [() => streamed(lines({ status: "pulling manifest" }, { error: missing }), NDJSON), missing],
      [() => Response.json({ error: "invalid model name" }, { status: 400 }), "invalid model name"],
      [() => streamed(lines({ status: "pulling manifest" }), NDJSON), "ended before"],
      [() => streamed(["{oops\n"], NDJSON), "no sense"],
    ];
    for (const [route, words] of routes) {
      const outcome = await serve({ "POST /api/pull": route }).actions.model_install?.("x", nothing, signal());
      expect(outcome).toMatchObject({ ok: false, error: { message: expect.stringContaining(words) } });
    }
  });

  test("a cancel closes the connection", async () => {
    const { response, gone } = endless(lines({ status: "pulling manifest" }), NDJSON);
    const abort = new AbortController();
    const { actions } = serve({ "POST /api/pull": () => response });
    const outcome = await actions.model_install?.("x", () => abort.abort(), abort.signal);
    expect(outcome).toMatchObject({ ok: false, error: { code: "aborted" } });
    await gone;
  });

  test("other hosts than the known registries are not asked, and cloud models only where wanted", async () => {
    const pull: Route = () => streamed(lines({ status: "success" }), NDJSON);
    const { server, actions } = serve({ "POST /api/pull": pull });
    const refused = ["http://10.0.0.1/a/b", "10.0.0.1/a/b", "evil.example/a/b:1", "gpt-oss:120b-cloud", "glm-5:cloud"];
    for (const name of refused)
      expect(await actions.model_install?.(name, nothing, signal())).toMatchObject({
        ok: false,
        error: { code: "invalid_request" },
      });
    expect(server.seen.some(({ path }) => path === "/api/pull")).toBe(false);
    for (const name of ["llama3.2", "someone/model:7b", "hf.co/someone/Model-GGUF:Q4_K_M"])
      expect(await actions.model_install?.(name, nothing, signal())).toMatchObject({ ok: true });
    const open = serve({ "POST /api/pull": pull }, true);
    expect(await open.actions.model_install?.("glm-5:cloud", nothing, signal())).toMatchObject({ ok: true });
  });
});

describe("deleting, loading, unloading", () => {
  test("each by its own route; a model is loaded with the context that it is offered with", async () => {
    const done: Route = ({ body }) =>
      Response.json({ done: true, done_reason: body?.keep_alive === 0 ? "unload" : "load" });
    const { server, actions } = serve({
      "POST /api/chat": done,
      "POST /api/generate": done,
      "POST /api/embed": () => Response.json({ embeddings: [] }),
      "DELETE /api/delete": () => new Response(null),
    });
    const { model_load: load, model_unload: unload, model_remove: remove } = actions;
    for (const action of [load?.("big", nothing, signal()), load?.("vectors", nothing, signal())])
      expect(await action).toEqual({ ok: true, value: undefined });
    expect(await unload?.("vectors", nothing, signal())).toEqual({ ok: true, value: undefined });
    expect(await remove?.("big", nothing, signal())).toEqual({ ok: true, value: undefined });
    const asked = server.seen.filter(({ path }) => !/tags|show|ps|version/.test(path));
    expect(asked.map(({ method, path, body }) => [`${method} ${path}`, body])).toEqual([
      ["POST /api/chat", { model: "big", keep_alive: -1, options: { num_ctx: 4096 }, messages: [], stream: false }],
      ["POST /api/embed", { model: "vectors", keep_alive: -1, options: { num_ctx: 4096 }, input: [] }],
      ["POST /api/generate", { model: "vectors", keep_alive: 0, stream: false }],
      ["DELETE /api/delete", { model: "big" }],
    ]);
  });

  test("a model that is not there", async () => {
    const { actions } = serve({
      "*": () => Response.json({ error: "model 'gone' not found" }, { status: 404 }),
    });
    for (const action of Object.values(actions)) {
      const outcome = await action("gone", nothing, signal());
      expect(outcome).toMatchObject({ ok: false, error: { code: "model_not_found" } });
    }
  });
});
