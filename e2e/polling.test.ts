// Existing Infernet daemons: a stand-in that does what the real one was seen to do polls the built executable, alone and
// beside a linked node, is killed in the middle of a job, and outlives the coordinator.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { toHex } from "../src/lib/hex.ts";
import { type CapturedProcess, spawnCaptured } from "./harness/captured-process.ts";
import { type Client, client } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, type Instance, plainEnvironment } from "./harness/instance.ts";
import type { DaemonOptions } from "./harness/polling-daemon.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
const PIECES = ["Hello", " from", " the", " scripted", " backend", "."];

let stage: Stage;
const running = new Set<CapturedProcess>();
beforeAll(async () => {
  stage = await openStage();
});
afterEach(async () => {
  for (const daemon of running) if (daemon.running()) await daemon.kill9();
  running.clear();
});
afterAll(() => stage.close());

function daemon(coordinator: Instance, over: Partial<DaemonOptions> = {}): CapturedProcess {
  const options: DaemonOptions = {
    url: coordinator.url,
    secretKey: toHex(crypto.getRandomValues(new Uint8Array(32))),
    model,
    pieces: PIECES,
    pieceMs: 0,
    pollMs: 50,
    heartbeatMs: 1_000,
    limit: 1,
    ...over,
  };
  const script = join(import.meta.dir, "harness", "polling-daemon.ts");
  const started = spawnCaptured([process.execPath, script, JSON.stringify(options)], {
    cwd: import.meta.dir,
    env: plainEnvironment(stage.directory("daemon")),
  });
  running.add(started);
  return started;
}
async function house(config: string): Promise<{ coordinator: Instance; api: Client }> {
  const { coordinator, key } = await stage.coordinator(config);
  return { coordinator, api: client(() => coordinator.url, key, model) };
}
const nodesOf = async ({ dataDirectory }: Instance) =>
  (await commandJson<Output<"listNodes">>(stage.executable, dataDirectory, ["nodes", "list"])).nodes;
const registered = (one: CapturedProcess, status: string) =>
  one.waitForOutput(new RegExp(`"registered","id":"(\\w+)","status":"${status}"`));

test("without a token it waits for approval, and works as soon as it has it", async () => {
  const { coordinator, api } = await house("");
  const node = daemon(coordinator);
  const [, pubkey = ""] = await registered(node, "pending");
  await node.waitForOutput(/poll failed: key_pending/);
  expect(await nodesOf(coordinator)).toMatchObject([{ pubkey, status: "pending", online: false }]);
  await commandJson(stage.executable, coordinator.dataDirectory, ["nodes", "approve", pubkey]);
  await stage.served(coordinator, model);
  expect(await api.readChat()).toMatchObject({ text: PLAIN_TEXT, done: true });
  expect(await nodesOf(coordinator)).toMatchObject([{ pubkey, status: "approved", online: true, models: [model] }]);
});

test("a key that was allowed beforehand works at once; interrupted, it is off at once", async () => {
  const { coordinator, api } = await house("");
  const secretKey = "11".repeat(32);
  const pubkey = "4f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa";
  await commandJson(stage.executable, coordinator.dataDirectory, ["nodes", "allow", pubkey]);
  const node = daemon(coordinator, { secretKey });
  await registered(node, "available");
  expect(await (await api.chat()).text()).toContain(PLAIN_TEXT);
  node.signal("SIGINT");
  expect(await node.exited).toEqual({ code: 0, signal: null });
  expect(await nodesOf(coordinator)).toMatchObject([{ online: false, models: [] }]);
});

describe("beside a linked node", () => {
  let coordinator: Instance;
  let api: Client;
  let backend: FaultBackend;
  beforeAll(async () => {
    const here = await house('[coordinator]\nregistration = "open"\nbetween_tokens_timeout_s = 2\n');
    ({ coordinator, api } = here);
    backend = stage.backend({ model });
    await stage.node(coordinator, [backend.url], "[node]\nslots = 1");
    await stage.served(coordinator, model);
  });
  afterEach(() => {
    backend.script({ holdAfter: null });
    backend.release();
  });

  test("both answer, and clients cannot tell", async () => {
    const polling = [daemon(coordinator, { pieceMs: 5 }), daemon(coordinator, { pieceMs: 5, limit: 5 })];
    await stage.served(coordinator, model, 3);
    backend.script({ betweenTokensMs: 20 });
    const answers: { node: string | null; text: string }[] = [];
    // Who is slow to poll may miss the first ones.
    await waitFor("each of the three to answer", async () => {
      const more = Array.from({ length: 30 }, async (_, i) => {
        const response = await api.chat({ stream: i % 2 === 0, stream_options: { include_usage: true } });
        return { node: response.headers.get("x-infernet-node"), text: await response.text() };
      });
      answers.push(...(await Promise.all(more)));
      return new Set(answers.map(({ node }) => node)).size === 3;
    });
    const shapes = new Set(answers.filter((_, i) => i % 2 === 0).map(({ text }) => shapeOf(text)));
    expect([...shapes].length).toBe(1);
    for (const [i, { text }] of answers.entries()) {
      const whole = i % 2 === 0 ? contentsOf(text) : (JSON.parse(text).choices[0].message.content as string);
      expect(whole).toBe(PLAIN_TEXT);
    }
    for (const one of polling) expect(one.output()).not.toContain('"error"');
  });

  test("killed in mid-job, its job is answered by the other, once and whole", async () => {
    backend.script({ holdAfter: 0, betweenTokensMs: 0 });
    const blocking = api.chat();
    await waitFor("the linked node to be busy", () => backend.open() === 1);
    const victim = daemon(coordinator, { pieceMs: 300, pieces: Array(100).fill("x ") });
    const id = await api.submitted();
    await waitFor("the first pieces", async () => (await api.job(id)).status === "running");
    await victim.kill9();
    backend.script({ holdAfter: null });
    backend.release();
    const job = await api.jobIn(id, ["completed"]);
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["timed_out", "completed"]);
    expect(job.result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
    expect((await blocking).status).toBe(200);
  });
});

test("a client that leaves frees the daemon's slot, and what it still sends is refused", async () => {
  const { coordinator, api } = await house('[coordinator]\nregistration = "open"\n');
  const node = daemon(coordinator, { pieceMs: 100, pieces: Array(40).fill("x ") });
  await stage.served(coordinator, model);
  const leaving = new AbortController();
  const response = await api.chat({ stream: true }, { signal: leaving.signal });
  await response.body?.getReader().read();
  leaving.abort();
  await node.waitForOutput(/events failed: job_cancelled/);
  await node.waitForOutput(/complete failed: job_cancelled/);
  expect(await nodesOf(coordinator)).toMatchObject([{ online: true, running: 0 }]);
});

test("the coordinator is killed under it: an asynchronous job is answered once and whole, the late attempt is refused", async () => {
  const config = '[coordinator]\nregistration = "open"\nresume_grace_s = 30\n';
  const { key, ...started } = await stage.coordinator(config);
  let { coordinator } = started;
  const api = client(() => coordinator.url, key, model);
  const pieces = Array.from({ length: 30 }, (_, i) => `${i};`);
  const node = daemon(coordinator, { pieceMs: 100, pieces });
  await stage.served(coordinator, model);
  const id = await api.submitted();
  await waitFor("the first pieces", async () => (await api.job(id)).status === "running");
  // However long the start takes, the daemon is in the middle of its job when the coordinator is back.
  node.signal("SIGSTOP");
  await coordinator.kill9();
  coordinator = await stage.restart(coordinator);
  node.signal("SIGCONT");
  const job = await api.jobIn(id, ["completed"]);
  expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["lost", "completed"]);
  expect(job.result?.choices[0]?.message.content).toBe(pieces.join(""));
  expect((await api.readJob(id)).text).toBe(pieces.join(""));
  expect(node.output()).toContain("lease_lapsed");
});

/** The chunks of a stream, without what differs from answer to answer; pieces that were joined count as one. */
function shapeOf(stream: string): string {
  const shapes = chunksOf(stream).map((chunk) =>
    JSON.stringify(chunk, (key, value) =>
      ["id", "created", "content", "prompt_tokens", "completion_tokens", "total_tokens"].includes(key)
        ? typeof value
        : value,
    ),
  );
  return shapes.filter((shape, i) => shape !== shapes[i - 1]).join("\n");
}
type Chunk = { choices: { delta: { content?: string } }[] };
const chunksOf = (stream: string): Chunk[] =>
  stream
    .split("\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice(6)) as Chunk);
const contentsOf = (stream: string): string =>
  chunksOf(stream)
    .map(({ choices }) => choices[0]?.delta.content ?? "")
    .join("");
