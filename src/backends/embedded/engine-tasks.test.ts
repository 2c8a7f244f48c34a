// What else than plain chat the real engine does, in its real child process: vectors, formats, tools, models in and out
// of memory, and going on with a text at any cut.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Delta } from "../../protocol/generation.ts";
import type { Backend, GenerateRequest } from "../backend.ts";
import { collect, textOf } from "../testing/collect.ts";
import { DEMO_MODEL } from "./demo-model.ts";
import { type EmbeddedBackend, embedded } from "./embedded.ts";
import { randomGguf } from "./testing/random-gguf.ts";

const command = [process.execPath, path.join(import.meta.dir, "testing/engine-entry.ts")];
const HERMES =
  "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools> answer in <tool_call>{% endif %}{% for message in messages %}{{ message.content }}\n{% endfor %}";
let folder = "";
let demo: EmbeddedBackend;
let own: EmbeddedBackend;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "infernet-engine-tasks-"));
  await Bun.write(path.join(folder, "tiny.gguf"), randomGguf());
  await Bun.write(path.join(folder, "other.gguf"), randomGguf({ seed: 2 }));
  await Bun.write(path.join(folder, "caller.gguf"), randomGguf({ seed: 3, template: HERMES }));
  const models = ["tiny", "other", "caller"].map((name) => path.join(folder, `${name}.gguf`));
  demo = embedded({ command, cacheDir: folder });
  // Room for two of the three.
  const { size } = Bun.file(models[0] ?? "");
  own = embedded({ command, cacheDir: folder, models, memoryBytes: size * 2.5 });
});
afterAll(async () => {
  await demo.close();
  await own.close();
  await rm(folder, { recursive: true, force: true });
});

const signal = () => new AbortController().signal;
/** End tokens are never chosen, so that the random model talks on. */
const ENDLESS = { 2: -100, 4: -100 };

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

describe("vectors", () => {
  const embed = (input: string | string[] | number[] | number[][], extra: Record<string, unknown> = {}) =>
    run(demo, { task: "embedding", model: DEMO_MODEL.name, body: { ...extra, model: DEMO_MODEL.name, input } });
  test("tokens may stand for text, if they are this model's", async () => {
    expect((await embed([[5, 6], [7]])).deltas).toHaveLength(2);
    expect((await embed([5, 6])).deltas).toHaveLength(1);
    for (const input of [[99_999], [-1], [0.5], [[]], [""]] as number[][])
      expect((await embed(input)).result).toMatchObject({ ok: false, error: { code: "invalid_request" } });
    expect((await embed("x", { dimensions: 4096 })).result).toMatchObject({ error: { code: "invalid_request" } });
  });
  test("they are the same beside an answer that runs", async () => {
    const alone = (await embed("one text")).deltas[0]?.embedding;
    const answer = collect(demo, { model: DEMO_MODEL.name, messages: [{ role: "user", content: "Is it free?" }] });
    expect((await embed("one text")).deltas[0]?.embedding).toBe(alone);
    expect((await answer).result.ok).toBe(true);
  });
});

describe("formats", () => {
  const schema = {
    type: "object",
    properties: { kind: { enum: ["alpha", "beta"] }, ok: { type: "boolean" }, at: { type: "string", format: "date" } },
    required: ["kind", "ok", "at"],
    additionalProperties: false,
  };
  const response_format = { type: "json_schema", json_schema: { name: "x", schema } };
  const ask = (extra: Record<string, unknown>) => collect(own, { model: "tiny", temperature: 0, ...extra });
  test("even a random model keeps to a schema", async () => {
    for (const seed of [1, 2, 3]) {
      const { text, result } = await ask({ response_format, temperature: 1.5, seed });
      expect(JSON.parse(text)).toEqual({
        kind: expect.stringMatching(/^(alpha|beta)$/),
        ok: expect.any(Boolean),
        at: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      });
      expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "stop" }] } });
    }
  });
  test("an answer cut anywhere is gone on with inside the schema", async () => {
    const { text } = await ask({ response_format });
    for (let cut = 1; cut < text.length; cut += 3) {
      const messages = [
        { role: "user", content: "hi" },
        { role: "assistant", content: text.slice(0, cut) },
      ];
      const rest = await ask({ response_format, messages });
      expect(rest.result.ok).toBe(true);
      expect(JSON.parse(text.slice(0, cut) + rest.text)).toHaveProperty("kind");
    }
  });
  test("properties may be left out, lists have bounds, and a schema may refer to itself", async () => {
    const node = {
      type: "object",
      properties: {
        a: { type: "null" },
        b: { type: "null" },
        list: { type: "array", items: { enum: [1, 2] }, maxItems: 3 },
      },
      additionalProperties: false,
    };
    const recursive = { type: "object", properties: { next: { $ref: "#" } }, additionalProperties: false };
    for (const schema of [node, recursive]) {
      for (const seed of [1, 2, 3, 4]) {
        const format = { type: "json_schema", json_schema: { name: "x", schema } };
        const { text, result } = await ask({ response_format: format, temperature: 2, seed, max_tokens: 300 });
        if (result.ok && result.value.finish[0]?.reason === "stop") expect(JSON.parse(text)).toBeObject();
        else expect(text).toStartWith("{");
      }
    }
  });
  test("a text that the schema does not allow is not gone on with", async () => {
    const messages = [
      { role: "user", content: "hi" },
      { role: "assistant", content: "Sure! Here" },
    ];
    const { result, deltas } = await ask({ response_format, messages });
    expect(result).toMatchObject({ ok: false, error: { code: "backend_failed" } });
    expect(deltas).toEqual([]);
  });
  test("json_object begins an object, and a schema that cannot be kept is refused", async () => {
    const { text } = await ask({ response_format: { type: "json_object" }, max_tokens: 20 });
    expect(text.trimStart()).toStartWith("{");
    const pattern = { type: "json_schema", json_schema: { name: "x", schema: { type: "string", pattern: "a" } } };
    const { result } = await ask({ response_format: pattern });
    expect(result).toMatchObject({ error: { code: "invalid_request", message: expect.stringContaining("pattern") } });
  });
});

test("a bias on tokens that the model has not means nothing", async () => {
  const { result } = await collect(own, {
    model: "tiny",
    max_tokens: 2,
    logit_bias: { ...ENDLESS, 99999: -100, 88888: 9 },
  });
  expect(result).toMatchObject({ ok: true, value: { usage: { completion_tokens: 2 } } });
});

describe("tools", () => {
  const tools = [
    {
      type: "function",
      function: {
        name: "light",
        parameters: {
          type: "object",
          properties: { on: { type: "boolean" } },
          required: ["on"],
          additionalProperties: false,
        },
      },
    },
    { type: "function", function: { name: "bell", parameters: { type: "object", additionalProperties: false } } },
  ];
  test("a model is offered with tools where its template has them", async () => {
    const listed = await own.models(signal());
    const has = listed.ok ? listed.value.map(({ name, features }) => [name, features?.includes("tools")]) : [];
    expect(has).toEqual([
      ["tiny", false],
      ["other", false],
      ["caller", true],
    ]);
  });
  test("a tool that must be called is called, with arguments after its schema", async () => {
    for (const choice of ["required", { type: "function", function: { name: "light" } }]) {
      const { deltas, text, result } = await collect(own, {
        model: "caller",
        temperature: 1,
        seed: 4,
        tools,
        tool_choice: choice,
      });
      const [call] = deltas.flatMap(({ tool_calls }) => tool_calls ?? []);
      expect(call).toMatchObject({ index: 0, id: expect.stringMatching(/^call_/), type: "function" });
      expect(["light", "bell"]).toContain(call?.function?.name ?? "");
      if (choice !== "required") expect(call?.function?.name).toBe("light");
      const args: unknown = JSON.parse(call?.function?.arguments ?? "");
      expect(args).toEqual(call?.function?.name === "light" ? { on: expect.any(Boolean) } : {});
      expect(text).toBe("");
      expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "tool_calls" }] } });
    }
  });
  test("where it may be called, text stays text", async () => {
    const { text, result } = await collect(own, {
      model: "caller",
      tools,
      max_tokens: 12,
      temperature: 0,
      logit_bias: ENDLESS,
    });
    expect(text.length).toBeGreaterThan(0);
    expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "length" }] } });
  });
  test("a model without tools refuses them", async () => {
    const { result } = await collect(own, { model: "tiny", tools });
    expect(result).toMatchObject({ ok: false, error: { code: "invalid_request" } });
  });
});

describe("models in memory", () => {
  const loaded = async () => {
    const listed = await own.models(signal());
    return listed.ok ? listed.value.flatMap((model) => (model.loaded ? [model.name] : [])) : [];
  };
  const nothing = () => undefined;
  test("they are loaded and unloaded on command, and the one used least recently makes room", async () => {
    const { model_load: load, model_unload: unload } = own.actions ?? {};
    for (const name of ["tiny", "other", "caller"]) await unload?.(name, nothing, signal());
    expect(await loaded()).toEqual([]);
    expect(await load?.("tiny", nothing, signal())).toEqual({ ok: true, value: undefined });
    expect(await load?.("other", nothing, signal())).toEqual({ ok: true, value: undefined });
    expect(await loaded()).toEqual(["tiny", "other"]);
    await collect(own, { model: "tiny", max_tokens: 1 });
    await collect(own, { model: "caller", max_tokens: 1 });
    expect(await loaded()).toEqual(["tiny", "caller"]);
    expect(await load?.("nowhere", nothing, signal())).toMatchObject({ error: { code: "model_not_found" } });
  });
  test("one that answers is not unloaded", async () => {
    const begun = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const answer = collect(
      own,
      { model: "tiny", max_tokens: 400, logit_bias: ENDLESS },
      {
        // It cannot come to its end before it is read.
        onDelta: () => {
          begun.resolve();
          return held.promise;
        },
      },
    );
    await begun.promise;
    const outcome = await own.actions?.model_unload?.("tiny", nothing, signal());
    held.resolve();
    expect((await answer).result.ok).toBe(true);
    expect(outcome).toMatchObject({ ok: false, error: { code: "backend_busy" } });
  });
  test("digests of the files become known, beside everything else", async () => {
    await own.models(signal());
    await own.digested();
    const listed = await own.models(signal());
    const bytes = await Bun.file(path.join(folder, "tiny.gguf")).bytes();
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    expect(listed.ok ? listed.value[0]?.digest : null).toBe(sha256);
  });
});

describe("going on with a text", () => {
  const say = (content: string | null, extra: Record<string, unknown> = {}) =>
    collect(own, {
      model: "tiny",
      temperature: 0,
      logit_bias: ENDLESS,
      messages: [{ role: "user", content: "hi" }, ...(content === null ? [] : [{ role: "assistant", content }])],
      ...extra,
    });
  test("from every cut, over bytes of all kinds, it is the same each time and keeps its bound", async () => {
    const { deltas } = await say(null, { max_tokens: 40 });
    let begun = "";
    for (const { content } of deltas.slice(0, -1)) {
      begun += content ?? "";
      const [one, two] = [await say(begun, { max_tokens: 6 }), await say(begun, { max_tokens: 6 })];
      expect(two.text).toBe(one.text);
      expect(one.result).toEqual(two.result);
      expect(one.result).toMatchObject({ ok: true, value: { usage: { completion_tokens: 6 } } });
      expect(one.text.isWellFormed()).toBe(true);
    }
  });
  test("a character that the bound cuts in two is not begun", async () => {
    // Only the first byte of "é" and its like may be chosen: byte tokens begin at 5.
    const only = Object.fromEntries(Array.from({ length: 262 }, (_, id) => [id, id === 5 + 0xc3 ? 100 : -100]));
    const { text, result } = await say(null, { max_tokens: 1, logit_bias: only });
    expect(text).toBe("");
    expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "length" }] } });
  });
  test("a completion goes on as a chat does whose template ends where the text ends", async () => {
    const prompt = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nabc  ";
    const extra = { temperature: 0, max_tokens: 8, logit_bias: ENDLESS };
    const completion = await run(own, { task: "completion", model: "tiny", body: { ...extra, model: "tiny", prompt } });
    expect(completion.text).toBe((await say("abc  ", extra)).text);
  });
});

test("what a model thinks is told apart from what it answers", async () => {
  await Bun.write(
    path.join(folder, "thinker.gguf"),
    randomGguf({ template: "{{ messages[0].content }}{{ '</think><think>\n' }}" }),
  );
  const backend = embedded({ command, cacheDir: folder, models: [path.join(folder, "thinker.gguf")] });
  const listed = await backend.models(signal());
  expect(listed.ok && listed.value[0]?.features).toContain("reasoning");
  const { deltas, text } = await collect(backend, {
    model: "thinker",
    max_tokens: 8,
    logit_bias: ENDLESS,
    temperature: 0,
  });
  expect(text).toBe("");
  expect(deltas.map(({ reasoning_content }) => reasoning_content).join("")).not.toBe("");
  const none = await collect(backend, {
    model: "thinker",
    max_tokens: 8,
    logit_bias: ENDLESS,
    reasoning_effort: "none",
  });
  expect(none.text).not.toBe("");
  await backend.close();
});

test("no request ends the engine", async () => {
  const crashes: string[] = [];
  const backend = embedded({
    command,
    cacheDir: folder,
    models: [path.join(folder, "caller.gguf")],
    onCrash: (message) => void crashes.push(message),
  });
  const schema = (value: unknown) => ({
    response_format: { type: "json_schema", json_schema: { name: "x", schema: value } },
  });
  const nested = (depth: number): unknown =>
    depth === 0 ? { type: "null" } : { type: "array", items: nested(depth - 1), minItems: 1, maxItems: 1000 };
  const odd: Record<string, unknown>[] = [
    schema({ $ref: "#" }),
    schema({ anyOf: [{ $ref: "#" }, { type: "null" }] }),
    schema({ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } }),
    schema(nested(4)),
    schema(nested(400)),
    schema({ enum: ["", "\u0000", '"\\', "\ud800", "é😀\n\t\r\u2028"] }),
    schema({ type: "object", properties: { 'a\u0000\n"\\': { type: "null" } }, required: ['a\u0000\n"\\'] }),
    schema({ type: "string", minLength: 1000, maxLength: 1000 }),
    { messages: [{ role: "user", content: "\u0000\ud800<s></s><unk><0xFF>" }] },
    { temperature: 2, top_p: 0, top_k: 1, min_p: 1, seed: -1 },
    { temperature: 1e-30, top_k: 1_000_000, seed: 2 ** 60 },
    { logit_bias: Object.fromEntries(Array.from({ length: 300 }, (_, id) => [id, -100])) },
    { frequency_penalty: -2, presence_penalty: 2 },
    { stop: ["", "\u0000", "x".repeat(1024)] },
  ];
  for (const body of odd) {
    const { deltas } = await collect(backend, { model: "caller", max_tokens: 12, ...body });
    for (const { content } of deltas) expect(content?.isWellFormed()).toBe(true);
    expect([body, crashes]).toEqual([body, []]);
  }
  await backend.close();
});
