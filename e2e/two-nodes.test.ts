// A coordinator and two separate nodes, joined by tokens. The nodes front scripted backends, so that a test can hold an
// answer and see which node has it.
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import OpenAI from "openai";
import type { Output } from "../src/admin/operations.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, createJoinToken, type Instance } from "./harness/instance.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
let coordinator: Instance;
let nodes: Instance[];
let backends: FaultBackend[];
let client: OpenAI;
const model = "scripted-model";
const ONE_SLOT = "[node]\nslots = 1";

const chat = () => ({ model, messages: [{ role: "user" as const, content: "Hello?" }] });
const listNodes = async () =>
  (await commandJson<Output<"listNodes">>(stage.executable, coordinator.dataDirectory, ["nodes", "list"])).nodes;
const seen = () => backends.map(({ requests }) => requests.length);

beforeAll(async () => {
  stage = await openStage();
  const started = await stage.coordinator();
  coordinator = started.coordinator;
  client = new OpenAI({ baseURL: `${coordinator.url}/v1`, apiKey: started.key, maxRetries: 0 });
  backends = [stage.backend({ model }), stage.backend({ model })];
  nodes = await Promise.all(backends.map(({ url }) => stage.node(coordinator, [url], ONE_SLOT)));
  await stage.served(coordinator, model, 2);
});
afterEach(() => {
  for (const backend of backends) {
    backend.script({ holdAfter: null });
    backend.release();
  }
});
afterAll(() => stage.close());

test("both nodes are approved, online and have one slot each", async () => {
  const node = { status: "approved", online: true, slots: 1, models: [model] };
  expect(await listNodes()).toMatchObject([node, node]);
});

test("the openai package has its answer from a node, streamed and not", async () => {
  const whole = await client.chat.completions.create(chat());
  expect(whole.choices[0]?.message.content).toBe(PLAIN_TEXT);
  expect(whole.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 });
  const stream = await client.chat.completions.create({ ...chat(), stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  expect(text).toBe(PLAIN_TEXT);
});

test("the answer names the job, the node and the attempts", async () => {
  const { response } = await client.chat.completions.create(chat()).withResponse();
  const keys = (await listNodes()).map(({ pubkey }) => `${pubkey}`);
  expect(keys).toContain(`${response.headers.get("x-infernet-node")}`);
  expect(response.headers.get("x-infernet-job")).toMatch(/^[0-9a-f-]{36}$/);
  expect(response.headers.get("x-infernet-attempts")).toBe("1");
});

test("with one slot each, two answers at once come from both nodes, and a third waits for the first that is free", async () => {
  for (const backend of backends) backend.script({ holdAfter: 1 });
  const before = seen();
  const answers = [1, 2, 3].map(() => client.chat.completions.create(chat()));
  await waitFor("one answer held at each backend", () => backends.every((backend) => backend.open() === 1));
  for (const backend of backends) {
    backend.script({ holdAfter: null });
    backend.release();
  }
  const texts = (await Promise.all(answers)).map(({ choices }) => choices[0]?.message.content);
  expect(texts).toEqual([PLAIN_TEXT, PLAIN_TEXT, PLAIN_TEXT]);
  const [first = 0, second = 0] = seen().map((count, index) => count - (before[index] ?? 0));
  expect([first, second].toSorted()).toEqual([1, 2]);
});

test("a client that leaves is felt by the backend, and its slot is free again", async () => {
  for (const backend of backends) backend.script({ holdAfter: 2 });
  const stream = await client.chat.completions.create({ ...chat(), stream: true });
  let read = "";
  for await (const { choices } of stream) {
    read += choices[0]?.delta.content ?? "";
    if (read === "Hello from") break; // leaving the loop ends the request
  }
  await waitFor("the backend to see it", () => backends.some(({ requests }) => requests.at(-1)?.state === "aborted"));
  expect(backends.map((backend) => backend.open())).toEqual([0, 0]);
  await waitFor("both slots to be free", async () => (await listNodes()).every(({ running }) => running === 0));
});

test("a token lets one node in, not two", async () => {
  const token = await createJoinToken(stage.executable, coordinator);
  const config = `[node]\njoin_token = "${token}"\n${backendsToml([backends[0]?.url ?? ""])}`;
  const first = await stage.start({ mode: "node", config });
  await stage.served(coordinator, model, 3);
  const second = await stage.start({ mode: "node", config });
  await second.waitForOutput(/join_token_used|token.*used/i);
  const online = (await listNodes()).filter(({ status }) => status === "approved");
  expect(online.length).toBe(3);
  await Promise.all([first, second].map((node) => node.kill9()));
});

test("a node that is stopped takes no more work, and one that starts again needs no new token", async () => {
  const [stopped, other] = nodes;
  if (!stopped || !other) throw new Error("two nodes were started");
  expect(await stopped.stop()).toEqual({ code: 0, signal: null });
  await waitFor("one node to be left", async () => (await listNodes()).filter(({ online }) => online).length === 1);
  const before = backends[0]?.requests.length;
  expect((await client.chat.completions.create(chat())).choices[0]?.message.content).toBe(PLAIN_TEXT);
  expect(backends[0]?.requests.length).toBe(before ?? -1);
  nodes[0] = await stage.restart(stopped);
  await waitFor("both nodes", async () => (await listNodes()).filter(({ online }) => online).length === 2);
});

test("an ejected node has no work and does not come back", async () => {
  const [, ejected] = nodes;
  if (!ejected) throw new Error("two nodes were started");
  const backend = backends[1];
  const pubkeys = await listNodes();
  const before = backend?.requests.length ?? -1;
  const status = await commandJson<Output<"status">>(stage.executable, ejected.dataDirectory, ["status"]);
  expect(pubkeys.map(({ pubkey }) => pubkey)).toContain(status.pubkey);
  await commandJson(stage.executable, coordinator.dataDirectory, ["nodes", "eject", status.pubkey]);
  await ejected.waitForOutput(/ejected/);
  for (let index = 0; index < 3; index++) await client.chat.completions.create(chat());
  expect(backend?.requests.length).toBe(before);
  expect((await listNodes()).find(({ pubkey }) => pubkey === status.pubkey)).toMatchObject({
    status: "ejected",
    online: false,
  });
});
