// The coordinator is killed (SIGKILL) with jobs in every state and started again on the same data directory: what was
// acknowledged is still there, each job is in its right state, asynchronous jobs go on where they were.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Output } from "../src/admin/operations.ts";
import { type Client, client } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT, type SeenRequest } from "./harness/fault-backend.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { type ChatTranscript, readChat, type SseEvent } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
/** Two running jobs of each kind, dispatched ones of each kind, and everything behind them has to wait. */
const SLOTS = 4;

let stage: Stage;
let coordinator: Instance;
let node: Instance;
let backend: FaultBackend;
let api: Client;

beforeAll(async () => {
  stage = await openStage({ charges: true });
  const started = await stage.coordinator("[coordinator]\nresume_grace_s = 20\n");
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, model);
  backend = stage.backend({ model });
  node = await stage.node(coordinator, [backend.url], `[node]\nslots = ${SLOTS}`);
  await stage.served(coordinator, model);
});
afterAll(() => stage.close());

const sawOf = (mark: string): SeenRequest[] =>
  backend.requests.filter(({ body }) => body.messages?.some(({ content }) => content.includes(mark)));
const marked = (mark: string) => ({ messages: [{ role: "user", content: mark }] });

/** A job or chat that the backend holds after so many pieces. */
async function held(mark: string, after: number, start: () => unknown): Promise<void> {
  backend.scriptNext({ holdAfter: after });
  start();
  await waitFor(`${mark} to be held`, () => sawOf(mark).some(({ state, sent }) => state === "held" && sent === after), {
    detail: () => JSON.stringify(backend.requests) + coordinator.output(),
  });
}

type Reading = { ids: string[]; text: string; ended: Promise<unknown> };

/** Reads the job's stream until the connection breaks; keeps what came. */
function readUntilCut(id: string, lastEventId?: string): Reading {
  const reading: Reading = { ids: [], text: "", ended: Promise.resolve() };
  const onEvent = (event: SseEvent) => {
    if (event.id === null) return;
    reading.ids.push(event.id);
    reading.text += (JSON.parse(event.data) as { text: string }).text;
  };
  reading.ended = api
    .readJob(id, { onEvent, ...(lastEventId ? { lastEventId } : {}) })
    .catch((error: unknown) => error);
  return reading;
}

test("killed with jobs in every state, it goes on with each as it should", async () => {
  const completed = await api.submitted(marked("completed job"));
  expect((await api.jobIn(completed, ["completed"])).result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
  await api.readChat(marked("completed chat"));

  const ids: Record<string, string> = {};
  const submit = (mark: string) => async () => {
    ids[mark] = await api.submitted(marked(mark));
  };
  const chats: Promise<ChatTranscript | Error>[] = [];
  const chat = (mark: string) => () => {
    const ended = api.chat({ stream: true, ...marked(mark) }).then((response) => readChat(response));
    chats.push(ended.catch((error: Error) => error));
  };
  await held("running job", 3, submit("running job"));
  await held("running chat", 3, chat("running chat"));
  await held("dispatched job", 0, submit("dispatched job"));
  await held("dispatched chat", 0, chat("dispatched chat"));
  // All four slots are taken: these wait.
  await submit("queued job")();
  chat("queued chat")();
  await submit("cancelled job")();
  expect((await api.cancel(`${ids["cancelled job"]}`)).status).toBe(200);
  const reading = readUntilCut(`${ids["running job"]}`);
  // Pieces of one moment may come joined.
  await waitFor("what there is to be read", () => reading.text === "Hello from the");
  // Chats are written behind: all of them have to be in the list before the kill for their rows to say anything.
  await waitFor("the chats to be recorded", async () => {
    const states = (await api.jobs()).data.filter(({ kind }) => kind === "chat").map(({ status }) => status);
    return states.toSorted().join() === "completed,dispatched,queued,running";
  });

  await coordinator.kill9();
  await reading.ended;
  for (const ended of await Promise.all(chats)) {
    // The connection was cut: whatever was read, it is not taken for a whole answer.
    expect(ended instanceof Error || !ended.done).toBe(true);
  }
  coordinator = await stage.restart(coordinator);

  const rows = (await api.jobs("?limit=100")).data;
  const chatRows = rows.filter(({ kind }) => kind === "chat");
  expect(chatRows.map(({ status, error }) => error?.code ?? status).toSorted()).toEqual([
    "completed",
    "coordinator_restarted",
    "coordinator_restarted",
    "coordinator_restarted",
  ]);
  const state = (mark: string) => rows.find(({ id }) => id === ids[mark])?.status;
  expect(rows.find(({ id }) => id === completed)?.status).toBe("completed");
  expect(state("cancelled job")).toBe("cancelled");
  for (const mark of ["running job", "dispatched job", "queued job"]) {
    expect(["queued", "dispatched", "running"]).toContain(`${state(mark)}`);
  }

  // The node comes back by itself, and a reader goes on where it was.
  const rest = api.readJob(`${ids["running job"]}`, { lastEventId: `${reading.ids.at(-1)}` });
  await node.waitForOutput(/link lost/);
  await stage.served(coordinator, model);
  backend.release();
  const after = await rest;
  expect(after).toMatchObject({ text: " scripted backend.", done: true });
  expect(new Set([...reading.ids, ...after.ids]).size).toBe(reading.ids.length + after.ids.length);

  for (const mark of ["running job", "dispatched job", "queued job"]) {
    const job = await api.jobIn(`${ids[mark]}`, ["completed"]);
    expect(job.result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["completed"]);
    expect(await api.readJob(job.id)).toMatchObject({ text: PLAIN_TEXT, done: true });
    expect(sawOf(mark).length).toBe(1); // no work was done twice
  }
  expect((await api.job(completed)).result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
  expect(sawOf("cancelled job")).toEqual([]);
});

test("the backend was let go of by the chats that died with the coordinator", async () => {
  await waitFor("no request to be open", () => backend.open() === 0, {
    detail: () => JSON.stringify(backend.requests),
  });
  for (const mark of ["running chat", "dispatched chat"]) {
    expect(sawOf(mark).map(({ state }) => state)).toEqual(["aborted"]);
  }
  expect(sawOf("queued chat")).toEqual([]);
  const nodes = async () =>
    (await commandJson<Output<"listNodes">>(stage.executable, coordinator.dataDirectory, ["nodes", "list"])).nodes;
  await waitFor("nothing to run", async () => (await nodes()).every(({ running }) => running === 0));
  expect(await nodes()).toMatchObject([{ online: true, status: "approved" }]);
});

test("killed together with the node, an asynchronous job starts over on the node's return", async () => {
  let id = "";
  await held("lost job", 3, async () => {
    id = await api.submitted(marked("lost job"));
  });
  await waitFor("its id", () => id !== "");
  const reading = readUntilCut(id);
  await waitFor("what there is to be read", () => reading.text === "Hello from the");
  await Promise.all([coordinator.kill9(), node.kill9()]);
  coordinator = await stage.restart(coordinator);
  node = await stage.restart(node);
  const job = await api.jobIn(id, ["completed"]);
  expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["lost", "completed"]);
  const transcript = await api.readJob(id);
  expect(transcript).toMatchObject({ text: PLAIN_TEXT, done: true });
  expect(transcript.ids.every((piece) => piece.startsWith("2:"))).toBe(true);
  // The two texts do not belong together: who has the beginning of the first is not given the end of the second.
  const goingOn = await api.readJob(id, { lastEventId: `${reading.ids.at(-1)}` });
  expect(goingOn).toMatchObject({ text: "", done: false, error: { code: "stream_restarted" } });
});

test("killed again and again while jobs come in, every job that was acknowledged completes once", async () => {
  backend.script({ betweenTokensMs: 5 });
  const acknowledged: string[] = [];
  let submitting = true;
  const submitAll = async () => {
    for (let n = 0; submitting; n++) {
      const response = await api.submit(marked(`flood ${n}.`)).catch(() => null);
      if (response?.status !== 202) continue;
      // Cut off in mid-answer is no acknowledgement.
      const answer = (await response.json().catch(() => null)) as { id: string } | null;
      if (answer) acknowledged.push(answer.id);
    }
  };
  const submitters = [submitAll(), submitAll()];
  for (let round = 0; round < 3; round++) {
    const before = acknowledged.length;
    await waitFor("more jobs to be taken", () => acknowledged.length >= before + 20);
    await coordinator.kill9();
    coordinator = await stage.restart(coordinator);
  }
  submitting = false;
  await Promise.all(submitters);
  expect(new Set(acknowledged).size).toBe(acknowledged.length);
  for (const id of acknowledged) {
    const job = await api.jobIn(id, ["completed", "failed", "expired", "cancelled"]);
    expect([job.status, job.result?.choices[0]?.message.content]).toEqual(["completed", PLAIN_TEXT]);
  }
  // Those that were taken without a word of it end as well, before the next test asks its backend for something else.
  for (const state of ["queued", "dispatched", "running"])
    await waitFor(`no job to be ${state}`, async () => (await api.jobs(`?status=${state}`)).data.length === 0);
});

test("a reader that is cut off by each kill has the whole text in the end, nothing twice", async () => {
  const tokens = Array.from({ length: 400 }, (_, n) => `word${n} `);
  backend.scriptNext({ tokens, betweenTokensMs: 8, holdAfter: 300 });
  const id = await api.submitted(marked("long job"));
  const ids: string[] = [];
  let text = "";
  // Cut off in mid-flow, and at the hold: however many pieces come joined, the job has not ended by then.
  for (const word of [20, 299]) {
    const part = readUntilCut(id, ids.at(-1));
    await waitFor(`word ${word}`, () => part.text.includes(`word${word} `), { detail: () => coordinator.output() });
    await coordinator.kill9();
    await part.ended;
    ids.push(...part.ids);
    text += part.text;
    coordinator = await stage.restart(coordinator);
  }
  backend.release();
  const last = await api.readJob(id, { lastEventId: `${ids.at(-1)}` });
  expect(last.done).toBe(true);
  expect(text + last.text).toBe(tokens.join(""));
  ids.push(...last.ids);
  expect(new Set(ids).size).toBe(ids.length);
});
