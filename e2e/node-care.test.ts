// A node that is in its owner's way steps aside: foreign load on GPU or CPU, the owner's word, a schedule. What ran on
// it goes on elsewhere. No machine that runs this has a GPU: nvidia-smi is a script here, whose answers the test sets.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { client } from "./harness/client.ts";
import { PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, createJoinToken, type Instance, waitForModel } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const statusOf = ({ dataDirectory }: Instance) =>
  commandJson<Output<"status">>(stage.executable, dataDirectory, ["status"]);
const standingOf = async (node: Instance) => (await statusOf(node)).node;
/** Waits for the node's own word, since asking again and again would itself be a load on this machine. */
async function untilIt(node: Instance, status: "available" | "paused") {
  // Its last word: a machine that is busy with other things may have had it pause before.
  const word =
    status === "paused"
      ? /the node takes no jobs(?![\s\S]*the node takes jobs again)/
      : /the node takes jobs again(?![\s\S]*the node takes no jobs)/;
  await node.waitForOutput(word, { detail: () => `${node.output()}load average: ${loadavg()}` });
  const standing = await standingOf(node);
  expect(standing?.status).toBe(status);
  return standing;
}

/** A stand-in for nvidia-smi on PATH: one card, whose load the test sets. */
function fakeGpu() {
  const bin = stage.directory("bin");
  const answers = { query: join(bin, "query"), processes: join(bin, "processes") };
  // The game is process 1: it descends neither from the node nor from this process, which is the node's backend.
  const use = (percent: number) => {
    writeFileSync(answers.processes, `# gpu pid type sm mem enc dec command\n    0  1  G  ${percent}  1  -  -  game\n`);
    writeFileSync(answers.query, `Fake RTX 4090, 550.54.14, 24564, 2000, ${percent}, 60\n`);
  };
  use(0);
  const script = `#!/bin/sh\ncase "$1" in pmon) cat ${answers.processes} ;; *) cat ${answers.query} ;; esac\n`;
  writeFileSync(join(bin, "nvidia-smi"), script, { mode: 0o755 });
  return { use, env: { PATH: `${bin}:${process.env.PATH ?? ""}` } };
}

const IDLE_ONLY = "[node]\nidle_only = true\nidle_busy_s = 2\nidle_resume_s = 2\nidle_drain_s = 1\n";

test("a game on the GPU: the node pauses, its job goes on elsewhere without blame, and afterwards it is back", async () => {
  const gpu = fakeGpu();
  const { coordinator, key } = await stage.coordinator();
  const api = client(() => coordinator.url, key, model);
  const [mine, other] = [stage.backend({ model }), stage.backend({ model })];
  const token = await createJoinToken(stage.executable, coordinator);
  // The processor's load is the test machine's own affair here.
  const config = `${IDLE_ONLY}idle_cpu_percent = 0\nslots = 1\njoin_token = "${token}"\n`;
  const backends = `[[node.backends]]\nkind = "openai"\nurl = "${mine.url}"\n`;
  const gamer = await stage.start({ mode: "node", config: config + backends, env: gpu.env });
  await stage.served(coordinator, model);
  mine.script({ holdAfter: 2 });
  const id = await api.submitted();
  await waitFor("the job to be held", () => mine.requests[0]?.state === "held");
  await stage.node(coordinator, [other.url], "[node]\nslots = 1");
  await stage.served(coordinator, model, 2);

  gpu.use(60);
  expect((await untilIt(gamer, "paused"))?.reason).toContain("the GPU is in use by others");
  const job = await api.jobIn(id, ["completed"], { detail: () => gamer.output() + coordinator.output() });
  expect(job.result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
  expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["refused", "completed"]);
  await waitFor("its backend to be let go of", () => mine.requests[0]?.state === "aborted");
  // Everything goes to the other node meanwhile.
  for (let i = 0; i < 3; i++) expect((await api.readChat()).text).toBe(PLAIN_TEXT);
  expect(mine.requests).toHaveLength(1);
  const { checks } = await doctor(gamer, gpu.env);
  expect(checks).toContainEqual(expect.objectContaining({ name: "taking jobs", state: "warning" }));
  expect(checks.find(({ name }) => name === "GPU")?.message).toContain("Fake RTX 4090: 24.0 GiB");

  gpu.use(3);
  expect(await untilIt(gamer, "available")).toEqual({ status: "available", reason: null });
  mine.script({ holdAfter: null });
  await waitFor("it to get jobs again", async () => {
    await Promise.all([api.readChat(), api.readChat()]);
    return mine.requests.length > 1;
  });
});

type Findings = { checks: { name: string; state: string; message: string }[] };
async function doctor({ dataDirectory }: Instance, env: Record<string, string>): Promise<Findings> {
  const cmd = [stage.executable, "--data-dir", dataDirectory, "doctor", "--json"];
  const child = Bun.spawn(cmd, {
    cwd: dataDirectory,
    env: { HOME: dataDirectory, ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(await child.stdout.text()) as Findings;
}

test("a busy processor: the node pauses within its bound, every job ends well, and it is back when the load is over", async () => {
  const cores = availableParallelism();
  const { coordinator, key } = await stage.coordinator();
  // The other node's engine takes one core, which is foreign to this one: the threshold lies above that.
  const config = `${IDLE_ONLY}idle_cpu_percent = 85\nprobe = false\n`;
  const node = async (text: string) => {
    const token = await createJoinToken(stage.executable, coordinator);
    return stage.start({ mode: "node", config: `${text}join_token = "${token}"\n` });
  };
  const owner = await node(config);
  await node("[node]\nprobe = false\n");
  const demo = await waitForModel(stage.executable, coordinator, { nodes: 2 });
  const api = client(() => coordinator.url, key, demo);
  const jobs = await Promise.all(Array.from({ length: 12 }, () => api.submitted({ max_tokens: 200 })));

  const load = Array.from({ length: 4 * cores }, () => Bun.spawn(["sh", "-c", "while :; do :; done"]));
  try {
    expect((await untilIt(owner, "paused"))?.reason).toContain("the CPU is in use by others");
    await waitFor("nothing to run on it", async () => (await statusOf(owner)).jobs.running === 0);
  } finally {
    for (const child of load) child.kill("SIGKILL");
  }
  for (const id of jobs) {
    const { attempts, error } = await api.jobIn(id, ["completed"]);
    expect(error).toBeNull();
    // Refused at most: nobody is blamed, and none is lost.
    expect(attempts.at(-1)?.outcome).toBe("completed");
    for (const { outcome } of attempts.slice(0, -1)) expect(outcome).toBe("refused");
  }
  const standing = await untilIt(owner, "available").catch(() => standingOf(owner));
  // Whatever else runs on the test's machine is foreign to the node too, and it stays away for that.
  const [lastMinute = 0] = loadavg();
  if (standing?.status === "paused" && lastMinute >= cores)
    expect(standing.reason).toContain("the CPU is in use by others");
  else expect(standing).toEqual({ status: "available", reason: null });
});

test("pause and resume: by hand, over a restart, alone and in a coordinator's own process", async () => {
  const { coordinator, key } = await stage.coordinator();
  const api = client(() => coordinator.url, key, model);
  const backend = stage.backend({ model });
  let node = await stage.node(coordinator, [backend.url]);
  await stage.served(coordinator, model);
  const paused = await stage.run(node, ["pause", "--reason", "the fans are loud"]);
  expect(paused).toMatchObject({ code: 0, stdout: "the node takes no more jobs\n" });
  expect((await stage.run(node, ["status"])).stdout).toContain("node      paused: the fans are loud");
  const waiting = await api.submitted();
  await node.stop();
  node = await stage.restart(node);
  expect(await standingOf(node)).toEqual({ status: "paused", reason: "the fans are loud" });
  expect(backend.requests).toHaveLength(0);
  expect(await stage.run(node, ["resume"])).toMatchObject({ code: 0, stdout: "the node takes jobs\n" });
  expect((await api.jobIn(waiting, ["completed"])).attempts.at(-1)?.outcome).toBe("completed");

  const both = await stage.start({ mode: "both", config: "[node]\nprobe = false\n" });
  expect((await stage.run(both, ["pause", "--json"])).stdout).toContain('"status": "paused"');
  expect((await standingOf(both))?.status).toBe("paused");
  expect((await stage.run(both, ["resume"])).code).toBe(0);
  expect(await stage.run(coordinator, ["pause"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("there is no node in it"),
  });
});

test("outside of its schedule a node takes nothing, and says until when", async () => {
  const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
  const inThreeDays = days[(new Date().getDay() + 3) % 7];
  const { coordinator } = await stage.coordinator();
  const backend = stage.backend({ model });
  const node = await stage.node(coordinator, [backend.url], `[node]\nschedule = ["${inThreeDays} 08:00-09:00"]`);
  const reason = `outside of its schedule until ${inThreeDays} 08:00`;
  expect(await standingOf(node)).toEqual({ status: "paused", reason });
  expect(await stage.run(node, ["resume"])).toMatchObject({
    code: 0,
    stdout: `the node is still paused: ${reason}\n`,
  });
});
