// A real Ollama, where one is installed (OLLAMA_BIN or on the PATH): the adapter is put through what every backend must
// do, and through what only a real server can show.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend } from "../src/backends/backend.ts";
import { ollama } from "../src/backends/ollama/ollama.ts";
import { collect } from "../src/backends/testing/collect.ts";
import { conformance } from "../src/backends/testing/conformance.ts";
import type { CommandProgress } from "../src/protocol/commands.ts";
import {
  makeCertificate,
  ollamaBinary,
  type RealOllama,
  type Registry,
  startOllama,
  startRegistry,
} from "./harness/real-ollama.ts";
import { waitFor } from "./harness/wait-for.ts";

const START_MS = 60_000;
const MODEL = "demo:latest";
const QUESTION = "what is infernet?";
const CONTEXT_LENGTH = 512;

const reason = ollamaBinary === null ? " (skipped: no ollama binary by OLLAMA_BIN or on the PATH)" : "";
describe.skipIf(ollamaBinary === null)(`a real Ollama${reason}`, () => {
  let server: RealOllama;
  let registry: Registry;
  let folder = "";
  let backend: Backend;
  const signal = () => AbortSignal.timeout(START_MS);
  const loaded = async (name = MODEL): Promise<boolean | null> => {
    const listed = await backend.models(signal());
    if (!listed.ok) throw new Error(listed.error.message);
    return listed.value.find((model) => model.name === name)?.loaded ?? null;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "infernet-registry-"));
    const tls = await makeCertificate(folder);
    server = await startOllama(ollamaBinary ?? "", tls.certificate);
    registry = startRegistry(join(server.folder, "models"), tls);
    backend = ollama({ url: server.url, registries: [registry.host] });
  }, START_MS);
  afterAll(async () => {
    await registry.stop();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  conformance("real Ollama", () => ({
    backend,
    model: MODEL,
    embedder: MODEL,
    question: QUESTION,
    prompt: `<|im_start|>user\n${QUESTION}<|im_end|>\n<|im_start|>assistant\n`,
    contextLength: CONTEXT_LENGTH,
  }));

  test("an answer that fills the context ends with length, and loses nothing of the prompt", async () => {
    const messages = [{ role: "user", content: "word ".repeat(240) }];
    const { result } = await collect(backend, { model: MODEL, messages, temperature: 0 });
    if (!result.ok) throw new Error(result.error.message);
    expect(result.value.finish).toEqual([{ index: 0, reason: "length" }]);
    const { prompt_tokens: prompt = 0, completion_tokens: completion = 0 } = result.value.usage ?? {};
    expect(prompt).toBeGreaterThan(CONTEXT_LENGTH - 50);
    // The last token is made but not read again.
    expect(prompt + completion).toBe(CONTEXT_LENGTH + 1);
  });

  test("a model that repeats itself is stopped by Ollama without a last line, and that is an end", async () => {
    const messages = [{ role: "user", content: "word ".repeat(80) }];
    const { text, result } = await collect(backend, { model: MODEL, messages, temperature: 0 });
    expect(text.length).toBeGreaterThan(30);
    expect(result).toEqual({ ok: true, value: { finish: [{ index: 0, reason: "length" }], usage: null } });
  });

  test("a template that closes the assistant's message is gone around", async () => {
    const whole = await collect(backend, { model: MODEL, messages: [{ role: "user", content: QUESTION }] });
    const cut = whole.text.indexOf(" ", 30);
    const begun = whole.text.slice(0, cut);
    const messages = [
      { role: "user", content: QUESTION },
      { role: "assistant", content: begun },
    ];
    const { text } = await collect(backend, { model: "closing:latest", messages, temperature: 0 });
    expect(begun + text).toBe(whole.text);
  });

  test("a model with tools says so, and takes them", async () => {
    const listed = await backend.models(signal());
    const tools = listed.ok ? listed.value.find(({ name }) => name === "tools:latest") : undefined;
    expect(tools?.features).toContain("tools");
    const { result } = await collect(backend, {
      model: "tools:latest",
      max_tokens: 4,
      tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }],
    });
    expect(result.ok).toBe(true);
  });

  test("models are loaded and unloaded", async () => {
    const { model_load: load, model_unload: unload } = backend.actions ?? {};
    expect(await load?.(MODEL, () => undefined, signal())).toEqual({ ok: true, value: undefined });
    expect(await loaded()).toBe(true);
    expect(await unload?.(MODEL, () => undefined, signal())).toEqual({ ok: true, value: undefined });
    await waitFor("it to be out of memory", async () => ((await loaded()) === false ? true : undefined));
    const unknown = await load?.("nowhere", () => undefined, signal());
    expect(unknown).toMatchObject({ ok: false, error: { code: "model_not_found" } });
  });

  test("a model is fetched from a registry with progress, answers, and is deleted", async () => {
    const { model_install: install, model_remove: remove } = backend.actions ?? {};
    const name = `${registry.host}/library/demo:latest`;
    // Nothing of it may be there already, or nothing would be fetched.
    for (const known of ["demo", "closing", "tools"]) await remove?.(known, () => undefined, signal());
    const seen: CommandProgress[] = [];
    registry.hang = true;
    const abort = new AbortController();
    const stopped = install?.(name, () => undefined, abort.signal);
    await waitFor("the download to hang", () => registry.hanging > 0);
    abort.abort();
    expect(await stopped).toMatchObject({ ok: false, error: { code: "aborted" } });
    await waitFor("Ollama to give the download up", () => registry.givenUp > 0);
    registry.hang = false;
    expect(await install?.(name, (progress) => void seen.push(progress), signal())).toEqual({
      ok: true,
      value: undefined,
    });
    const last = seen.at(-1);
    expect(last?.phase).toBe("success");
    expect(last?.total).toBeGreaterThan(900_000);
    expect(last?.completed).toBe(last?.total ?? -1);
    await backend.models(signal());
    const { result } = await collect(backend, { model: name, max_tokens: 2 });
    expect(result.ok).toBe(true);
    expect(await remove?.(name, () => undefined, signal())).toEqual({ ok: true, value: undefined });
    expect(await backend.models(signal())).toEqual({ ok: true, value: [] });
    const gone = await remove?.(name, () => undefined, signal());
    expect(gone).toMatchObject({ ok: false, error: { code: "model_not_found" } });
  });

  test("a model that no registry has, and a registry that is not allowed", async () => {
    const install = backend.actions?.model_install;
    const missing = await install?.(`${registry.host}/library/nowhere:latest`, () => undefined, signal());
    expect(missing).toMatchObject({ ok: false, error: { message: expect.stringContaining("manifest") } });
    const elsewhere = await install?.("example.com/library/x", () => undefined, signal());
    expect(elsewhere).toMatchObject({ ok: false, error: { code: "invalid_request" } });
  });
});
