// Text completions and embeddings over the real server, as clients of OpenAI's API see them.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { LIMITS, type SimNode } from "../../jobs/testing/stage.ts";
import type { Delta } from "../../protocol/generation.ts";
import { type CoordinatorStage, coordinatorStage, eventsOf, until } from "../testing/coordinator-stage.ts";

let on: CoordinatorStage;
let node: SimNode;
beforeEach(async () => {
  on = await coordinatorStage();
  node = on.node(1, { slots: 8 });
});
afterEach(() => on[Symbol.asyncDispose]());

async function dispatched() {
  await until(() => node.attempts.size > 0);
  return node.last;
}
const dispatch = () => node.heard.findLast(({ type }) => type === "dispatch") as Record<string, unknown> | undefined;
function say(...deltas: Delta[]): void {
  const { last } = node;
  const wrong = on.jobs.listener.delta(node.node!, { type: "delta", attempt: last.id, offset: last.sent, deltas });
  if (wrong) throw new Error(wrong);
  last.made = last.sent += deltas.length;
}

describe("completions", () => {
  const ask = (over: object = {}) => on.call("/v1/completions", { body: { model: "m", prompt: "once", ...over } });

  test("a whole one is OpenAI's text_completion, and the node is told the task", async () => {
    const asked = ask({ prompt: ["once"], seed: 7 });
    await dispatched();
    expect(dispatch()).toMatchObject({ task: "completion", body: { prompt: "once", seed: 7 } });
    say({ content: " upon" }, { content: " a time" });
    node.end(node.last, {
      finish: [{ index: 0, reason: "length" }],
      usage: { prompt_tokens: 1, completion_tokens: 3 },
    });
    const response = await asked;
    expect(await response.json()).toEqual({
      id: `cmpl-${response.headers.get("x-infernet-job")}`,
      object: "text_completion",
      created: Math.floor(on.clock.nowMs() / 1000),
      model: "m",
      choices: [{ index: 0, text: " upon a time", logprobs: null, finish_reason: "length" }],
      usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 },
    });
  });

  test("a stream has chunks of text, and goes on at another node that need not know how to continue a chat", async () => {
    const asked = ask({ stream: true, stream_options: { include_usage: true } });
    await dispatched();
    say({ content: "0;" }, { content: "1;" });
    const response = await asked;
    const other = on.node(2, { slots: 8 });
    node.crash();
    expect(other.heard.findLast(({ type }) => type === "dispatch")).toMatchObject({
      answered: "0;1;",
      task: "completion",
    });
    other.stream(other.last, 1);
    other.end(other.last);
    const chunks = (await eventsOf(response)).map(({ data }) => data) as {
      choices: { text: string; finish_reason: string | null }[];
    }[];
    expect(chunks.pop() as unknown).toBe("[DONE]");
    expect(chunks.flatMap(({ choices }) => choices.map(({ text, finish_reason }) => [text, finish_reason]))).toEqual([
      ["0;", null],
      ["1;", null],
      ["2;", null],
      ["", "stop"],
    ]);
  });

  test.each([{ echo: true }, { suffix: "the end" }])(
    "%j: what cannot go on from its middle is not continued",
    async (over) => {
      const asked = ask({ stream: true, ...over });
      await dispatched();
      say({ content: "once" });
      const response = await asked;
      const other = on.node(2, { slots: 8 });
      node.crash();
      on.clock.advance(60_000);
      expect((await eventsOf(response)).at(-1)?.data).toMatchObject({ error: { code: "node_lost" } });
      expect(other.heardOf("dispatch")).toEqual([]);
    },
  );

  test.each([
    [{ prompt: "" }, "prompt"],
    [{ prompt: ["a", "b"] }, "prompt"],
    [{ prompt: [1, 2] }, "prompt"],
    [{ prompt: undefined }, "prompt"],
    [{ logprobs: true }, "logprobs"],
    [{ max_tokens: 0 }, "max_tokens"],
  ])("%#: what is out of bounds is 400 and names the field", async (over, param) => {
    const response = await ask(over);
    expect([response.status, ((await response.json()) as { error: { param: string } }).error.param]).toEqual([
      400,
      param,
    ]);
  });
});

describe("embeddings", () => {
  const ask = (over: object = {}) => on.call("/v1/embeddings", { body: { model: "m", input: ["a", "b"], ...over } });
  const vector = (...values: number[]) => Buffer.from(new Float32Array(values).buffer).toString("base64");
  /** The only node gives this answer each time that it is asked. */
  async function triedOften(...deltas: Delta[]): Promise<void> {
    for (let attempt = 1; attempt <= LIMITS.maxAttempts; attempt++) {
      await dispatched();
      const { last } = node;
      say(...deltas);
      if (!last.cancelled) node.end(last, { finish: [] });
      node.attempts.delete(last.id);
      on.clock.advance(10_000);
    }
  }

  test("each input has its vector, in order, as numbers", async () => {
    const asked = ask();
    await dispatched();
    expect(dispatch()).toMatchObject({ task: "embedding", body: { input: ["a", "b"] } });
    say({ index: 1, embedding: vector(0.5, -2) }, { index: 0, embedding: vector(1, 0.25) });
    node.end(node.last, { finish: [], usage: { prompt_tokens: 2, completion_tokens: 0 } });
    expect(await (await asked).json()).toEqual({
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [1, 0.25] },
        { object: "embedding", index: 1, embedding: [0.5, -2] },
      ],
      model: "m",
      usage: { prompt_tokens: 2, total_tokens: 2 },
    });
  });

  test("or as base64, where that was asked for", async () => {
    const asked = ask({ input: "a", encoding_format: "base64" });
    await dispatched();
    say({ embedding: vector(1) });
    node.end(node.last, { finish: [] });
    expect(await (await asked).json()).toMatchObject({ data: [{ index: 0, embedding: vector(1) }] });
  });

  test.each([[[]], [[Number.NaN, 1]], [[Number.POSITIVE_INFINITY]]])(
    "%j is no vector, and the node's failure",
    async (values) => {
      const asked = ask({ input: "a" });
      await triedOften({ embedding: vector(...values) });
      expect((await asked).status).toBe(502);
    },
  );

  test("an input without its vector is the node's failure, of which nothing is used", async () => {
    const asked = ask();
    await triedOften({ index: 0, embedding: vector(1) });
    const response = await asked;
    expect(response.status).toBe(502);
    const job = await on.call(`/api/v1/jobs/${response.headers.get("x-infernet-job")}`);
    expect(await job.json()).toMatchObject({ status: "failed", usage: { total_tokens: 0 } });
  });

  test("text in the place of vectors is the node's failure too, past the bound or not", async () => {
    const asked = ask();
    await triedOften({ content: "a" }, { content: "b" }, { content: "c" });
    expect((await asked).status).toBe(502);
  });

  test("another node answers what one did not", async () => {
    const asked = ask({ input: "a" });
    await dispatched();
    const other = on.node(2, { slots: 8 });
    node.end(node.last, { finish: [] });
    await until(() => other.attempts.size > 0);
    const { id: attempt } = other.last;
    const deltas = [{ embedding: vector(1) }];
    on.jobs.listener.delta(other.node!, { type: "delta", attempt, offset: 0, deltas });
    other.last.made = other.last.sent = 1;
    other.end(other.last, { finish: [] });
    expect((await asked).status).toBe(200);
  });

  test.each([
    [{ input: "" }, "input"],
    [{ input: [] }, "input"],
    [{ input: Array(2049).fill("a") }, "input"],
    [{ input: [1.5] }, "input"],
    [{ encoding_format: "int8" }, "encoding_format"],
    [{ dimensions: 0 }, "dimensions"],
  ])("%#: what is out of bounds is 400 and names the field", async (over, param) => {
    const response = await ask(over);
    expect([response.status, ((await response.json()) as { error: { param: string } }).error.param]).toEqual([
      400,
      param,
    ]);
  });
});
