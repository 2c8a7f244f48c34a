// A node is killed (SIGKILL) while it has a job: before its first token nobody notices, after it the client is told. The
// nodes front scripted backends, so that the moment is exact.
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { type Client, client } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import type { Instance } from "./harness/instance.ts";
import { readChat } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

type Pair = { backend: FaultBackend; node: Instance };

let stage: Stage;
let coordinator: Instance;
let api: Client;
let pairs: Pair[];
const model = "scripted-model";

beforeAll(async () => {
  stage = await openStage({ charges: true });
  const started = await stage.coordinator("[coordinator]\nresume_grace_s = 0\n");
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, model);
  pairs = await Promise.all(
    [1, 2].map(async () => {
      const backend = stage.backend({ model });
      return { backend, node: await stage.node(coordinator, [backend.url], "[node]\nslots = 4") };
    }),
  );
  await stage.served(coordinator, model, 2);
});
afterAll(() => stage.close());
afterEach(async () => {
  for (const pair of pairs) {
    pair.backend.script({ holdAfter: null });
    pair.backend.release();
    if (!pair.node.running()) pair.node = await stage.restart(pair.node);
  }
  await stage.served(coordinator, model, 2);
});

/** The node that has the one job there is, once its backend has sent `sent` pieces and holds the rest. */
async function holder(sent: number): Promise<{ busy: Pair; other: Pair }> {
  const busy = await waitFor(
    `a backend to hold an answer after ${sent} pieces`,
    () =>
      pairs.find(({ backend }) => backend.requests.at(-1)?.state === "held" && backend.requests.at(-1)?.sent === sent),
    { detail: () => JSON.stringify(pairs.map(({ backend }) => backend.requests)) + coordinator.output() },
  );
  const other = pairs.find((pair) => pair !== busy);
  if (!other) throw new Error("there are two nodes");
  return { busy, other };
}
const hold = (after: number) => {
  for (const { backend } of pairs) backend.script({ holdAfter: after });
};
const attemptsOf = async (response: Response) =>
  (await api.job(`${response.headers.get("x-infernet-job")}`)).attempts.map(({ outcome }) => outcome);

test.each([true, false])("killed before its first token, the client notices nothing (stream: %p)", async (stream) => {
  hold(0);
  const asked = api.chat({ stream });
  const { busy, other } = await holder(0);
  other.backend.script({ holdAfter: null });
  await busy.node.kill9();
  const response = await asked;
  expect(response.status).toBe(200);
  const text = stream
    ? (await readChat(response)).text
    : ((await response.json()) as { choices: { message: { content: string } }[] }).choices[0]?.message.content;
  expect(text).toBe(PLAIN_TEXT);
  expect(response.headers.get("x-infernet-attempts")).toBe("2");
  expect(other.backend.requests.at(-1)?.state).toBe("finished");
  await api.jobIn(`${response.headers.get("x-infernet-job")}`, ["completed"]);
  expect(await attemptsOf(response)).toEqual(["lost", "completed"]);
});

test("killed in mid-stream, the client is told: an error event, no [DONE], the job failed as node_lost", async () => {
  hold(2);
  const response = await api.chat({ stream: true });
  const { busy, other } = await holder(2);
  const before = other.backend.requests.length;
  let shown = "";
  const reading = readChat(response, (text) => {
    shown = text;
  });
  // At the client: what the node has not sent on yet dies with it.
  await waitFor("the first part to be read", () => shown === "Hello from");
  await busy.node.kill9();
  const transcript = await reading;
  expect(transcript).toMatchObject({ text: "Hello from", done: false, finishReason: null });
  expect(transcript.error).toMatchObject({ code: "node_lost", type: "server_error", param: null });
  expect(transcript.error?.message).toContain("again");
  const job = await api.jobIn(`${response.headers.get("x-infernet-job")}`, ["failed"]);
  expect(job.error?.code).toBe("node_lost");
  expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["lost"]);
  expect(other.backend.requests.length).toBe(before); // what was shown can not be taken back, so nobody starts over
});

test("killed in the middle of an answer that is not streamed, another node starts over", async () => {
  hold(3);
  const asked = api.chat({ stream: false });
  const { busy, other } = await holder(3);
  // The pieces have to be with the coordinator, else this is the first case again.
  await waitFor("the answer to have begun", async () => (await api.jobs("?status=running")).data.length === 1);
  other.backend.script({ holdAfter: null });
  await busy.node.kill9();
  const response = await asked;
  expect(response.status).toBe(200);
  const answer = (await response.json()) as { choices: { message: { content: string } }[]; usage: object };
  expect(answer.choices[0]?.message.content).toBe(PLAIN_TEXT);
  expect(answer.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 });
  expect(response.headers.get("x-infernet-attempts")).toBe("2");
});

test("killed in the middle of an asynchronous job that nobody reads, another node starts over", async () => {
  hold(3);
  const id = await api.submitted();
  const { busy, other } = await holder(3);
  await api.jobIn(id, ["running"]);
  other.backend.script({ holdAfter: null });
  await busy.node.kill9();
  const job = await api.jobIn(id, ["completed"]);
  expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["lost", "completed"]);
  expect(job.result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
  const transcript = await api.readJob(id);
  expect(transcript).toMatchObject({ text: PLAIN_TEXT, done: true });
  expect(new Set(transcript.ids.map((piece) => piece.split(":")[0]))).toEqual(new Set(["2"]));
});

test("with every node killed before the first token, the client is told that all are offline", async () => {
  hold(0);
  const asked = api.chat({ stream: true });
  await holder(0);
  await Promise.all(pairs.map(({ node }) => node.kill9()));
  const response = await asked;
  expect(response.status).toBe(503);
  expect(((await response.json()) as { error: object }).error).toMatchObject({ code: "no_nodes_online", param: null });
  expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
});
