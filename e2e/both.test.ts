// `both` alone: the compiled file, an empty directory, nothing configured, the embedded engine with its demo model.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import type { Output } from "../src/admin/operations.ts";
import { commandJson, type Instance, localApiKey, waitForModel } from "./harness/instance.ts";
import { readChat } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";

let stage: Stage;
let both: Instance;
let model: string;
let client: OpenAI;

const QUESTION = [{ role: "user" as const, content: "What is infernet?" }];
const clientWith = (apiKey: string) => new OpenAI({ baseURL: `${both.url}/v1`, apiKey, maxRetries: 0 });
/** What a call of the openai package failed with. Its promises are lazy, which bun's `rejects` does not see. */
const refusalOf = async (call: PromiseLike<unknown>): Promise<unknown> => {
  const [outcome] = await Promise.allSettled([call.then((value) => value)]);
  return outcome?.status === "rejected" ? outcome.reason : null;
};

beforeAll(async () => {
  stage = await openStage();
  // The machine may run inference servers of its own: they are not what is tested here.
  both = await stage.start({ mode: "both", config: "[node]\nprobe = false\n" });
  model = await waitForModel(stage.executable, both);
  client = clientWith(localApiKey(both));
});
afterAll(() => stage.close());

describe("the first start", () => {
  test("says that the demo model answers", async () => {
    await both.waitForOutput(/demo model/);
    const { models } = await commandJson<Output<"listModels">>(stage.executable, both.dataDirectory, [
      "models",
      "list",
    ]);
    expect(models).toMatchObject([{ name: model, demo: true, nodes: 1 }]);
  });

  test("keeps its directory and its secrets from others", () => {
    expect(statSync(both.dataDirectory).mode & 0o777).toBe(0o700);
    const readable = readdirSync(both.dataDirectory).filter((name) => {
      const stat = statSync(join(both.dataDirectory, name));
      return stat.isFile() && (stat.mode & 0o077) !== 0;
    });
    expect(readable.filter((name) => !/^(infernet\.db|lock)/.test(name))).toEqual([]);
  });
});

describe("the openai package", () => {
  test("lists the model", async () => {
    const ids = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual([model]);
  });

  test("has an answer", async () => {
    const answer = await client.chat.completions.create({ model, messages: QUESTION, max_tokens: 24 });
    expect(answer.object).toBe("chat.completion");
    expect(answer.choices[0]?.message.role).toBe("assistant");
    expect(answer.choices[0]?.message.content).toMatch(/\w{2,}/);
    expect(["stop", "length"]).toContain(`${answer.choices[0]?.finish_reason}`);
    expect(answer.usage?.completion_tokens).toBeWithin(1, 25);
    expect(answer.usage?.prompt_tokens).toBeGreaterThan(0);
  });

  test("has a streamed answer, with its usage at the end when asked for", async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: QUESTION,
      max_tokens: 24,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toMatch(/\w{2,}/);
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason).length).toBe(1);
    const last = chunks.pop();
    expect(last?.choices).toEqual([]);
    expect(last?.usage?.completion_tokens).toBeWithin(1, 25);
    expect(chunks.every(({ usage }) => usage === null)).toBe(true);
  });

  test("streamed and not, the same question with the same seed has the same answer", async () => {
    const request = { model, messages: QUESTION, max_tokens: 24, temperature: 0, seed: 1 };
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({ ...request, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe(whole.choices[0]?.message.content ?? "no answer");
  });

  test("a key that is none is a 401 in OpenAI's shape", async () => {
    const error = await refusalOf(clientWith("inf_nothing").chat.completions.create({ model, messages: QUESTION }));
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: "api_key_invalid", type: "authentication_error", param: null });
  });

  test("a model that nobody serves is a 404 that names those there are", async () => {
    const error = await refusalOf(client.chat.completions.create({ model: "no-such-model", messages: QUESTION }));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ status: 404, code: "model_not_found", param: "model" });
    expect(`${error}`).toContain(model);
  });
});

test("without usage asked for, no chunk has any, and [DONE] ends the stream", async () => {
  const response = await fetch(`${both.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${localApiKey(both)}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: QUESTION, max_tokens: 8, stream: true }),
  });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  expect(response.headers.get("x-infernet-job")).toMatch(/^[0-9a-f-]{36}$/);
  const transcript = await readChat(response);
  expect(transcript).toMatchObject({ done: true, error: null });
  expect(transcript.chunks.some((chunk) => "usage" in chunk)).toBe(false);
});

describe("commands", () => {
  test("chat answers a prompt from its flag and from standard input", async () => {
    const flag = await stage.run(both, ["chat", "--prompt", "Hello", "--max-tokens", "8"]);
    expect(flag).toMatchObject({ code: 0, stderr: "" });
    expect(flag.stdout).toMatch(/\w/);
    const piped = await stage.run(both, ["chat", model, "--max-tokens", "8", "--json"], { stdin: "Hello" });
    expect(piped.code).toBe(0);
    expect(JSON.parse(piped.stdout)).toMatchObject({ model, content: expect.stringMatching(/\w/) });
  });

  test("nodes list shows its own node, let in beforehand", async () => {
    const { nodes } = await commandJson<Output<"listNodes">>(stage.executable, both.dataDirectory, ["nodes", "list"]);
    expect(nodes).toMatchObject([{ status: "approved", online: true, models: [model] }]);
  });

  test("a key works from its creation to its revocation, and no longer", async () => {
    const keys = (...args: string[]) => commandJson<Output<"createKey">>(stage.executable, both.dataDirectory, args);
    const { id, key } = await keys("keys", "create", "short-lived");
    const mine = clientWith(key);
    await mine.models.list();
    const { keys: listed } = await commandJson<Output<"listKeys">>(stage.executable, both.dataDirectory, [
      "keys",
      "list",
    ]);
    expect(listed.find((row) => row.id === id)).toMatchObject({ name: "short-lived", revoked_ms: null });
    expect(JSON.stringify(listed)).not.toContain(key);
    await keys("keys", "revoke", id);
    const error = await refusalOf(mine.chat.completions.create({ model, messages: QUESTION }));
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
  });

  test("a second instance on the same directory is refused", async () => {
    const second = await stage.run(both, ["run", "--port", "0"]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`${both.pid}`);
  });
});

test("after SIGTERM and a new start the same key and the same node are good", async () => {
  const key = localApiKey(both);
  const listNodes = () => commandJson<Output<"listNodes">>(stage.executable, both.dataDirectory, ["nodes", "list"]);
  const [before] = (await listNodes()).nodes;
  expect(await both.stop()).toEqual({ code: 0, signal: null });
  both = await stage.restart(both);
  await waitForModel(stage.executable, both, { model });
  expect(localApiKey(both)).toBe(key);
  expect((await listNodes()).nodes.map(({ pubkey }) => pubkey)).toEqual(before ? [before.pubkey] : []);
  const answer = await clientWith(key).chat.completions.create({ model, messages: QUESTION, max_tokens: 4 });
  expect(answer.choices[0]?.message.content).toMatch(/\w/);
});
