// The real engine in its real child process: the demo model for answers, a generated random one for length and bytes.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { manualClock } from "../../lib/clock.ts";
import { collect, textOf } from "../testing/collect.ts";
import { DEMO_MODEL, demoModelSource } from "./demo-model.ts";
import { type EmbeddedBackend, embedded } from "./embedded.ts";
import { randomGguf } from "./testing/random-gguf.ts";

const command = [process.execPath, path.join(import.meta.dir, "testing/engine-entry.ts")];
let folder = "";
let demo: EmbeddedBackend;
let random: EmbeddedBackend;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "infernet-embedded-"));
  await Bun.write(path.join(folder, "tiny.gguf"), randomGguf());
  demo = embedded({ command, cacheDir: folder });
  random = embedded({ command, cacheDir: folder, models: [path.join(folder, "tiny.gguf")] });
});
afterAll(async () => {
  await demo.close();
  await random.close();
  await rm(folder, { recursive: true, force: true });
});

const ask = (content: string, extra: Record<string, unknown> = {}) =>
  collect(demo, { model: DEMO_MODEL.name, messages: [{ role: "user", content }], ...extra });
/** Nonsense that goes on: no end token is ever chosen. */
const babble = (extra: Record<string, unknown> = {}, options: Parameters<typeof collect>[2] = {}) =>
  collect(random, { model: "tiny", temperature: 0, logit_bias: { 2: -100, 4: -100 }, ...extra }, options);

const ANSWER =
  "Infernet joins the machines you already have into one inference service. A coordinator offers one OpenAI-compatible address, and nodes on your machines run the models.";

describe("listing", () => {
  test("the demo model is listed, and said to be one, without starting the engine", async () => {
    const backend = embedded({ command: ["/nowhere"] });
    expect(await backend.models(new AbortController().signal)).toEqual({
      ok: true,
      value: [
        {
          name: "infernet-demo",
          contextLength: 512,
          digest: DEMO_MODEL.sha256,
          loaded: false,
          quantization: "Q8_0",
          demo: true,
          tasks: ["chat", "completion", "embedding"],
          features: ["json", "logprobs"],
        },
      ],
    });
    expect(backend.enginePid()).toBeNull();
  });

  test("the shipped file is the one the constants describe", async () => {
    const bytes = await Bun.file(demoModelSource).bytes();
    expect(bytes.length).toBe(DEMO_MODEL.bytes);
    expect(new Bun.CryptoHasher("sha256").update(bytes).digest("hex")).toBe(DEMO_MODEL.sha256);
  });

  test("the user's own file is named after itself and offers no more than it was trained for", async () => {
    expect(await random.models(new AbortController().signal)).toMatchObject({
      ok: true,
      value: [{ name: "tiny", contextLength: 512, quantization: "F16", demo: false }],
    });
  });

  test("a missing file and a file of another kind are errors that name it", async () => {
    await Bun.write(path.join(folder, "not.gguf"), "hello, this is no model at all");
    for (const name of ["gone.gguf", "not.gguf"]) {
      const listed = await embedded({ models: [path.join(folder, name)] }).models(new AbortController().signal);
      if (listed.ok) throw new Error("listed");
      expect(listed.error.message).toContain(name);
    }
  });
});

describe("generation", () => {
  test("the demo model answers a question about infernet, with usage", async () => {
    const { text, deltas, result } = await ask("What is infernet?");
    expect(text).toBe(ANSWER);
    expect(deltas.length).toBeGreaterThan(10);
    if (!result.ok) throw new Error(result.error.message);
    expect(result.value.finish).toEqual([{ index: 0, reason: "stop" }]);
    expect(result.value.usage?.prompt_tokens).toBeGreaterThan(5);
    // No claim above what was relayed: every token has at least one byte.
    expect(result.value.usage?.completion_tokens).toBeLessThanOrEqual(ANSWER.length);
  });

  test("max_tokens is exact and ends with length", async () => {
    for (const key of ["max_tokens", "max_completion_tokens"]) {
      const { result } = await babble({ [key]: 7 });
      expect(result).toMatchObject({
        ok: true,
        value: { finish: [{ index: 0, reason: "length" }], usage: { completion_tokens: 7 } },
      });
    }
  });

  test("a stop string ends the text before it, wherever the tokens fall", async () => {
    const { text, result } = await ask("What is infernet?", { stop: ["into one", "never"] });
    expect(text).toBe(ANSWER.slice(0, ANSWER.indexOf("into one")));
    expect(result).toMatchObject({ ok: true, value: { finish: [{ reason: "stop" }] } });
  });

  test("the same seed gives the same text, another seed another", async () => {
    const run = async (seed: number) => (await babble({ temperature: 1.5, seed, max_tokens: 24 })).text;
    const [a, b, c] = [await run(5), await run(5), await run(6)];
    expect(a).toBe(b);
    expect(a).not.toBe(c);
  });

  test("n choices come one after another, each with its end", async () => {
    const { deltas, result } = await babble({ n: 2, temperature: 1, seed: 1, max_tokens: 5 });
    expect(textOf(deltas, 1)).not.toBe("");
    expect(result).toMatchObject({
      ok: true,
      value: { finish: [{ index: 0 }, { index: 1 }], usage: { completion_tokens: 10 } },
    });
  });

  test("every delta is whole text, whatever bytes the model makes", async () => {
    const { deltas, text } = await babble({ temperature: 2, seed: 3, max_tokens: 200 });
    expect(text.length).toBeGreaterThan(20);
    for (const delta of deltas) expect(delta.content?.isWellFormed()).toBe(true);
  });

  test("two requests at once give what each gives alone", async () => {
    const questions = ["What is infernet?", "Do I need a GPU?", "Is it free?"];
    const alone: string[] = [];
    for (const question of questions) alone.push((await ask(question)).text);
    const together = await Promise.all(questions.map(async (question) => (await ask(question)).text));
    expect(together).toEqual(alone);
  });

  test("an unfinished answer is gone on with, to the same end", async () => {
    const words = ANSWER.split(" ");
    let agreed = 0;
    for (let cut = 1; cut < words.length; cut++) {
      const half = words.slice(0, cut).join(" ");
      const messages = [
        { role: "user", content: "What is infernet?" },
        { role: "assistant", content: half },
      ];
      const { text } = await ask("", { messages });
      if (half + text === ANSWER) agreed++;
    }
    // Tokens never cross a space here, so every cut at one is a cut between tokens.
    expect(agreed).toBe(words.length - 1);
  });
});

describe("refusals", () => {
  const code = async (extra: Record<string, unknown>) => {
    const { result } = await babble(extra);
    return result.ok ? "ok" : result.error.code;
  };
  test("a prompt beyond the context is refused with both numbers", async () => {
    const { result } = await ask("word ".repeat(600));
    if (result.ok) throw new Error("taken");
    expect(result.error.code).toBe("context_length_exceeded");
    expect(result.error.message).toMatch(
      /^This model's maximum context length is 512 tokens\. However, .* \d{3,} tokens\.$/,
    );
  });
  test("wrong sampling values, pictures and unknown models", async () => {
    expect(await code({ temperature: 9 })).toBe("invalid_request");
    expect(await code({ n: 1.5 })).toBe("invalid_request");
    expect(await code({ stop: 5 })).toBe("invalid_request");
    expect(await code({ response_format: { type: "xml" } })).toBe("invalid_request");
    expect(await code({ messages: [] })).toBe("invalid_request");
    expect(
      await code({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] }),
    ).toBe("invalid_request");
    expect(await code({ model: "other" })).toBe("model_not_found");
  });
});

describe("cancel, back-pressure, crash", () => {
  test("an abort ends it, and the slot is free for the next", async () => {
    for (let round = 0; round < 5; round++) {
      const abort = new AbortController();
      const { result } = await babble(
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
    }
    expect((await babble({ max_tokens: 2 })).result.ok).toBe(true);
  });

  test("the engine makes no more while the reader is behind", async () => {
    const held = Promise.withResolvers<void>();
    let count = 0;
    const first = Promise.withResolvers<void>();
    const run = babble(
      { max_tokens: 300 },
      {
        onDelta: () => {
          count++;
          first.resolve();
          return held.promise;
        },
      },
    );
    await first.promise;
    // Another request runs to its end meanwhile: what is held does not hold the engine.
    expect((await babble({ max_tokens: 100 })).result.ok).toBe(true);
    expect(count).toBeLessThan(80);
    held.resolve();
    expect((await run).result).toMatchObject({ ok: true, value: { usage: { completion_tokens: 300 } } });
  });

  test("a killed engine fails what runs and starts again; the next crash waits", async () => {
    const clock = manualClock();
    const crashes: string[] = [];
    const backend = embedded({
      command,
      cacheDir: folder,
      models: [path.join(folder, "tiny.gguf")],
      clock,
      onCrash: (message) => void crashes.push(message),
    });
    const killed = () =>
      collect(
        backend,
        { model: "tiny", logit_bias: { 2: -100, 4: -100 } },
        {
          onDelta: () => {
            const pid = backend.enginePid();
            if (pid !== null) process.kill(pid, "SIGKILL");
            return undefined;
          },
        },
      );
    expect((await killed()).result).toMatchObject({ ok: false, error: { code: "backend_failed" } });
    expect((await killed()).result).toMatchObject({ ok: false, error: { code: "backend_failed" } });
    expect(crashes).toHaveLength(2);
    const waiting = await collect(backend, { model: "tiny", max_tokens: 1 });
    expect(waiting.result).toMatchObject({ ok: false, error: { code: "backend_unreachable" } });
    clock.advance(1000);
    expect((await collect(backend, { model: "tiny", max_tokens: 1 })).result.ok).toBe(true);
    await backend.close();
  });

  test("an engine that cannot be started fails the request and not the node", async () => {
    const backend = embedded({ command: ["/nowhere/infernet", "engine"], cacheDir: folder });
    const { result } = await collect(backend, { model: DEMO_MODEL.name });
    expect(result).toMatchObject({ ok: false, error: { code: "backend_failed" } });
    await backend.close();
  });

  test("it starts although the folder this process was started in is gone", async () => {
    const before = process.cwd();
    const gone = await mkdtemp(path.join(os.tmpdir(), "infernet-gone-"));
    const backend = embedded({ command, cacheDir: folder });
    try {
      process.chdir(gone);
      await rm(gone, { recursive: true });
      const { result } = await collect(backend, { model: DEMO_MODEL.name, max_tokens: 1 });
      expect(result).toMatchObject({ ok: true });
    } finally {
      process.chdir(before);
      await backend.close();
    }
  });

  test("the engine does not outlive a killed parent", async () => {
    const parent = Bun.spawn([process.execPath, path.join(import.meta.dir, "testing/parent.ts"), ...command], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = parent.stdout.getReader();
    const { value } = await reader.read();
    const pid = Number(new TextDecoder().decode(value));
    expect(pid).toBeGreaterThan(1);
    parent.kill("SIGKILL");
    await parent.exited;
    // The engine holds the other end of this pipe: it ends when the engine is gone, and never otherwise.
    const { done } = await reader.read();
    expect(done).toBe(true);
  });
});
