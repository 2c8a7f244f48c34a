// The scripted backend must do what it is told, else the tests that use it prove nothing.
import { afterEach, expect, test } from "bun:test";
import { type FaultBackend, PLAIN_TEXT, type Script, startFaultBackend } from "./fault-backend.ts";
import { readChat } from "./sse.ts";
import { waitFor } from "./wait-for.ts";

let backend: FaultBackend;
afterEach(() => backend.close());

function begin(script: Partial<Script> = {}, stream = true, signal?: AbortSignal): Promise<Response> {
  backend = startFaultBackend({ script });
  return ask(stream, signal);
}
function ask(stream = true, signal?: AbortSignal): Promise<Response> {
  const body = JSON.stringify({ model: backend.model, stream, messages: [{ role: "user", content: "x" }] });
  return fetch(`${backend.url}/v1/chat/completions`, { method: "POST", body, ...(signal ? { signal } : {}) });
}

test("a whole stream has text, finish reason, usage and [DONE]", async () => {
  const transcript = await readChat(await begin());
  expect(transcript).toMatchObject({ text: PLAIN_TEXT, finishReason: "stop", done: true, error: null });
  expect(transcript.usage).toMatchObject({ completion_tokens: 6 });
  expect(backend.requests[0]).toMatchObject({ state: "finished", sent: 6 });
});

test("an answer that is not streamed has the same text", async () => {
  const reply = (await (await begin({}, false)).json()) as { choices: { message: { content: string } }[] };
  expect(reply.choices[0]?.message.content).toBe(PLAIN_TEXT);
});

test("a held answer stops after the pieces asked for and goes on when released", async () => {
  const texts: string[] = [];
  const transcript = begin({ holdAfter: 2 }).then((reply) => readChat(reply, (text) => texts.push(text)));
  await waitFor("two pieces", () => texts.length === 2 && backend.requests[0]?.state === "held");
  expect(backend.requests[0]?.sent).toBe(2);
  backend.release();
  expect((await transcript).text).toBe(PLAIN_TEXT);
});

test("an answer that holds more than once goes on from one hold to the next", async () => {
  const transcript = begin({ holdAfter: 2, holdAgainAfter: [4] }).then((reply) => readChat(reply));
  for (const sent of [2, 4]) {
    await waitFor(`${sent} pieces`, () => backend.requests[0]?.state === "held" && backend.requests[0].sent === sent);
    backend.release();
  }
  expect((await transcript).text).toBe(PLAIN_TEXT);
});

test("a client that leaves while the answer is held is noted with the time", async () => {
  const client = new AbortController();
  const reply = begin({ holdAfter: 0 }, true, client.signal).catch(() => null);
  await waitFor("the request to be held", () => backend.requests[0]?.state === "held");
  const leftAt = performance.now();
  client.abort();
  await waitFor("the abort", () => backend.requests[0]?.state === "aborted");
  expect(backend.requests[0]?.abortedAtMs).toBeGreaterThanOrEqual(leftAt);
  expect(backend.open()).toBe(0);
  await reply;
});

test("die cuts the connection after the pieces asked for", async () => {
  const reading = begin({ faultAfter: 2, fault: "die" }).then((reply) => readChat(reply));
  await expect(reading).rejects.toThrow("closed unexpectedly");
  expect(backend.requests[0]).toMatchObject({ state: "faulted", sent: 2 });
});

test("garbage is an event that is no JSON", async () => {
  const reply = await begin({ faultAfter: 1, fault: "garbage" });
  await expect(readChat(reply)).rejects.toThrow(SyntaxError);
});

test("an error event comes in mid-stream, without [DONE]", async () => {
  const transcript = await readChat(await begin({ faultAfter: 1, fault: "error" }));
  expect(transcript).toMatchObject({ text: "Hello", done: false, error: { message: "scripted" } });
});

test("scripts for the next requests are used once each, in order", async () => {
  await (await begin()).text();
  backend.scriptNext({ status: 503 }, { status: 400 });
  const statuses = [];
  for (let index = 0; index < 3; index++) {
    const reply = await ask();
    await reply.text();
    statuses.push(reply.status);
  }
  expect(statuses).toEqual([503, 400, 200]);
});
