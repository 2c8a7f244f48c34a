// Errors of the client API over the wire: status, OpenAI's four fields, and the class the openai package makes of them.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { request as httpRequest } from "node:http";
import OpenAI from "openai";
import { type Client, client, refusalOf } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { type Instance, localApiKey, waitForModel } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
const CONTEXT = 512;

let stage: Stage;
let coordinator: Instance;
let node: Instance;
let backend: FaultBackend;
let api: Client;
let key: string;

beforeAll(async () => {
  stage = await openStage();
  ({ coordinator, key } = await stage.coordinator(
    "[server]\nmax_body_mib = 1\n[coordinator]\nqueue_limit = 1\nresume_grace_s = 0\nmax_attempts = 1\n",
  ));
  api = client(() => coordinator.url, key, model);
  backend = stage.backend({ model, contextLength: CONTEXT });
  node = await stage.node(coordinator, [backend.url], "[node]\nslots = 1");
  await stage.served(coordinator, model);
});
afterEach(() => {
  backend.script({ holdAfter: null, status: null });
  backend.release();
});
afterAll(() => stage.close());

/** What the openai package makes of a refused chat. */
async function thrown(body: object, apiKey = key): Promise<InstanceType<typeof OpenAI.APIError>> {
  const openai = new OpenAI({ baseURL: `${coordinator.url}/v1`, apiKey, maxRetries: 0 });
  const request = { model, messages: [{ role: "user" as const, content: "x" }], ...body };
  try {
    await openai.chat.completions.create(request as OpenAI.ChatCompletionCreateParamsNonStreaming);
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error;
    throw error;
  }
  throw new Error("it was answered");
}

describe("who asks", () => {
  const ask = (headers: Record<string, string>) =>
    fetch(`${coordinator.url}/v1/models`, { headers: { "content-type": "application/json", ...headers } });

  test("without a key: 401", async () => {
    const refused = await refusalOf(await ask({}));
    expect(refused).toMatchObject({ status: 401, code: "api_key_missing", type: "authentication_error", param: null });
  });
  test.each(["Bearer inf_unknown", "Bearer ", "Basic aW5mOmtleQ==", "Bearer sk-of-somebody-else"])(
    "with `%s`: 401",
    async (authorization) => {
      expect(await refusalOf(await ask({ authorization }))).toMatchObject({ status: 401, code: "api_key_invalid" });
    },
  );
  test("the openai package says AuthenticationError", async () => {
    expect(await thrown({}, "inf_unknown")).toBeInstanceOf(OpenAI.AuthenticationError);
  });
});

describe("what is asked for", () => {
  test("a model that nobody serves: 404, with those there are", async () => {
    const error = await thrown({ model: "no-such-model" });
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: "model_not_found", param: "model" });
    expect(error.message).toContain(model);
    const one = await refusalOf(await api.get("/v1/models/no/such/model"));
    expect(one).toMatchObject({ status: 404, code: "model_not_found" });
  });

  test.each([
    ["no JSON", "{", "invalid_json", null],
    ["no messages", { model }, "invalid_value", "messages"],
    ["an empty list of messages", { model, messages: [] }, "invalid_value", "messages"],
    ["a role that is none", { model, messages: [{ role: "boss", content: "x" }] }, "invalid_value", "messages.0.role"],
    [
      "a temperature out of range",
      { model, messages: [{ role: "user", content: "x" }], temperature: 3 },
      "invalid_value",
      "temperature",
    ],
    [
      "max_tokens of a wrong type",
      { model, messages: [{ role: "user", content: "x" }], max_tokens: "9" },
      "invalid_value",
      "max_tokens",
    ],
    [
      "deep nesting",
      { model, messages: [{ role: "user", content: "x" }], x: JSON.parse("[".repeat(100) + "]".repeat(100)) },
      "invalid_value",
      null,
    ],
  ])("%s: 400, with the field", async (_name, body, code, param) => {
    const refused = await refusalOf(await api.post("/v1/chat/completions", body));
    expect(refused).toMatchObject({ status: 400, type: "invalid_request_error", code, param });
  });

  test("the openai package says BadRequestError", async () => {
    expect(await thrown({ temperature: 9 })).toBeInstanceOf(OpenAI.BadRequestError);
  });

  test("a prompt that fits no node's context: 400 before any node is asked, streamed or not", async () => {
    const before = backend.requests.length;
    for (const stream of [false, true]) {
      const error = await thrown({ stream, messages: [{ role: "user", content: "word ".repeat(20_000) }] });
      expect(error).toBeInstanceOf(OpenAI.BadRequestError);
      expect(error).toMatchObject({
        code: "context_length_exceeded",
        param: "messages",
        type: "invalid_request_error",
      });
      expect(error.message).toContain(`${CONTEXT}`);
    }
    expect(backend.requests.length).toBe(before);
  });

  test("a body over the limit: 413", async () => {
    const messages = [{ role: "user", content: "x".repeat(1024 * 1024 + 10) }];
    const refused = await refusalOf(await api.chat({ messages }));
    expect(refused).toMatchObject({ status: 413, code: "body_too_large", type: "invalid_request_error" });
    // The connection is still good for others.
    expect((await api.readChat()).text).toBe(PLAIN_TEXT);
  });

  test("a body over the limit whose length is not told: 413 too", async () => {
    const body = new ReadableStream({
      start(controller) {
        for (let count = 0; count < 32; count++) controller.enqueue(new TextEncoder().encode(" ".repeat(64 * 1024)));
        controller.close();
      },
    });
    const response = await fetch(`${coordinator.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body,
    });
    expect(response.status).toBe(413);
  });

  test.each([
    ["GET", "/v1/chat/completions", "POST"],
    ["DELETE", "/v1/models", "GET"],
    ["PUT", "/api/v1/jobs", "GET, POST"],
    ["POST", "/api/v1/jobs/01890000-0000-7000-8000-000000000000", "GET"],
  ])("%s %s: 405 with Allow", async (method, path, allow) => {
    const response = await fetch(`${coordinator.url}${path}`, { method, headers: { authorization: `Bearer ${key}` } });
    expect((response.headers.get("allow") ?? "").split(", ").toSorted().join(", ")).toBe(allow);
    expect(await refusalOf(response)).toMatchObject({ status: 405, code: "method_not_allowed" });
  });

  test("a path that is none: 404 in the same shape", async () => {
    expect(await refusalOf(await api.get("/v1/nothing"))).toMatchObject({ status: 404, code: "route_not_found" });
  });

  test.each(["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""])(
    "Host %p: 421",
    async (host) => {
      const { status, body } = await withHost(host);
      expect([host, status]).toEqual([host, host === "" ? status : 421]);
      if (host !== "") expect(body).toContain("host_not_allowed");
      else expect([400, 421]).toContain(status);
    },
  );
  test.each(["localhost", "127.0.0.1", "[::1]:80", "10.0.0.7:46337"])("Host %p: answered", async (host) => {
    expect((await withHost(host)).status).toBe(200);
  });
});

function withHost(host: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(coordinator.url);
  const answer = Promise.withResolvers<{ status: number; body: string }>();
  const request = httpRequest({ hostname, port, path: "/healthz", headers: { host }, setHost: false }, (response) => {
    let body = "";
    response.on("data", (piece) => {
      body += piece;
    });
    response.on("end", () => answer.resolve({ status: response.statusCode ?? 0, body }));
  });
  request.on("error", answer.reject);
  request.end();
  return answer.promise;
}

describe("what the backend says", () => {
  test.each([
    [400, 400, "invalid_request"],
    [500, 502, "backend_failed"],
    [503, 503, "backend_busy"],
  ])("its %d is a %d", async (status, expected, code) => {
    backend.script({ status });
    const refused = await refusalOf(await api.chat({ stream: true }));
    expect(refused).toMatchObject({ status: expected, code });
    expect(refused.message.length).toBeGreaterThan(5);
  });
});

describe("when there is too much", () => {
  test("a full queue: 429 with Retry-After; a job takes the place of a chat that waits, and keeps it", async () => {
    backend.scriptNext({ holdAfter: 0 });
    const before = backend.requests.length;
    const running = api.readChat();
    await waitFor("the slot to be taken", () => backend.requests.length === before + 1);
    const waiting = api.chat({ stream: true });
    await waitFor("the queue to be full", async () => {
      const { stdout } = await stage.run(coordinator, ["status", "--json"]);
      return (JSON.parse(stdout) as { jobs: { queued: number } }).jobs.queued === 1;
    });
    const refused = await api.chat({ stream: true });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refusalOf(refused)).toMatchObject({ status: 429, code: "queue_full", type: "rate_limit_error" });
    expect(await thrown({})).toBeInstanceOf(OpenAI.RateLimitError);
    const job = await api.submit();
    expect(job.status).toBe(202);
    const { id } = (await job.json()) as { id: string };
    expect(await refusalOf(await waiting)).toMatchObject({ status: 429, code: "queue_full" });
    const second = await api.submit();
    expect(second.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await refusalOf(second)).toMatchObject({ status: 429, code: "queue_full" });
    backend.release();
    expect((await running).text).toBe(PLAIN_TEXT);
    await waitFor("the job to complete", async () => {
      const { status } = (await (await api.get(`/api/v1/jobs/${id}`)).json()) as { status: string };
      return status === "completed";
    });
  });
});

describe("the demo model", () => {
  test("refuses what does not fit its context, and answers what does", async () => {
    const both = await stage.start({ mode: "both", config: "[node]\nprobe = false\n" });
    const demo = await waitForModel(stage.executable, both);
    const mine = client(() => both.url, localApiKey(both), demo);
    const listing = (await (await mine.get("/v1/models")).json()) as { data: { context_length: number }[] };
    const context = listing.data[0]?.context_length ?? 0;
    expect(context).toBeGreaterThan(0);
    // The first is too long for any tokenizer, the second only for this model's own.
    for (const words of [context * 16, context]) {
      for (const stream of [true, false]) {
        const messages = [{ role: "user", content: "unpronounceable ".repeat(words) }];
        const refused = await refusalOf(await mine.chat({ stream, messages, max_tokens: 4 }));
        expect(refused).toMatchObject({ status: 400, code: "context_length_exceeded", param: "messages" });
        expect(refused.message).toContain(`${context}`);
      }
    }
    expect((await mine.chat({ max_tokens: 4 })).status).toBe(200);
    await both.kill9();
  });
});

test("with every node gone: 503 with Retry-After, and 200 again once one is back", async () => {
  await node.kill9();
  await waitFor("the coordinator to know", async () => {
    const refused = await api.chat();
    if (refused.status !== 503) return false;
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await refusalOf(refused)).toMatchObject({ code: "no_nodes_online", type: "server_error" });
    return true;
  });
  expect(await thrown({})).toBeInstanceOf(OpenAI.InternalServerError);
  node = await stage.restart(node);
  await stage.served(coordinator, model);
  expect((await api.readChat()).text).toBe(PLAIN_TEXT);
});
