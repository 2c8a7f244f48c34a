// A client that leaves: its backend is told at once, streamed or not, wherever the job is.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Client, client } from "./harness/client.ts";
import type { FaultBackend, SeenRequest } from "./harness/fault-backend.ts";
import type { Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

/** How long the backend may take to hear of it: far more than it takes, since the machine may be busy. */
const BOUND_MS = 10_000;
const model = "scripted-model";

let stage: Stage;
let coordinator: Instance;
let backend: FaultBackend;
let api: Client;

beforeAll(async () => {
  stage = await openStage({ charges: true });
  const started = await stage.coordinator();
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, model);
  backend = stage.backend({ model });
  await stage.node(coordinator, [backend.url], "[node]\nslots = 1");
  await stage.served(coordinator, model);
});
afterEach(() => {
  backend.script({ holdAfter: null });
  backend.release();
});
afterAll(() => stage.close());

/** Begins a chat whose answer is held after `after` pieces, leaves, and gives what the backend saw. */
async function leave(stream: boolean, after: number): Promise<{ seen: SeenRequest; delayMs: number; job: string }> {
  backend.scriptNext({ holdAfter: after });
  const before = backend.requests.length;
  const leaving = new AbortController();
  const reading = api
    .chat({ stream }, { signal: leaving.signal })
    .then((response) => response.text())
    .catch((error: unknown) => error);
  const seen = await waitFor("the answer to be held", () => {
    const request = backend.requests[before];
    return request?.state === "held" && request;
  });
  const leftAtMs = performance.now();
  leaving.abort();
  await waitFor("the backend to see it", () => seen.state === "aborted", { deadlineMs: BOUND_MS });
  await reading;
  const delayMs = (seen.abortedAtMs ?? Number.NaN) - leftAtMs;
  console.log(`the backend heard of it after ${delayMs.toFixed(1)} ms (stream: ${stream}, pieces sent: ${after})`);
  const cancelled = await waitFor("the job to be recorded", async () =>
    (await api.jobs("?limit=1&status=cancelled")).data.find(({ id }) => !told.has(id)),
  );
  told.add(cancelled.id);
  expect(cancelled.error?.code).toBe("client_gone");
  return { seen, delayMs, job: cancelled.id };
}
const told = new Set<string>();

describe.each([
  [true, 0],
  [true, 3],
  [false, 0],
  [false, 3],
])("stream %p, after %d pieces", (stream, after) => {
  test("the backend sees that the client left, and the slot is free for the next", async () => {
    const { delayMs } = await leave(stream, after);
    expect(delayMs).toBeLessThan(BOUND_MS);
    expect((await api.readChat()).done).toBe(true); // there is one slot only
  });
});

test("a client that leaves while it waits for a slot never reaches the backend", async () => {
  backend.scriptNext({ holdAfter: 0 });
  const first = api.readChat();
  await waitFor("the slot to be taken", () => backend.open() === 1);
  const before = backend.requests.length;
  const leaving = new AbortController();
  const left = api.chat({ stream: true }, { signal: leaving.signal }).catch((error: unknown) => error);
  const metric = async () =>
    (await (await fetch(`${coordinator.url}/metrics`)).text()).match(/^infernet_jobs_queued.* (\d+)$/m)?.[1];
  await waitFor("it to be queued", async () => (await metric()) === "1");
  leaving.abort();
  await left;
  await waitFor("the queue to be empty", async () => (await metric()) === "0");
  backend.release();
  expect((await first).done).toBe(true);
  expect((await api.readChat()).done).toBe(true);
  expect(backend.requests.length).toBe(before + 1);
});

test("an asynchronous job goes on when the reader of its stream leaves", async () => {
  backend.scriptNext({ holdAfter: 2 });
  const id = await api.submitted();
  await api.jobIn(id, ["running"]);
  const leaving = new AbortController();
  await api.readJob(id, { signal: leaving.signal, onEvent: () => leaving.abort() }).catch(() => null);
  backend.release();
  await api.jobIn(id, ["completed"]);
});

test("a cancelled asynchronous job is felt by the backend", async () => {
  backend.scriptNext({ holdAfter: 2 });
  const id = await api.submitted();
  await api.jobIn(id, ["running"]);
  expect(await (await api.cancel(id)).json()).toMatchObject({ id, status: "cancelled" });
  await waitFor("the backend to see it", () => backend.requests.at(-1)?.state === "aborted");
});
