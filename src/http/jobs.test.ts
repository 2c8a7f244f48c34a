// Asynchronous jobs over the real server: submit, look, stream, cancel, list.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { deleteExpiredContent } from "../jobs/content.ts";
import { jobContent } from "../jobs/schema.ts";
import type { SimNode } from "../jobs/testing/stage.ts";
import { type CoordinatorStage, coordinatorStage, eventsIn, eventsOf, until } from "./testing/coordinator-stage.ts";

let on: CoordinatorStage;
let node: SimNode;
beforeEach(async () => {
  on = await coordinatorStage();
  node = on.node(1, { slots: 4 });
});
afterEach(() => on[Symbol.asyncDispose]());

type Json = Record<string, unknown> & { id: string; error?: { code: string; param: string | null } };
const json = async (response: Response) => (await response.json()) as Json;
const submit = (over: object = {}, headers: Record<string, string> = {}) =>
  on.call("/api/v1/jobs", { body: { model: "m", prompt: "hello", ...over }, headers });
/** A job that its node has. */
async function taken(over: object = {}): Promise<string> {
  const before = node.attempts.size;
  const { id } = await json(await submit(over));
  await until(() => node.attempts.size > before);
  return id;
}
async function finished(count: number): Promise<string> {
  const id = await taken();
  node.stream(node.last, count);
  node.end(node.last);
  await until(() => !on.outputs.has(id as never));
  return id;
}
const stream = (id: string, lastEventId?: string, signal?: AbortSignal) =>
  on.call(`/api/v1/jobs/${id}/stream`, {
    headers: lastEventId === undefined ? {} : { "last-event-id": lastEventId },
    ...(signal ? { signal } : {}),
  });
/** Reads a stream piece by piece. */
function readerOf(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const pump = async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  };
  return { ended: pump(), events: () => eventsIn(text) };
}
const pieces = (attempt: number, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ id: `${attempt}:${from + i}`, data: { text: `${from + i};` } }));
const DONE = { id: null, data: "[DONE]" };

describe("submit", () => {
  test("answers 202 once the job is stored, and the node gets the prompt as a message", async () => {
    const response = await submit({ max_tokens: 5, vendor_extension: 1 });
    const job = await json(response);
    expect<unknown[]>([response.status, job]).toEqual([
      202,
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        status: expect.any(String),
        stream_url: `/api/v1/jobs/${job.id}/stream`,
      },
    ]);
    await until(() => node.attempts.size > 0);
    expect(node.heard.find(({ type }) => type === "dispatch")).toMatchObject({
      body: { model: "m", messages: [{ role: "user", content: "hello" }], max_tokens: 5, vendor_extension: 1 },
    });
  });

  test.each([
    ["no model", { model: undefined }, 400, "invalid_value", "model"],
    ["neither prompt nor messages", { prompt: undefined }, 400, "invalid_value", "messages"],
    ["both", { messages: [{ role: "user", content: "x" }] }, 400, "invalid_value", "prompt"],
    ["an empty prompt", { prompt: "" }, 400, "invalid_value", "prompt"],
    ["a webhook without TLS", { webhook: "http://example.test/" }, 400, "invalid_value", "webhook"],
    ["a webhook into this machine", { webhook: "https://127.0.0.1/" }, 400, "invalid_value", "webhook"],
    ["a webhook that is no text", { webhook: 1 }, 400, "invalid_value", "webhook"],
    ["an unknown model", { model: "none" }, 404, "model_not_found", "model"],
  ])("%s is refused and names the field", async (_, over, status, code, param) => {
    const response = await submit(over);
    expect<unknown[]>([response.status, (await json(response)).error]).toEqual([
      status,
      { message: expect.any(String), type: "invalid_request_error", param, code },
    ]);
  });

  test("a webhook is kept with the job, and neither its address nor that there is one goes to the node", async () => {
    const id = await taken({ webhook: "https://hooks.example/in?token=secret", vendor_extension: 1 });
    const [sent] = node.heard.filter(({ type }) => type === "dispatch");
    expect(sent).toMatchObject({ body: { vendor_extension: 1 } });
    expect(JSON.stringify(node.heard)).not.toContain("webhook");
    expect(JSON.stringify(node.heard)).not.toContain("hooks.example");
    const url = "https://hooks.example/in?token=secret";
    const shown = async () => (await json(await on.call(`/api/v1/jobs/${id}`))).webhook;
    expect(await shown()).toEqual({ url, status: "waiting", tries: 0, error: null, next_try_ms: null });
    node.end(node.last);
    await until(() => !on.outputs.has(id as never));
    const due = { url, status: "pending", tries: 0, error: null, next_try_ms: on.clock.nowMs() };
    expect(await shown()).toEqual(due);
  });

  test("a webhook's address is in the database only as one who has the master key can read it", async () => {
    const id = await taken({ webhook: "https://hooks.example/in?token=secret" });
    const { db } = on.database;
    const rows = await Promise.all(["jobs", "webhooks"].map((table) => db.query(`SELECT * FROM ${table}`)));
    expect(JSON.stringify(rows)).toContain(id);
    expect(JSON.stringify(rows)).not.toContain("hooks.example");
  });
  test("null is as good as no webhook", async () => {
    const id = await taken({ webhook: null });
    expect(await json(await on.call(`/api/v1/jobs/${id}`))).not.toHaveProperty("webhook");
  });

  test("a full disk is 503, and nothing is left behind", async () => {
    on.storage.broken = true;
    const response = await submit();
    expect([response.status, (await json(response)).error?.code]).toEqual([503, "storage_failed"]);
    expect([on.jobs.live.size, on.outputs.size]).toEqual([0, 0]);
  });
});

describe("Idempotency-Key", () => {
  test("the same request gets the same job; another body 422; another account its own", async () => {
    const key = { "idempotency-key": "once" };
    const first = await json(await submit({}, key));
    const again = await submit({}, key);
    expect([again.status, (await json(again)).id]).toEqual([202, first.id]);
    const other = await submit({ prompt: "another" }, key);
    expect<unknown[]>([other.status, (await json(other)).error]).toEqual([
      422,
      {
        message: expect.any(String),
        type: "invalid_request_error",
        param: "Idempotency-Key",
        code: "idempotency_key_reused",
      },
    ]);
    const theirs = await json(await submit({}, { ...key, authorization: `Bearer ${on.otherKey}` }));
    expect(theirs.id).not.toBe(first.id);
  });

  test("of more than 255 characters is refused", async () => {
    expect((await submit({}, { "idempotency-key": "x".repeat(256) })).status).toBe(400);
  });
});

describe("a job", () => {
  test("shows where it stands, and its answer when it has completed", async () => {
    const id = await taken();
    node.stream(node.last, 1);
    expect(await json(await on.call(`/api/v1/jobs/${id}`))).toMatchObject({
      id,
      object: "job",
      kind: "async",
      model: "m",
      status: "running",
      error: null,
      usage: null,
      ended_ms: null,
      attempts: [{ n: 1, node: node.pubkey, outcome: null }],
    });
    node.stream(node.last, 1);
    node.end(node.last);
    await until(() => !on.outputs.has(id as never));
    expect(await json(await on.call(`/api/v1/jobs/${id}`))).toMatchObject({
      status: "completed",
      finish_reason: "stop",
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      attempts: [{ outcome: "completed" }],
      result: { choices: [{ index: 0, message: { content: "0;1;" } }] },
    });
  });

  test("of another account, or of nobody, is not there", async () => {
    const id = await finished(1);
    const theirs = { authorization: `Bearer ${on.otherKey}` };
    for (const [path, method] of [
      [`/api/v1/jobs/${id}`, "GET"],
      [`/api/v1/jobs/${id}/stream`, "GET"],
      [`/api/v1/jobs/${id}/cancel`, "POST"],
    ] as const) {
      const response = await on.call(path, { method, headers: theirs });
      expect([response.status, (await json(response)).error]).toMatchObject([
        404,
        { code: "job_not_found", param: "id" },
      ]);
    }
    expect((await on.call("/api/v1/jobs/nonsense")).status).toBe(404);
    expect((await json(await on.call("/api/v1/jobs", { headers: theirs }))).data).toEqual([]);
  });

  test("is cancelled down to its node, once it is stored; a second time it had ended", async () => {
    const id = await taken();
    const attempt = node.last.id;
    const response = await on.call(`/api/v1/jobs/${id}/cancel`, { method: "POST" });
    expect([response.status, await response.json()]).toEqual([200, { id, status: "cancelled" }]);
    expect(node.heardOf("cancel")).toEqual([attempt]);
    expect(await json(await on.call(`/api/v1/jobs/${id}`))).toMatchObject({
      status: "cancelled",
      error: { code: "client_gone" },
    });
    const again = await on.call(`/api/v1/jobs/${id}/cancel`, { method: "POST" });
    expect([again.status, (await json(again)).error?.code]).toEqual([409, "job_ended"]);
  });
});

describe("the list", () => {
  test("is newest first, in pages that leave nothing out, and by state", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift(await finished(1));
    const cancelled = await taken();
    await on.call(`/api/v1/jobs/${cancelled}/cancel`, { method: "POST" });
    const seen: string[] = [];
    let cursor: unknown = null;
    do {
      const page: Json = await json(await on.call(`/api/v1/jobs?limit=2${cursor ? `&cursor=${cursor}` : ""}`));
      seen.push(...(page.data as Json[]).map(({ id }) => id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual([cancelled, ...ids]);
    const one = await json(await on.call("/api/v1/jobs?status=cancelled"));
    expect((one.data as Json[]).map(({ id }) => id)).toEqual([cancelled]);
  });

  test.each([["limit=0"], ["limit=101"], ["limit=x"], ["status=nonsense"], [`cursor=${"x".repeat(65)}`]])(
    "refuses %s",
    async (query) => {
      expect((await on.call(`/api/v1/jobs?${query}`)).status).toBe(400);
    },
  );
});

describe("the stream", () => {
  test("names each piece, ends with [DONE], and several read it, each at its own pace", async () => {
    const id = await taken();
    node.stream(node.last, 2);
    const early = readerOf(await stream(id));
    await until(() => early.events().length === 2);
    node.stream(node.last, 1);
    const late = readerOf(await stream(id));
    node.end(node.last);
    await Promise.all([early.ended, late.ended]);
    expect(early.events()).toEqual([...pieces(1, 0, 3), DONE]);
    expect(late.events()).toEqual([...pieces(1, 0, 3), DONE]);
  });

  test("goes on after Last-Event-ID, while the job runs and after it: nothing twice, nothing left out", async () => {
    const id = await taken();
    node.stream(node.last, 4);
    const running = readerOf(await stream(id, "1:1"));
    await until(() => running.events().length === 2);
    node.end(node.last);
    await running.ended;
    expect(running.events()).toEqual([...pieces(1, 2, 4), DONE]);
    await until(() => !on.outputs.has(id as never));
    expect(await eventsOf(await stream(id, "1:1"))).toEqual([...pieces(1, 2, 4), DONE]);
    expect(await eventsOf(await stream(id, "1:3"))).toEqual([DONE]);
    for (const from of [undefined, "nonsense"])
      expect(await eventsOf(await stream(id, from))).toEqual([...pieces(1, 0, 4), DONE]);
  });

  test("of a job that started over before anybody read is the second answer only", async () => {
    const id = await taken();
    node.stream(node.last, 3);
    const other = on.node(2);
    node.crash();
    await until(() => other.attempts.size > 0);
    other.stream(other.last, 1);
    other.end(other.last);
    expect(await eventsOf(await stream(id))).toEqual([...pieces(2, 0, 1), DONE]);
    const confused = await eventsOf(await stream(id, "1:2"));
    expect(confused).toMatchObject([{ data: { error: { code: "stream_restarted" } } }]);
  });

  test("ends with the error where the job failed, live and later, and without [DONE]", async () => {
    const id = await taken();
    node.stream(node.last, 1);
    const live = readerOf(await stream(id));
    await until(() => live.events().length === 1);
    node.fail(node.last, "backend_failed");
    await live.ended;
    await until(() => !on.outputs.has(id as never));
    for (const events of [live.events(), await eventsOf(await stream(id))]) {
      expect(events).toEqual([
        ...pieces(1, 0, 1),
        {
          id: null,
          data: { error: { message: "backend_failed", type: "server_error", param: null, code: "backend_failed" } },
        },
      ]);
    }
  });

  test("a reader that leaves does not stop the job", async () => {
    const id = await taken();
    node.stream(node.last, 1);
    const leaving = new AbortController();
    const response = await stream(id, undefined, leaving.signal);
    await response.body?.getReader().read();
    leaving.abort();
    node.stream(node.last, 1);
    node.end(node.last);
    await until(() => !on.outputs.has(id as never));
    expect(on.ended[0]?.state).toBe("completed");
    expect(node.heardOf("cancel")).toEqual([]);
  });

  test("is 410 when the content was deleted, and the job says so; of a chat always", async () => {
    const id = await finished(1);
    const { db } = on.database;
    await deleteExpiredContent(db, on.clock.nowMs() + 86_400_000);
    expect(await db.read.select().from(jobContent).where(eq(jobContent.jobId, id))).toEqual([]);
    const gone = await stream(id);
    expect([gone.status, (await json(gone)).error?.code]).toEqual([410, "content_gone"]);
    const shown = await json(await on.call(`/api/v1/jobs/${id}`));
    expect([shown.status, shown.content, shown.result]).toEqual(["completed", "deleted", undefined]);
    const chat = on.call("/v1/chat/completions", { body: { model: "m", messages: [{ role: "user", content: "x" }] } });
    await until(() => node.attempts.size > 0);
    node.end(node.last);
    const chatId = (await chat).headers.get("x-infernet-job") ?? "";
    await on.records.flush();
    expect((await stream(chatId)).status).toBe(410);
    expect(await json(await on.call(`/api/v1/jobs/${chatId}`))).toMatchObject({ kind: "chat", status: "completed" });
  });
});
