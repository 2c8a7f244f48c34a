// SIGTERM drains: what runs finishes, nothing new is taken, and the process ends with 0.
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import type { Output } from "../src/admin/operations.ts";
import { type Client, client, refusalOf } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { readChat } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
const GOOD_END = { code: 0, signal: null };

let stage: Stage;
let coordinator: Instance;
let node: Instance;
let backend: FaultBackend;
let api: Client;

async function start(config: string, slots = 1): Promise<void> {
  const started = await stage.coordinator(config);
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, model);
  backend = stage.backend({ model });
  node = await stage.node(coordinator, [backend.url], `[node]\nslots = ${slots}`);
  await stage.served(coordinator, model);
}
beforeEach(async () => {
  stage = await openStage({ charges: true });
});
afterEach(() => stage.close());
afterAll(() => stage.close());

/** A streamed chat that has begun and is held after two pieces; its text as it comes. */
async function heldChat() {
  backend.scriptNext({ holdAfter: 2 });
  const before = backend.requests.length;
  const response = await api.chat({ stream: true });
  await waitFor("the answer to be held", () => backend.requests[before]?.state === "held");
  return { transcript: readChat(response), seen: () => backend.requests[before] };
}

test("a coordinator lets the stream that runs finish, refuses what is new, keeps its asynchronous jobs, and ends with 0", async () => {
  await start("[coordinator]\ndrain_timeout_s = 20\n");
  const running = await heldChat();
  const waiting = await api.submitted({ messages: [{ role: "user", content: "waiting" }] });
  coordinator.signal("SIGTERM");
  await waitFor("it to say so", async () => (await fetch(`${coordinator.url}/readyz`)).status === 503);
  expect((await fetch(`${coordinator.url}/healthz`)).status).toBe(200);
  for (const refused of [await api.chat({ stream: true }), await api.chat(), await api.submit()]) {
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await refusalOf(refused)).toMatchObject({ status: 503, code: "draining", type: "server_error" });
  }
  expect(coordinator.running()).toBe(true);
  backend.release();
  expect(await running.transcript).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
  expect(await coordinator.exited).toEqual(GOOD_END);

  coordinator = await stage.restart(coordinator);
  const job = await api.jobIn(waiting, ["completed"]);
  expect(job.result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
});

test("what does not finish within the limit is told so, and its backend is let go of", async () => {
  await start("[coordinator]\ndrain_timeout_s = 1\n");
  const running = await heldChat();
  coordinator.signal("SIGTERM");
  const transcript = await running.transcript;
  expect(transcript).toMatchObject({ text: "Hello from", done: false, error: { code: "draining" } });
  expect(await coordinator.exited).toEqual(GOOD_END);
  await waitFor("the backend to see it", () => running.seen()?.state === "aborted");
});

test("a node lets what runs on it finish, takes nothing new, and ends with 0", async () => {
  await start("", 4);
  const running = await heldChat();
  node.signal("SIGTERM");
  const before = backend.requests.length;
  const second = stage.backend({ model });
  const other = await stage.node(coordinator, [second.url], "[node]\nslots = 1");
  await other.waitForOutput(/answers at/);
  await waitFor("the other node to be the one that takes work", async () => {
    const { nodes } = await commandJson<Output<"listNodes">>(stage.executable, coordinator.dataDirectory, [
      "nodes",
      "list",
    ]);
    return nodes.length === 2 && nodes.every(({ online }) => online);
  });
  expect((await api.readChat()).text).toBe(PLAIN_TEXT);
  expect(second.requests.length).toBe(1);
  expect(backend.requests.length).toBe(before);
  backend.release();
  expect(await running.transcript).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
  expect(await node.exited).toEqual(GOOD_END);
});

test("idle, all three modes end with 0 at once", async () => {
  await start("");
  const both = await stage.start({ mode: "both", config: "[node]\nprobe = false\n" });
  for (const instance of [both, node, coordinator]) expect(await instance.stop()).toEqual(GOOD_END);
});

test("SIGINT drains as SIGTERM does, and a second one does not wait", async () => {
  await start("[coordinator]\ndrain_timeout_s = 600\n");
  const running = await heldChat();
  coordinator.signal("SIGINT");
  await waitFor("it to say so", async () => (await fetch(`${coordinator.url}/readyz`)).status === 503);
  const cut = running.transcript.catch((error: unknown) => error);
  coordinator.signal("SIGINT");
  expect(await coordinator.exited).toEqual(GOOD_END);
  expect(await cut).toBeInstanceOf(Error);
});
