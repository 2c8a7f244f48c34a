// What keys may do and use, over the real server: scopes, models, rates, and what a key is told of itself.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createApiKey, type NewApiKey } from "../accounts/api-keys.ts";
import type { SimNode } from "../jobs/testing/stage.ts";
import { budgets } from "../ledger/schema.ts";
import { span } from "./key-limits.ts";
import { type CoordinatorStage, coordinatorStage, until } from "./testing/coordinator-stage.ts";

let on: CoordinatorStage;
let node: SimNode;
beforeEach(async () => {
  on = await coordinatorStage({ aliases: { fast: ["small", "large"] } });
  node = on.node(1, { slots: 8, models: ["small", "large", "other"] });
});
afterEach(() => on[Symbol.asyncDispose]());

const messages = [{ role: "user", content: "hello" }];
async function keyed(wanted: Omit<NewApiKey, "name">) {
  const { token, key } = await createApiKey(on.keyDeps, { name: "app", ...wanted });
  const headers = { authorization: `Bearer ${token}` };
  const call = (path: string, body?: unknown) => on.call(path, { headers, ...(body === undefined ? {} : { body }) });
  const refusal = async (path: string, body?: unknown) => {
    const response = await call(path, body);
    const { error } = (await response.json()) as { error: { code: string; param: string | null; message: string } };
    return { status: response.status, ...error };
  };
  const ask = (model: string, over: object = {}) => call("/v1/chat/completions", { model, messages, ...over });
  return { key, token, call, refusal, ask };
}
/** Answers the only chat there is. */
async function answered(asked: Promise<Response>): Promise<Response> {
  await until(() => node.attempts.size > 0);
  node.stream(node.last, 2);
  node.end(node.last, { usage: { prompt_tokens: 3, completion_tokens: 2 } });
  const response = await asked;
  await response.text();
  return response;
}

describe("scopes", () => {
  test("a key does what its scopes say, and is told which one it lacks", async () => {
    const { refusal, call } = await keyed({ scopes: ["models:read"] });
    expect((await call("/v1/models")).status).toBe(200);
    expect((await call("/api/v1/key")).status).toBe(200);
    const body = { model: "small", messages };
    for (const [path, scope] of [
      ["/v1/chat/completions", "chat"],
      ["/v1/completions", "completions"],
      ["/api/v1/embeddings", "embeddings"],
      ["/api/v1/jobs", "jobs"],
    ] as const) {
      const refused = await refusal(path, body);
      expect([refused.status, refused.code]).toEqual([403, "api_key_scope"]);
      expect(refused.message).toContain(`scope ${scope}`);
    }
    expect(await refusal("/api/v1/jobs")).toMatchObject({ status: 403, code: "api_key_scope" });
    expect(await refusal("/api/v1/webhooks/secret")).toMatchObject({ status: 403, code: "api_key_scope" });
  });
});

describe("models", () => {
  const listed = async (call: (path: string) => Promise<Response>) =>
    ((await (await call("/v1/models")).json()) as { data: { id: string; alias_for?: string[] }[] }).data;

  test("only those of the list are shown and served; whether another is here is not told", async () => {
    const { call, refusal, ask } = await keyed({ models: ["small"] });
    expect((await listed(call)).map(({ id }) => id)).toEqual(["fast", "small"]);
    expect((await answered(ask("small"))).status).toBe(200);
    for (const model of ["other", "nobody-has-it"]) {
      const refused = await refusal("/v1/chat/completions", { model, messages });
      expect(refused).toMatchObject({ status: 403, code: "model_not_allowed", param: "model" });
      expect(refused.message).not.toContain("small");
      expect(await refusal(`/v1/models/${model}`)).toMatchObject({ status: 404, code: "model_not_found" });
      expect(await refusal("/api/v1/jobs", { model, prompt: "x" })).toMatchObject({ code: "model_not_allowed" });
      expect(await refusal("/v1/embeddings", { model, input: "x" })).toMatchObject({ code: "model_not_allowed" });
    }
  });
  test("of an alias and of fallbacks what is allowed is left", async () => {
    const { call, ask } = await keyed({ models: ["large"] });
    expect((await listed(call)).find(({ id }) => id === "fast")?.alias_for).toEqual(["large"]);
    for (const [model, models] of [
      ["fast", []],
      ["other", ["small", "large"]],
    ] as const) {
      await answered(ask(model, { models }));
      expect(on.ended.at(-1)?.model).toBe("large");
    }
  });
  test("an alias that is allowed brings its models under that name alone", async () => {
    const { call, ask, refusal } = await keyed({ models: ["fast", "gone*"] });
    expect((await listed(call)).map(({ id, alias_for }) => [id, alias_for])).toEqual([["fast", ["small", "large"]]]);
    await answered(ask("fast"));
    expect(await refusal("/v1/chat/completions", { model: "small", messages })).toMatchObject({ status: 403 });
    // What is allowed and not here: the others are not named.
    const absent = await refusal("/v1/chat/completions", { model: "gone-1", messages });
    expect(absent).toMatchObject({ status: 404, code: "model_not_found" });
    for (const name of ["small", "large", "other"]) expect(absent.message).not.toContain(name);
  });
});

describe("rates", () => {
  test("requests: what is left is told with each answer, and what is over is 429 before anything else", async () => {
    const { ask, call } = await keyed({ requestsPerMinute: 2 });
    const first = await answered(ask("small"));
    expect([...first.headers].filter(([name]) => name.startsWith("x-ratelimit-"))).toEqual([
      ["x-ratelimit-limit-requests", "2"],
      ["x-ratelimit-remaining-requests", "1"],
      ["x-ratelimit-reset-requests", "30s"],
    ]);
    // One that is refused for another reason counts as well, and says what is left.
    const unknown = await ask("unknown");
    expect([unknown.status, unknown.headers.get("x-ratelimit-remaining-requests")]).toEqual([404, "0"]);
    const attempts = on.ended.length;
    const refused = await ask("small");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "30"]);
    expect(refused.headers.get("x-ratelimit-reset-requests")).toBe("1m0s");
    const { error } = (await refused.json()) as { error: { message: string } };
    expect(error).toEqual({
      message: expect.stringContaining("requests per minute (RPM): limit 2. Please try again in 30s"),
      type: "rate_limit_error",
      param: null,
      code: "rate_limit_exceeded",
    } as never);
    expect((await call("/api/v1/jobs", { model: "small", prompt: "x" })).status).toBe(429);
    expect((await call("/v1/embeddings", { model: "small", input: "x" })).status).toBe(429);
    // Asking what there is costs nothing.
    expect((await call("/v1/models")).status).toBe(200);
    expect(on.ended.length).toBe(attempts);
    on.clock.advance(30_000);
    expect((await answered(ask("small"))).status).toBe(200);
  });

  test("tokens: the bound is taken at first, and what was not used is given back at the end", async () => {
    const { ask, call } = await keyed({ tokensPerMinute: 1_000 });
    const asked = ask("small", { max_tokens: 600, stream: true });
    await until(() => node.attempts.size > 0);
    const refused = await ask("small", { max_tokens: 600 });
    expect([refused.status, refused.headers.get("x-ratelimit-remaining-tokens")]).toEqual([429, "398"]);
    node.stream(node.last, 2);
    const streaming = await asked;
    expect(streaming.headers.get("x-ratelimit-remaining-tokens")).toBe("398");
    node.end(node.last, { usage: { prompt_tokens: 30, completion_tokens: 4 } });
    await streaming.text();
    const next = await answered(ask("small", { max_tokens: 600 }));
    expect(next.headers.get("x-ratelimit-limit-tokens")).toBe("1000");
    const own = (await (await call("/api/v1/key")).json()) as { data: { rate_limits: unknown } };
    expect(own.data.rate_limits).toEqual({ requests: null, tokens: { limit: 1_000, remaining: 961, reset_ms: 2_340 } });
  });

  test("tokens: whoever leaves a chat has used its prompt, once a node has it, and nothing before", async () => {
    const { ask, call, token } = await keyed({ tokensPerMinute: 10_000 });
    const remaining = async () =>
      ((await (await call("/api/v1/key")).json()) as { data: { rate_limits: { tokens: { remaining: number } } } }).data
        .rate_limits.tokens.remaining;
    const long = [{ role: "user", content: "x".repeat(12_000) }];
    const gone = new AbortController();
    const asked = fetch(`${on.server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "small", messages: long, max_tokens: 100, stream: true }),
      signal: gone.signal,
    }).catch(() => null);
    await until(() => node.attempts.size > 0);
    gone.abort();
    await asked;
    await until(() => on.ended.length > 0);
    expect(await remaining()).toBe(7_000);
    await ask("unknown", { messages: long });
    expect(await remaining()).toBe(7_000);
  });

  test("what was not taken on gives its tokens back: an unknown model, a full queue, a repeated job", async () => {
    const { ask, call, token } = await keyed({ tokensPerMinute: 10_000 });
    const left = (response: Response) => response.headers.get("x-ratelimit-remaining-tokens");
    expect(left(await ask("unknown", { max_tokens: 5_000 }))).toBe("10000");
    const submit = () =>
      on.call("/api/v1/jobs", {
        headers: { authorization: `Bearer ${token}`, "idempotency-key": "once" },
        body: { model: "small", prompt: "x", max_tokens: 1_000 },
      });
    const accepted = await submit();
    expect([accepted.status, left(accepted)]).toEqual([202, "8999"]);
    const { id } = (await accepted.json()) as { id: string };
    const again = await submit();
    expect(((await again.json()) as { id: string }).id).toBe(id);
    const { data } = (await (await call("/api/v1/key")).json()) as {
      data: { rate_limits: { tokens: { remaining: number } } };
    };
    expect(data.rate_limits.tokens.remaining).toBe(8_999);
  });

  test("a key without limits hears nothing of any", async () => {
    const { ask } = await keyed({});
    const { headers } = await answered(ask("small"));
    expect([...headers.keys()].filter((name) => name.startsWith("x-ratelimit"))).toEqual([]);
  });
});

test("limits of spending go with a key's jobs, for the ledger to decide", async () => {
  const { key, ask } = await keyed({ spendTotalMicroUsd: 5 });
  await answered(ask("small"));
  expect(on.ended.at(-1)?.budgets).toEqual([{ id: `key/${key.id}`, limit: 5n }]);
});

describe("GET /api/v1/key", () => {
  test("tells what the key is good for and what is left, in money too", async () => {
    const { key, call } = await keyed({
      scopes: ["chat"],
      models: ["small"],
      spendDayMicroUsd: 1_000_000,
      spendTotalMicroUsd: 5,
      expiresMs: on.clock.nowMs() + 1_000,
    });
    const today = new Date(on.clock.nowMs()).toISOString().slice(0, 10);
    await on.database.db.writer.transact((tx) =>
      tx.insert(budgets).values([
        { id: `key/${key.id}`, used: 7 },
        { id: `key/${key.id}/${today}`, used: 400_000 },
      ]),
    );
    expect(await (await call("/api/v1/key")).json()).toEqual({
      data: {
        id: key.id,
        name: "app",
        created_ms: key.createdMs,
        expires_ms: key.expiresMs,
        scopes: ["chat"],
        pools: [],
        models: ["small"],
        rate_limits: { requests: null, tokens: null },
        spend: {
          day: { limit: 1_000_000, used: 400_000, remaining: 600_000, reset_ms: expect.any(Number) },
          total: { limit: 5, used: 7, remaining: 0 },
        },
      },
    });
  });
  test("of a plain key it says that nothing is limited", async () => {
    const { call } = await keyed({});
    expect(await (await call("/api/v1/key")).json()).toMatchObject({
      data: {
        expires_ms: null,
        models: null,
        spend: { day: null, total: null },
        scopes: expect.arrayContaining(["jobs"]),
      },
    });
  });
});

test("lengths of time are written as OpenAI writes them", () => {
  expect([0, 20, 1_000, 1_500, 59_999, 60_000, 361_000].map(span)).toEqual([
    "0ms",
    "20ms",
    "1s",
    "1.5s",
    "59.999s",
    "1m0s",
    "6m1s",
  ]);
});
