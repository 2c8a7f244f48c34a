// Chat completions over the real server: what clients of OpenAI's API see.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { LIMITS, type SimNode } from "../../jobs/testing/stage.ts";
import type { Delta } from "../../protocol/generation.ts";
import { type CoordinatorStage, coordinatorStage, eventsIn, eventsOf, until } from "../testing/coordinator-stage.ts";

let on: CoordinatorStage;
let node: SimNode;
beforeEach(async () => {
  on = await coordinatorStage();
  node = on.node(1, { slots: 8 });
});
afterEach(() => on[Symbol.asyncDispose]());

const messages = [{ role: "user", content: "hello" }];
const ask = (over: object = {}, init: { signal?: AbortSignal } = {}) =>
  on.call("/v1/chat/completions", { body: { model: "m", messages, ...over }, ...init });
async function dispatched(count = 1) {
  await until(() => node.attempts.size >= count);
  return node.last;
}
/** Sends deltas of any kind for the node's last attempt. */
function say(...deltas: Delta[]): void {
  const { last } = node;
  const wrong = on.jobs.listener.delta(node.node!, { type: "delta", attempt: last.id, offset: last.sent, deltas });
  if (wrong) throw new Error(wrong);
  last.made = last.sent += deltas.length;
}
type Chunk = {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: { index: number; delta: Record<string, unknown>; logprobs?: unknown; finish_reason: string | null }[];
  usage?: object | null;
};
const chunksOf = (events: { data: unknown }[]) =>
  events.flatMap(({ data }) => (typeof data === "object" ? [data as Chunk] : []));

describe("as a stream", () => {
  test("every chunk has the same head, the role comes first, the finish last, then [DONE]", async () => {
    const asked = ask({ stream: true });
    await dispatched();
    say({ content: "he" });
    const response = await asked;
    say({ content: "llo" }, { content: ' "\n\u2028€' });
    node.end(node.last);
    const events = await eventsOf(response);
    expect(events.at(-1)?.data).toBe("[DONE]");
    const chunks = chunksOf(events);
    const job = response.headers.get("x-infernet-job");
    const created = Math.floor(on.clock.nowMs() / 1000);
    for (const chunk of chunks) {
      expect(chunk).toMatchObject({ id: `chatcmpl-${job}`, object: "chat.completion.chunk", created, model: "m" });
      expect("usage" in chunk).toBe(false);
    }
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }],
      [{ index: 0, delta: { content: "he" }, finish_reason: null }],
      [{ index: 0, delta: { content: "llo" }, finish_reason: null }],
      [{ index: 0, delta: { content: ' "\n\u2028€' }, finish_reason: null }],
      [{ index: 0, delta: {}, finish_reason: "stop" }],
    ]);
    expect([
      response.headers.get("content-type"),
      response.headers.get("x-infernet-node"),
      response.headers.get("x-infernet-attempts"),
    ]).toEqual(["text/event-stream; charset=utf-8", node.pubkey, "1"]);
  });

  test("with include_usage all chunks carry null, and one last one no choices and the usage", async () => {
    const asked = ask({ stream: true, stream_options: { include_usage: true } });
    await dispatched();
    say({ content: "hi" });
    node.end(node.last, { usage: { prompt_tokens: 4, completion_tokens: 2 } });
    const chunks = chunksOf(await eventsOf(await asked));
    const last = chunks.pop();
    expect(chunks.map(({ usage }) => usage)).toEqual([null, null, null]);
    expect(last).toMatchObject({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 } });
    expect(last?.id).toBe(chunks[0]?.id as string);
  });

  test("a failure in mid-stream is an error with all four fields, and no [DONE]", async () => {
    const asked = ask({ stream: true });
    await dispatched();
    say({ content: "hi" });
    const response = await asked;
    node.fail(node.last, "backend_failed");
    const events = await eventsOf(response);
    expect(events.at(-1)?.data).toEqual({
      error: { message: "backend_failed", type: "server_error", param: null, code: "backend_failed" },
    });
    expect(events.some(({ data }) => data === "[DONE]")).toBe(false);
  });

  test("tool calls come in fragments with their index, and the choices of n apart", async () => {
    const asked = ask({ stream: true, n: 2 });
    await dispatched();
    say(
      { tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "" } }] },
      { index: 1, content: "x", logprobs: { content: [{ token: "x" }] } },
      { tool_calls: [{ index: 0, function: { arguments: '{"q":1}' } }] },
      { reasoning_content: "hm" },
    );
    node.end(node.last, {
      finish: [
        { index: 0, reason: "tool_calls" },
        { index: 1, reason: "length" },
      ],
    });
    const choices = chunksOf(await eventsOf(await asked)).flatMap((chunk) => chunk.choices);
    expect(choices).toEqual([
      { index: 0, delta: { role: "assistant", content: "" }, finish_reason: null },
      {
        index: 0,
        delta: { tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "" } }] },
        finish_reason: null,
      },
      { index: 1, delta: { role: "assistant", content: "" }, finish_reason: null },
      { index: 1, delta: { content: "x" }, logprobs: { content: [{ token: "x" }] }, finish_reason: null },
      { index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '{"q":1}' } }] }, finish_reason: null },
      { index: 0, delta: { reasoning_content: "hm" }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: "tool_calls" },
      { index: 1, delta: {}, finish_reason: "length" },
    ]);
  });

  test("an answer without a word is still a whole stream", async () => {
    const asked = ask({ stream: true });
    await dispatched();
    node.end(node.last);
    const chunks = chunksOf(await eventsOf(await asked));
    expect(chunks.map(({ choices }) => [choices[0]?.delta, choices[0]?.finish_reason])).toEqual([
      [{ role: "assistant", content: "" }, null],
      [{ content: "" }, null],
      [{}, "stop"],
    ]);
  });

  test("headers wait for the first piece, so that a refusal has its status", async () => {
    const asked = ask({ stream: true });
    await dispatched();
    node.fail(node.last, "invalid_request");
    const response = await asked;
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: { message: "invalid_request", type: "invalid_request_error", param: null, code: "invalid_request" } },
    ]);
    expect(response.headers.get("x-infernet-job")).toBeString();
  });

  test("but no longer than ten seconds; then comments keep the connection, and a refusal comes as an event", async () => {
    const asked = ask({ stream: true });
    await dispatched();
    node.accept(node.last);
    on.clock.advance(10_000);
    const response = await asked;
    expect([response.status, response.headers.get("x-infernet-attempts")]).toEqual([200, "1"]);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "";
    const read = async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) heard += next.value;
    };
    const end = read();
    await until(() => heard === ": waiting\n\n");
    const nowMs = on.clock.nowMs() + 20_000;
    for (const stream of on.streams) stream.keepAlive(nowMs, nowMs - 10_000);
    await until(() => heard.endsWith(": keep-alive\n\n"));
    for (const stream of on.streams) stream.keepAlive(nowMs + 1, nowMs - 10_000);
    node.fail(node.last, "invalid_request");
    await end;
    expect(heard.split("keep-alive").length).toBe(2);
    expect(eventsIn(heard)).toMatchObject([{ data: { error: { code: "invalid_request" } } }]);
    expect(on.streams.size).toBe(0);
  });

  test("a job whose headers are out is not displaced from the queue", async () => {
    const running = Array.from({ length: 8 }, () => ask());
    await dispatched(8);
    for (const attempt of node.attempts.values()) node.accept(attempt);
    const waiting: Promise<Response>[] = [];
    for (let i = 1; i <= LIMITS.queueLimit; i++) {
      waiting.push(ask({ stream: true }));
      await until(() => on.jobs.queued() === i);
    }
    const other = () =>
      on.call("/v1/chat/completions", {
        body: { model: "m", messages, stream: true },
        headers: { authorization: `Bearer ${on.otherKey}` },
      });
    const first = other();
    const displaced = await waiting.pop();
    expect([displaced?.status, displaced?.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await displaced?.json()).toMatchObject({
      error: { type: "rate_limit_error", code: "queue_full", param: null },
    });
    on.clock.advance(10_000);
    expect((await Promise.all([...waiting, first])).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await other()).status).toBe(429);
    const drained = on.jobs.drain(0);
    on.clock.advance(1);
    await drained;
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual(Array(8).fill(503));
  });

  test("a client that leaves cancels its job down to the node", async () => {
    const gone = new AbortController();
    const asked = ask({ stream: true }, { signal: gone.signal });
    await dispatched();
    const { id } = node.last;
    say({ content: "hi" });
    await (await asked).body?.getReader().read();
    gone.abort();
    await until(() => node.heardOf("cancel").length > 0);
    expect([node.heardOf("cancel"), on.ended[0]?.error?.code]).toEqual([[id], "client_gone"]);
  });
});

describe("as a whole", () => {
  test("is OpenAI's chat.completion, with the usage", async () => {
    const asked = ask();
    await dispatched();
    node.stream(node.last, 2);
    node.end(node.last);
    const response = await asked;
    expect(await response.json()).toEqual({
      id: `chatcmpl-${response.headers.get("x-infernet-job")}`,
      object: "chat.completion",
      created: Math.floor(on.clock.nowMs() / 1000),
      model: "m",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "0;1;", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
  });

  test("starts over on another node when its own is lost in the middle, and the lost part is not in it", async () => {
    const asked = ask();
    await dispatched();
    node.stream(node.last, 5);
    const other = on.node(2);
    node.lose();
    other.stream(other.last, 1);
    other.end(other.last);
    const response = await asked;
    expect([response.headers.get("x-infernet-attempts"), response.headers.get("x-infernet-node")]).toEqual([
      "2",
      other.pubkey,
    ]);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: "0;" } }] });
  });

  test("a client that leaves cancels it too", async () => {
    const gone = new AbortController();
    const asked = ask({}, { signal: gone.signal }).catch(() => "left");
    await dispatched();
    gone.abort();
    expect(await asked).toBe("left");
    await until(() => node.heardOf("cancel").length > 0);
  });
});

describe("what the node gets", () => {
  test("is the request as it came, unknown fields included, and our bound where the client named none", async () => {
    const asked = ask({
      seed: 7,
      vendor_extension: { deep: [1] },
      tools: [{ type: "function", function: { name: "f" } }],
    });
    await dispatched();
    expect(node.heard.find(({ type }) => type === "dispatch")).toMatchObject({
      model: "m",
      max_tokens: 4096,
      body: {
        model: "m",
        messages,
        seed: 7,
        vendor_extension: { deep: [1] },
        tools: [{ type: "function", function: { name: "f" } }],
      },
    });
    node.end(node.last);
    await asked;
    const bounded = ask({ max_completion_tokens: 5 });
    await dispatched();
    expect(node.heard.findLast(({ type }) => type === "dispatch")).not.toHaveProperty("max_tokens");
    node.end(node.last);
    await bounded;
  });
});

describe("refusals", () => {
  const refused = async (body: unknown) => {
    const response = await on.call("/v1/chat/completions", { body });
    return {
      status: response.status,
      ...((await response.json()) as { error: { message: string; code: string; param: string | null } }).error,
    };
  };

  test.each([
    [{ messages }, "model"],
    [{ model: "", messages }, "model"],
    [{ model: "m".repeat(257), messages }, "model"],
    [{ model: 7, messages }, "model"],
    [{ model: "m" }, "messages"],
    [{ model: "m", messages: [] }, "messages"],
    [{ model: "m", messages: Array(4097).fill(messages[0]) }, "messages"],
    [{ model: "m", messages: [{ role: "wizard", content: "x" }] }, "messages.0.role"],
    [{ model: "m", messages: [{ role: "user", content: 7 }] }, "messages.0.content"],
    [{ model: "m", messages, stream: "yes" }, "stream"],
    [{ model: "m", messages, stream_options: { include_usage: 1 } }, "stream_options.include_usage"],
    [{ model: "m", messages, max_tokens: 0 }, "max_tokens"],
    [{ model: "m", messages, max_tokens: 1.5 }, "max_tokens"],
    [{ model: "m", messages, max_completion_tokens: 10_000_001 }, "max_completion_tokens"],
    [{ model: "m", messages, n: 0 }, "n"],
    [{ model: "m", messages, n: 17 }, "n"],
    [{ model: "m", messages, temperature: 2.1 }, "temperature"],
    [{ model: "m", messages, top_p: -0.1 }, "top_p"],
    [{ model: "m", messages, frequency_penalty: -2.1 }, "frequency_penalty"],
    [{ model: "m", messages, presence_penalty: 3 }, "presence_penalty"],
    [{ model: "m", messages, seed: 0.5 }, "seed"],
    [{ model: "m", messages, stop: Array(17).fill("x") }, "stop"],
    [{ model: "m", messages, logprobs: 1 }, "logprobs"],
    [{ model: "m", messages, top_logprobs: 21 }, "top_logprobs"],
    [{ model: "m", messages, tools: [{}] }, "tools.0.type"],
    [{ model: "m", messages, tools: Array(257).fill({ type: "function" }) }, "tools"],
  ])("%#: a value out of its bounds is 400 and names the field", async (body, param) => {
    const error = await refused(body);
    expect([error.status, error.code, error.param]).toEqual([400, "invalid_value", param]);
    expect(error.message).toStartWith(param);
  });

  test("null is as good as absent for every optional field", async () => {
    const nothing = Object.fromEntries(
      [
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "stop",
        "logprobs",
        "top_logprobs",
        "tools",
      ].map((name) => [name, null]),
    );
    const asked = ask(nothing);
    await dispatched();
    node.end(node.last);
    expect((await asked).status).toBe(200);
  });

  test.each([
    ["no JSON", "hello", "invalid_json"],
    ["an empty body", "", "invalid_json"],
    ["JSON that is no object", "[]", "invalid_value"],
    ["nested too deep", `{"model":"m","messages":${"[".repeat(70)}${"]".repeat(70)}}`, "invalid_value"],
  ])("%s is 400", async (_, body, code) => {
    const error = await refused(body);
    expect([error.status, error.code, error.param]).toEqual([400, code, null]);
  });

  test("a model nobody serves is 404 with those there are; one whose nodes are away 503; too long a prompt 400", async () => {
    expect(await refused({ model: "none", messages })).toMatchObject({
      status: 404,
      code: "model_not_found",
      param: "model",
    });
    on.node(2, { models: ["away"] }).lose();
    on.clock.advance(LIMITS.resumeGraceMs + 1);
    expect(await refused({ model: "away", messages })).toMatchObject({ status: 503, code: "no_nodes_online" });
    on.node(3, { models: ["small"], contextLength: 10 });
    const long = [{ role: "user", content: "x".repeat(32 * 11) }];
    expect(await refused({ model: "small", messages: long })).toMatchObject({
      status: 400,
      code: "context_length_exceeded",
      param: "messages",
    });
  });

  test("while draining, 503 with Retry-After", async () => {
    const asked = ask();
    await dispatched();
    const drained = on.jobs.drain(60_000);
    const response = await ask();
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
    node.end(node.last);
    await drained;
    expect((await asked).status).toBe(200);
  });
});
