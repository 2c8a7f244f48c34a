// Commands to nodes, from the command line over the coordinator to the node and its backend, with either side killed in
// between. The backend is a scripted stand-in for Ollama, so that the moment is exact.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { CommandRow, Output } from "../src/admin/operations.ts";
import { spawnCaptured } from "./harness/captured-process.ts";
import { type Client, client } from "./harness/client.ts";
import { commandJson, createJoinToken, type Instance, plainEnvironment } from "./harness/instance.ts";
import { type ScriptedOllama, startScriptedOllama, TOTAL } from "./harness/scripted-ollama.ts";
import { readChat } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const MODEL = "llama3.2:1b";
let stage: Stage;
let coordinator: Instance;
let node: Instance;
let ollama: ScriptedOllama;
let api: Client;

async function startNode(allow: string): Promise<Instance> {
  const token = await createJoinToken(stage.executable, coordinator);
  const backend = `[[node.backends]]\nkind = "ollama"\nurl = "${ollama.url}"\n`;
  return stage.start({ mode: "node", config: `[node]\nname = "gpu-1"\n${allow}join_token = "${token}"\n${backend}` });
}
const nodesList = async () =>
  (await commandJson<Output<"listNodes">>(stage.executable, coordinator.dataDirectory, ["nodes", "list"])).nodes;
const isOnline = () =>
  waitFor("the node to be online", async () =>
    (await nodesList()).some(({ name, online }) => name === "gpu-1" && online),
  );
const listed = async (): Promise<CommandRow[]> =>
  (await commandJson<Output<"listCommands">>(stage.executable, coordinator.dataDirectory, ["nodes", "commands"]))
    .commands;
const newest = (state: CommandRow["state"]) =>
  waitFor(
    `the newest command to be ${state}`,
    async () => {
      const [row] = await listed();
      return row?.state === state ? row : null;
    },
    { detail: () => coordinator.output() + node.output() },
  );
/** A command in the foreground, as a user has it. */
const foreground = (...args: string[]) =>
  spawnCaptured([stage.executable, "--data-dir", coordinator.dataDirectory, ...args], {
    cwd: coordinator.dataDirectory,
    env: plainEnvironment(coordinator.dataDirectory),
  });
const pulling = (count: number) =>
  waitFor("the pull to begin", () => ollama.pulls.length >= count && ollama.pulls.at(-1)?.state === "pulling");

beforeAll(async () => {
  stage = await openStage();
  const started = await stage.coordinator("[coordinator]\nresume_grace_s = 5\n");
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, "m");
});
afterAll(() => stage.close());
beforeEach(async () => {
  ollama = startScriptedOllama(["m"]);
  node = await startNode("");
  await isOnline();
});
afterEach(async () => {
  await node.kill9();
  ollama.close();
  for (const { pubkey } of await nodesList()) await stage.run(coordinator, ["nodes", "eject", pubkey]);
});

test("a model is installed with its progress on the way, is served then, and is removed", async () => {
  const install = foreground("models", "install", MODEL);
  await pulling(1);
  ollama.pullTo(TOTAL / 2);
  await install.waitForOutput(/gpu-1: pulling 6a0746a1ec1a 50 % \(500\.0 kB of 1\.0 MB\)/);
  const running = await newest("running");
  expect(running).toMatchObject({ command: "model_install", model: MODEL, node_name: "gpu-1", online: true });
  ollama.finishPull();
  expect(await install.exited).toMatchObject({ code: 0 });
  expect(install.output()).toContain(`${MODEL} is installed on gpu-1`);
  const { models } = await commandJson<Output<"listModels">>(stage.executable, coordinator.dataDirectory, [
    "models",
    "list",
  ]);
  expect(models.map(({ name }) => name)).toContain(MODEL);
  const removed = await stage.run(coordinator, ["models", "remove", MODEL, "--node", "gpu-1"]);
  expect(removed).toMatchObject({ code: 0, stdout: `${MODEL} is removed from gpu-1\n` });
  expect(ollama.models.has(MODEL)).toBe(false);
  const gone = await stage.run(coordinator, ["models", "remove", MODEL, "--json"]);
  expect(gone.code).toBe(1);
  expect(JSON.parse(gone.stdout)).toMatchObject({ commands: [{ state: "failed" }] });
});

test("the coordinator is killed in mid-pull: the pull goes on, whoever waits sees it end, and it is done once", async () => {
  const install = foreground("models", "install", MODEL);
  await pulling(1);
  ollama.pullTo(1000);
  await newest("running");
  await coordinator.kill9();
  ollama.finishPull();
  coordinator = await stage.restart(coordinator);
  expect(await install.exited).toMatchObject({ code: 0 });
  await newest("completed");
  expect(ollama.pulls.map(({ state }) => state)).toEqual(["done"]);
});

test("the node is killed in mid-pull: it pulls again when it is back, and the command ends", async () => {
  const detached = await stage.run(coordinator, ["models", "install", MODEL, "--detach"]);
  expect(detached.code).toBe(0);
  await pulling(1);
  await node.kill9();
  await waitFor("the pull to be left", () => ollama.pulls[0]?.state === "left");
  node = await stage.restart(node);
  await pulling(2);
  ollama.finishPull();
  expect(await newest("completed")).toMatchObject({ model: MODEL, error: null });
  expect(detached.stdout).toContain((await listed())[0]?.id ?? "?");
});

test("Ctrl-C closes the pull's connection, and the command ends as cancelled", async () => {
  const install = foreground("models", "install", MODEL);
  await pulling(1);
  await newest("running");
  install.signal("SIGINT");
  await waitFor("the pull to be left", () => ollama.pulls[0]?.state === "left");
  expect(await install.exited).toMatchObject({ code: 1 });
  expect(install.output()).toContain("gpu-1: cancelled");
  await newest("cancelled");
});

test("what the library refuses is told as the backend said it", async () => {
  const install = foreground("models", "install", "no-such-model");
  await pulling(1);
  ollama.failPull("pull model manifest: file does not exist");
  expect(await install.exited).toMatchObject({ code: 1 });
  expect(install.output()).toContain("file does not exist");
});

test("what the node's owner does not allow is refused with a word for it, and exit code 4", async () => {
  await node.kill9();
  const kept = ollama;
  ollama = startScriptedOllama(["m"]);
  node = await startNode('allow_commands = ["drain", "resume"]\n');
  const { pubkey } = await commandJson<Output<"status">>(stage.executable, node.dataDirectory, ["status"]);
  const refused = await stage.run(coordinator, ["models", "install", MODEL, "--node", pubkey]);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain(
    "refused: this node does not let its coordinators install models (node.allow_commands)",
  );
  expect(ollama.pulls).toEqual([]);
  const own = await stage.run(node, ["models", "install", "../../etc/passwd"]);
  expect(own.code).toBe(2);
  kept.close();
});

test("its own operator may, without the coordinator", async () => {
  const install = Bun.spawn(
    [stage.executable, "--data-dir", node.dataDirectory, "models", "install", MODEL, "--json"],
    {
      env: plainEnvironment(node.dataDirectory),
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  await pulling(1);
  ollama.finishPull();
  expect(await install.exited).toBe(0);
  expect(await install.stdout.json()).toMatchObject({ commands: [{ state: "completed", model: MODEL }] });
  expect(await listed()).not.toContainEqual(
    expect.objectContaining({ node_name: "gpu-1", model: MODEL, state: "running" }),
  );
});

test("drained, a node lets its job end and gets no other, over a restart too, until it is resumed", async () => {
  await stage.served(coordinator, "m");
  const response = await api.chat({ stream: true });
  const transcript = readChat(response);
  await waitFor("the answer to be held", () => ollama.holding() === 1);
  expect(await stage.run(coordinator, ["nodes", "command", "gpu-1", "drain"])).toMatchObject({
    code: 0,
    stdout: "gpu-1 takes no more jobs\n",
  });
  const waiting = await api.submitted({ messages: [{ role: "user", content: "later" }] });
  const table = (await stage.run(coordinator, ["nodes", "list"])).stdout;
  expect(table).toContain("draining: drained on request");
  ollama.release();
  expect(await transcript).toMatchObject({ text: "Hello there", done: true });
  expect((await api.job(waiting)).status).toBe("queued");
  await node.kill9();
  node = await stage.restart(node);
  await isOnline();
  await waitFor("it to be drained still", async () =>
    (await nodesList()).some(({ standing }) => standing?.status === "draining"),
  );
  expect(ollama.holding()).toBe(0);
  expect((await stage.run(coordinator, ["nodes", "command", "gpu-1", "resume"])).code).toBe(0);
  await waitFor("the waiting job to come", () => ollama.holding() === 1);
  ollama.release();
  expect((await api.jobIn(waiting, ["completed"])).result?.choices[0]?.message.content).toBe("Hello there");
});

test("restarted, a node is the same process anew, once", async () => {
  const starts = () => node.output().split("answers at").length - 1;
  expect(starts()).toBe(1);
  expect(await stage.run(coordinator, ["nodes", "command", "gpu-1", "restart"])).toMatchObject({ code: 0 });
  await waitFor("it to start again", () => starts() === 2, { detail: () => node.output() });
  expect(node.running()).toBe(true);
  await isOnline();
  const { pid } = await commandJson<Output<"status">>(stage.executable, node.dataDirectory, ["status"]);
  expect(pid).toBe(node.pid);
  expect((await newest("completed")).command).toBe("restart");
  expect(starts()).toBe(2);
});
