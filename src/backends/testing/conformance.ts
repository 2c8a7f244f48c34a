// Conformance: what every backend must do alike, as one list of tests that an adapter is put through, so that a client
// cannot tell one from another.
import { describe, expect, test } from "bun:test";
import type { Delta } from "../../protocol/generation.ts";
import type { Backend, BackendError, GenerateEnd, GenerateRequest } from "../backend.ts";
import { textOf } from "./collect.ts";

export type Subject = {
  backend: Backend;
  /** A model that answers `question` with several words, the same at temperature 0. */
  model: string;
  question: string;
  /** Goes on as the answer to `question` does. */
  prompt: string;
  contextLength: number;
  /** A model that embeds. */
  embedder: string;
};

type Extra = Record<string, unknown>;
type Seen = { deltas: Delta[]; text: string; end: GenerateEnd | null; error: BackendError | null };

/** `subject` is asked at each test, so that it may be made beforehand. */
export function conformance(name: string, subject: () => Subject): void {
  const run = async (request: GenerateRequest, signal?: AbortSignal, onDelta?: () => void): Promise<Seen> => {
    const deltas: Delta[] = [];
    const emit = (delta: Delta) => {
      deltas.push(structuredClone(delta));
      onDelta?.();
      return undefined;
    };
    const result = await subject().backend.generate(request, emit, signal ?? new AbortController().signal);
    const text = textOf(deltas);
    return result.ok
      ? { deltas, text, end: result.value, error: null }
      : { deltas, text, end: null, error: result.error };
  };
  const chat = async (extra: Extra = {}, signal?: AbortSignal, onDelta?: () => void) => {
    const { model, question } = subject();
    const messages = [{ role: "user", content: question }];
    return await run({ task: "chat", model, body: { temperature: 0, messages, ...extra, model } }, signal, onDelta);
  };
  const complete = async (extra: Extra = {}) => {
    const { model, prompt } = subject();
    return await run({ task: "completion", model, body: { temperature: 0, prompt, ...extra, model } });
  };
  const embed = async (input: string | string[], extra: Extra = {}) => {
    const { embedder: model } = subject();
    return await run({ task: "embedding", model, body: { ...extra, input, model } });
  };
  const codeOf = async (seen: Promise<Seen>) => (await seen).error?.code ?? "ok";
  const tooLong = () => "word ".repeat(subject().contextLength * 2);

  describe(`${name}: models`, () => {
    test("the model is listed with what it takes and does", async () => {
      const { backend, model, contextLength, embedder } = subject();
      const listed = await backend.models(new AbortController().signal);
      if (!listed.ok) throw new Error(listed.error.message);
      expect(listed.value.find((entry) => entry.name === model)).toMatchObject({
        contextLength,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        tasks: expect.arrayContaining(["chat", "completion"]),
        features: expect.arrayContaining(["json", "logprobs"]),
      });
      expect(listed.value.some((entry) => entry.name === embedder)).toBe(true);
      expect(backend.continues).toBe(true);
    });
    test("an unknown one is said to be unknown", async () => {
      const body = { model: "nowhere", messages: [{ role: "user", content: "hi" }] };
      expect(await codeOf(run({ task: "chat", model: "nowhere", body }))).toBe("model_not_found");
    });
  });

  describe(`${name}: chat`, () => {
    test("an answer streams to its end, with usage", async () => {
      const { deltas, text, end } = await chat();
      expect(deltas.length).toBeGreaterThan(0);
      expect(text.trim().split(/\s+/).length).toBeGreaterThan(3);
      expect(end?.finish).toEqual([{ index: 0, reason: "stop" }]);
      expect(end?.usage?.prompt_tokens).toBeGreaterThan(0);
      expect(end?.usage?.completion_tokens).toBeGreaterThan(0);
      expect((await chat()).text).toBe(text);
    });
    test("max_tokens is kept exactly, and ends with length", async () => {
      const whole = await chat();
      for (const limit of [1, 3]) {
        const { text, end } = await chat({ max_tokens: limit });
        expect(whole.text.startsWith(text)).toBe(true);
        expect(end).toMatchObject({ finish: [{ reason: "length" }], usage: { completion_tokens: limit } });
      }
    });
    test("a stop string ends the text before it", async () => {
      const { text } = await chat();
      const word = text.trim().split(/\s+/)[2] ?? "";
      const stopped = await chat({ stop: [word] });
      expect(stopped.text).toBe(text.slice(0, text.indexOf(word)));
      expect(stopped.end?.finish).toEqual([{ index: 0, reason: "stop" }]);
    });
    test("n choices are told apart, the prompt counted once", async () => {
      const one = await chat({ max_tokens: 2 });
      const { deltas, end } = await chat({ max_tokens: 2, n: 2, seed: 1 });
      expect(textOf(deltas, 1)).toBe(one.text);
      expect(end?.finish).toEqual([
        { index: 0, reason: "length" },
        { index: 1, reason: "length" },
      ]);
      expect(end?.usage).toEqual({ prompt_tokens: one.end?.usage?.prompt_tokens ?? -1, completion_tokens: 4 });
    });
    test("logprobs stand beside their text", async () => {
      const { deltas, text } = await chat({ max_tokens: 3, logprobs: true, top_logprobs: 2 });
      const entries = deltas.flatMap(
        ({ logprobs }) =>
          (logprobs as { content: { token: string; logprob: number; top_logprobs: unknown[] }[] }).content,
      );
      expect(entries.map(({ token }) => token).join("")).toBe(text);
      for (const { logprob, top_logprobs: top } of entries) {
        expect(logprob).toBeLessThanOrEqual(0);
        expect(top).toHaveLength(2);
      }
    });
    test("response_format holds the answer to its schema", async () => {
      const schema = {
        type: "object",
        properties: { ok: { type: "boolean" }, kind: { enum: ["a", "b"] } },
        required: ["ok", "kind"],
        additionalProperties: false,
      };
      const { text } = await chat({ response_format: { type: "json_schema", json_schema: { name: "x", schema } } });
      expect(JSON.parse(text)).toEqual({ ok: expect.any(Boolean), kind: expect.stringMatching(/^[ab]$/) });
    });
    test("an unfinished answer is gone on with, to the same end, from every space", async () => {
      const { model, question } = subject();
      const { text } = await chat();
      const cuts = [...text.matchAll(/ /g)].map(({ index }) => index);
      expect(cuts.length).toBeGreaterThan(2);
      for (const cut of cuts) {
        const messages = [
          { role: "user", content: question },
          { role: "assistant", content: text.slice(0, cut) },
        ];
        const rest = await run({ task: "chat", model, body: { model, messages, temperature: 0 } });
        expect(text.slice(0, cut) + rest.text).toBe(text);
      }
    });
    test("what goes on from the same text is the same, wherever it was cut", async () => {
      const { text } = await chat();
      const { model, question } = subject();
      for (const end of ["", " ", "\n", "\n  "]) {
        for (const cut of [1, 5, 11].map((at) => Math.min(at, text.length - 1))) {
          const begun = { role: "assistant", content: text.slice(0, cut) + end };
          const messages = [{ role: "user", content: question }, begun];
          const body = { model, messages, temperature: 0, max_tokens: 8 };
          const [one, two] = [await run({ task: "chat", model, body }), await run({ task: "chat", model, body })];
          expect(two.text).toBe(one.text);
          expect(one.end?.usage?.completion_tokens).toBeLessThanOrEqual(8);
        }
      }
    });
  });

  describe(`${name}: completion`, () => {
    test("the prompt is gone on with as it is", async () => {
      const { text, end } = await complete();
      expect(text).toBe((await chat()).text);
      expect(end?.finish).toEqual([{ index: 0, reason: "stop" }]);
      expect(end?.usage?.completion_tokens).toBeGreaterThan(0);
    });
    test("logprobs have the older form", async () => {
      const { deltas, text } = await complete({ max_tokens: 3, logprobs: 1 });
      const lists = deltas.map(({ logprobs }) => logprobs as Record<string, unknown[]>);
      expect(lists.flatMap(({ tokens }) => tokens).join("")).toBe(text);
      expect(lists.flatMap(({ text_offset: offset }) => offset)[0]).toBe(0);
      expect(lists.every(({ token_logprobs: list }) => list?.every((value) => typeof value === "number"))).toBe(true);
    });
    test("an empty prompt, an echo and a best_of are refused", async () => {
      for (const extra of [{ prompt: "" }, { echo: true }, { best_of: 3 }])
        expect(await codeOf(complete(extra))).toBe("invalid_request");
    });
  });

  describe(`${name}: embedding`, () => {
    test("each input has its vector, in order, of length 1", async () => {
      const { deltas, end } = await embed(["one text", "another"]);
      expect(deltas.map(({ index = 0 }) => index)).toEqual([0, 1]);
      for (const { embedding } of deltas) expect(Math.hypot(...vectorOf(embedding))).toBeCloseTo(1, 3);
      expect(end?.usage?.completion_tokens).toBe(0);
      expect(end?.usage?.prompt_tokens).toBeGreaterThan(1);
      expect(deltas[1]?.embedding).not.toBe(deltas[0]?.embedding);
      const alone = vectorOf((await embed("another")).deltas[0]?.embedding);
      for (const [i, value] of vectorOf(deltas[1]?.embedding).entries()) expect(value).toBeCloseTo(alone[i] ?? 9, 3);
    });
    test("fewer dimensions where asked for", async () => {
      const { deltas } = await embed("one text", { dimensions: 4 });
      expect(vectorOf(deltas[0]?.embedding)).toHaveLength(4);
      expect(await codeOf(embed("one text", { dimensions: 0 }))).toBe("invalid_request");
    });
    test("one text that is too long fails all, before anything came", async () => {
      const { deltas, error } = await embed(["short", tooLong()]);
      expect(error).toMatchObject({ code: "context_length_exceeded", contextLength: subject().contextLength });
      expect(deltas).toEqual([]);
    });
  });

  describe(`${name}: refusals and cancelling`, () => {
    test("a prompt beyond the context is refused with its length, and nothing came", async () => {
      const content = tooLong();
      for (const seen of [chat({ messages: [{ role: "user", content }] }), complete({ prompt: content })]) {
        const { error, deltas } = await seen;
        expect(error).toMatchObject({ code: "context_length_exceeded", contextLength: subject().contextLength });
        expect(deltas).toEqual([]);
      }
    });
    test("what the model cannot do is refused, not passed over", async () => {
      const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
      const tools = [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }];
      const wrong: Extra[] = [
        { messages: [{ role: "user", content: [image] }] },
        { messages: [] },
        { tools },
        { n: 99 },
        { temperature: "hot" },
        { response_format: { type: "xml" } },
        { logprobs: true, top_logprobs: 99 },
      ];
      for (const extra of wrong) expect([extra, await codeOf(chat(extra))]).toEqual([extra, "invalid_request"]);
    });
    test("an abort ends it at once, and the next request is served", async () => {
      for (let round = 0; round < 3; round++) {
        const abort = new AbortController();
        const { error } = await chat({}, abort.signal, () => abort.abort());
        expect(error?.code).toBe("aborted");
      }
      expect(await codeOf(chat({}, AbortSignal.abort()))).toBe("aborted");
      expect((await chat({ max_tokens: 1 })).error).toBeNull();
    });
  });
}

function vectorOf(embedding: string | undefined): number[] {
  const bytes = Buffer.from(embedding ?? "", "base64");
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
}
