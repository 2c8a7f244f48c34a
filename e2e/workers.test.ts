// External workers: the example of the documentation, run as it stands.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { type CapturedProcess, spawnCaptured } from "./harness/captured-process.ts";
import { type Client, client } from "./harness/client.ts";
import { commandJson, type Instance, plainEnvironment } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
let coordinator: Instance;
let api: Client;
let script: string;
let worker: CapturedProcess;

const keyFor = async (...args: string[]): Promise<string> =>
  (await commandJson<Output<"createKey">>(stage.executable, coordinator.dataDirectory, ["keys", "create", ...args]))
    .key;
async function start(key: string): Promise<CapturedProcess> {
  const env = { ...plainEnvironment(stage.directory("home")), INFERNET_URL: coordinator.url, INFERNET_KEY: key };
  return spawnCaptured(["python3", "-u", script], { cwd: stage.directory("worker"), env });
}

beforeAll(async () => {
  stage = await openStage();
  const started = await stage.coordinator();
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, "parrot");
  const page = readFileSync(join(import.meta.dir, "..", "src", "http", "worker", "README.md"), "utf8");
  const [, code = ""] = page.match(/```python\n([\s\S]*?)```/) ?? [];
  expect(code.split("\n").length).toBeLessThan(32);
  script = join(stage.directory("script"), "worker.py");
  writeFileSync(script, code);
  worker = await start(await keyFor("scripts", "--role", "operator"));
  await stage.served(coordinator, "parrot");
});
afterAll(async () => {
  await worker.kill9();
  await stage.close();
});

test("the documented script serves a model: streamed, whole and as a job", async () => {
  const said = "You said: Hello? ";
  expect(await api.readChat()).toMatchObject({ text: said, done: true });
  const whole = (await (await api.chat()).json()) as { choices: { message: { content: string } }[] };
  expect(whole.choices[0]?.message.content).toBe(said);
  const id = await api.submitted();
  expect((await api.jobIn(id, ["completed"])).result?.choices[0]?.message.content).toBe(said);
});

test("a client's key does not do", async () => {
  const refused = await start(await keyFor("clients"));
  await refused.waitForOutput(/HTTP Error 403/);
  await refused.exited;
});

test("after a restart of the coordinator a worker that asks again is there again", async () => {
  await coordinator.kill9();
  coordinator = await stage.restart(coordinator);
  // The script has no patience for a coordinator that is away; whoever starts it has.
  await worker.exited;
  worker = await start(await keyFor("scripts", "--role", "operator"));
  await waitFor("an answer", async () => (await api.chat()).status === 200);
});
