// API keys from the command line to the wire: what they may do, how much, for how long, and when they are no longer good.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import OpenAI from "openai";
import type { Output } from "../src/admin/operations.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
let coordinator: Instance;
let small: FaultBackend;
beforeAll(async () => {
  stage = await openStage();
  ({ coordinator } = await stage.coordinator('[aliases]\nfast = ["small"]\nboth = ["large", "small"]\n'));
  small = stage.backend({ model: "small" });
  await stage.node(coordinator, [small.url, stage.backend({ model: "large" }).url]);
  await stage.served(coordinator, "small");
  await stage.served(coordinator, "large");
});
afterAll(() => stage.close());

type Made = Output<"createKey">;
const keys = <T = Made>(...args: string[]): Promise<T> =>
  commandJson<T>(stage.executable, coordinator.dataDirectory, ["keys", ...args]);
const openaiWith = (apiKey: string) => new OpenAI({ baseURL: `${coordinator.url}/v1`, apiKey, maxRetries: 0 });

const messages = [{ role: "user" as const, content: "Hello?" }];
const ask = (openai: OpenAI, over: { model?: string; max_tokens?: number } = {}) =>
  openai.chat.completions.create({ model: "small", messages, ...over }).withResponse();
const text = async (openai: OpenAI, model = "small") =>
  (await ask(openai, { model })).data.choices[0]?.message.content ?? null;

type Refusal = InstanceType<typeof OpenAI.APIError>;
async function refusal(asked: Promise<unknown>): Promise<Refusal> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error;
    throw error;
  }
  throw new Error("it was answered");
}

describe("limits of rate", () => {
  test("requests: the answers tell what is left, and what is over is OpenAI's 429", async () => {
    const { key } = await keys("create", "rpm", "--rpm", "2");
    const openai = openaiWith(key);
    const { response } = await ask(openai);
    expect(response.headers.get("x-ratelimit-limit-requests")).toBe("2");
    expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("1");
    // As of the answer, which may have taken its time.
    expect(response.headers.get("x-ratelimit-reset-requests")).toMatch(/^(30|[12]?\d\.\d+)s$/);
    await ask(openai);
    const error = await refusal(ask(openai));
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ status: 429, code: "rate_limit_exceeded", type: "rate_limit_error", param: null });
    expect(error.message).toContain("requests per minute (RPM): limit 2");
    expect(Number(error.headers?.get("retry-after"))).toBeWithin(1, 31);
    // Another key's requests are none of its business.
    expect(await text(openaiWith((await keys("create", "free")).key))).toBe(PLAIN_TEXT);
  });

  test("tokens: the bound counts until the answer is there, then what was used", async () => {
    const { key } = await keys("create", "tpm", "--tpm", "1000");
    const openai = openaiWith(key);
    const { response } = await ask(openai, { max_tokens: 900 });
    expect(response.headers.get("x-ratelimit-limit-tokens")).toBe("1000");
    // Had the bound been charged, this one would be refused.
    await ask(openai, { max_tokens: 900 });
    const own = await (
      await fetch(`${coordinator.url}/api/v1/key`, { headers: { authorization: `Bearer ${key}` } })
    ).json();
    expect(own).toMatchObject({ data: { name: "tpm", rate_limits: { requests: null, tokens: { limit: 1000 } } } });
    small.scriptNext({ holdAfter: 0 });
    const held = ask(openai, { max_tokens: 900 });
    await waitFor("an answer to be held", () => small.open() === 1);
    const error = await refusal(ask(openai, { max_tokens: 900 }));
    expect(error).toMatchObject({ status: 429, code: "rate_limit_exceeded" });
    small.release();
    expect((await held).data.choices[0]?.message.content).toBe(PLAIN_TEXT);
  });
});

describe("what a key may do", () => {
  test("models: others are neither listed nor served, by no name and no way around", async () => {
    const openai = openaiWith((await keys("create", "list", "--model", "sm*")).key);
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(["both", "fast", "small"]);
    expect([await text(openai, "small"), await text(openai, "fast")]).toEqual([PLAIN_TEXT, PLAIN_TEXT]);
    expect((await ask(openai, { model: "both" })).data.model).toBe("small");
    const error = await refusal(ask(openai, { model: "large" }));
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(error).toMatchObject({ code: "model_not_allowed", param: "model" });
    expect(await refusal(openai.models.retrieve("large"))).toMatchObject({ status: 404, code: "model_not_found" });
  });

  test("scopes: what is not among them is 403", async () => {
    const openai = openaiWith((await keys("create", "looks", "--scope", "models:read")).key);
    expect((await openai.models.list()).data.length).toBe(4);
    const error = await refusal(ask(openai));
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(error).toMatchObject({ code: "api_key_scope" });
  });

  test("all of it is listed, and wrong flags are refused with what is allowed", async () => {
    const flags = ["--scope", "chat", "--model", "a*", "--rpm", "60", "--tpm", "10000", "--spend-day", "2.50"];
    const { id } = await keys("create", "all", ...flags, "--spend-total", "0.000001");
    const listed = await keys<Output<"listKeys">>("list");
    expect(listed.keys.find((key) => key.id === id)).toMatchObject({
      scopes: ["chat"],
      models: ["a*"],
      requests_per_minute: 60,
      tokens_per_minute: 10_000,
      spend_day: 2_500_000,
      spend_total: 1,
    });
    const table = await stage.run(coordinator, ["keys", "list"]);
    expect(table.stdout).toContain("60 rpm, 10000 tpm, $2.50 a day, $0.000001 in all");
    for (const wrong of [
      ["--rpm", "0"],
      ["--tpm", "many"],
      ["--spend-day", "-1"],
      ["--scope", "everything"],
    ]) {
      const { code, stderr } = await stage.run(coordinator, ["keys", "create", "x", ...wrong]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`${wrong[0]} `)]);
    }
  });
});

describe("how long a key is good", () => {
  test("rotated with an overlap both work, as one for the limits, until the old one ends", async () => {
    const made = await keys("create", "rotated", "--rpm", "3", "--model", "small");
    const old = openaiWith(made.key);
    await ask(old);
    const overlap = await keys<Output<"rotateKey">>("rotate", made.id, "--overlap", "1h");
    expect(overlap.old_id).toBe(made.id);
    const next = openaiWith(overlap.key);
    expect((await ask(next)).response.headers.get("x-ratelimit-remaining-requests")).toBe("1");
    expect((await ask(old)).response.headers.get("x-ratelimit-remaining-requests")).toBe("0");
    expect(await refusal(ask(next, { model: "large" }))).toMatchObject({ status: 429 });
    expect((await next.models.list()).data.map(({ id }) => id)).not.toContain("large");
    // The next one takes over at once.
    const last = await keys<Output<"rotateKey">>("rotate", overlap.id, "--overlap", "0");
    expect(await refusal(next.models.list())).toBeInstanceOf(OpenAI.AuthenticationError);
    expect((await openaiWith(last.key).models.list()).data.length).toBeGreaterThan(0);
    expect((await old.models.list()).data.length).toBeGreaterThan(0);
  });

  test("at its expiry, and at the end of an overlap, a key is refused", async () => {
    const expiring = await keys("create", "short", "--expires", "2s");
    const rotated = await keys("create", "rotated");
    await keys("rotate", rotated.id, "--overlap", "2s");
    for (const { key } of [expiring, rotated]) {
      const openai = openaiWith(key);
      await waitFor("the key to be refused", async () => {
        const error = await openai.models.list().catch((caught: unknown) => caught);
        return error instanceof OpenAI.AuthenticationError && error.code === "api_key_invalid";
      });
    }
    const listed = await stage.run(coordinator, ["keys", "list"]);
    expect(listed.stdout).toMatch(/short .* expired/);
  });

  test("revoked it is refused from the moment the command is done, and limits outlive a restart", async () => {
    const { id, key } = await keys("create", "revoked");
    const kept = await keys("create", "kept", "--rpm", "1");
    expect(await text(openaiWith(key))).toBe(PLAIN_TEXT);
    await keys("revoke", id);
    expect(await refusal(ask(openaiWith(key)))).toBeInstanceOf(OpenAI.AuthenticationError);
    await coordinator.stop();
    coordinator = await stage.restart(coordinator);
    expect(await refusal(ask(openaiWith(key)))).toBeInstanceOf(OpenAI.AuthenticationError);
    const openai = openaiWith(kept.key);
    await waitFor("the node to be back", async () => (await openai.models.list()).data.length === 4);
    await ask(openai);
    expect(await refusal(ask(openai))).toMatchObject({ status: 429 });
  });
});
