// Asynchronous jobs as a client sees them: submit, come back, read along, read late, read on, cancel, list, and be sure
// that a request sent twice is one job.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Client, client, type JobPage, refusalOf } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { createKey, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/; // UUIDv7 (RFC 9562 §5.7)

let stage: Stage;
let coordinator: Instance;
let backend: FaultBackend;
let api: Client;

beforeAll(async () => {
  stage = await openStage();
  const started = await stage.coordinator("");
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, model);
  backend = stage.backend({ model });
  await stage.node(coordinator, [backend.url], "[node]\nslots = 8");
  await stage.served(coordinator, model);
});
afterEach(() => {
  backend.script({ holdAfter: null, betweenTokensMs: 0 });
  backend.release();
});
afterAll(() => stage.close());

async function heldJob(after: number): Promise<string> {
  backend.scriptNext({ holdAfter: after });
  const before = backend.requests.length;
  const id = await api.submitted();
  await waitFor("the job to be held", () => backend.requests[before]?.state === "held");
  return id;
}

test("submit answers 202 with where to look, and later the job has its answer", async () => {
  const response = await api.submit({ max_tokens: 64 });
  expect(response.status).toBe(202);
  const taken = (await response.json()) as { id: string; status: string; stream_url: string };
  expect(taken.id).toMatch(ID);
  expect(["queued", "dispatched"]).toContain(taken.status);
  expect(taken.stream_url).toBe(`/api/v1/jobs/${taken.id}/stream`);
  const job = await api.jobIn(taken.id, ["completed"]);
  expect(job).toMatchObject({ id: taken.id, kind: "async", model, error: null, finish_reason: "stop" });
  expect(job.result?.choices[0]?.message.content).toBe(PLAIN_TEXT);
  expect(job.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 });
  expect(backend.requests.at(-1)?.body.max_tokens).toBe(64);
});

test("a prompt is as good as messages; both at once, neither and nonsense are refused", async () => {
  const response = await api.post("/api/v1/jobs", { model, prompt: "Say something" });
  expect(response.status).toBe(202);
  await api.jobIn(((await response.json()) as { id: string }).id, ["completed"]);
  expect(backend.requests.at(-1)?.body.messages).toEqual([{ role: "user", content: "Say something" }]);
  for (const body of [
    { model, prompt: "x", messages: [] },
    { model },
    { model, prompt: 7 },
    { prompt: "x" },
    "{",
    [],
  ]) {
    const refused = await refusalOf(await api.post("/api/v1/jobs", body));
    expect(refused).toMatchObject({ status: 400, type: "invalid_request_error" });
  }
  const unknown = await refusalOf(await api.submit({ model: "no-such-model" }));
  expect(unknown).toMatchObject({ status: 404, code: "model_not_found" });
});

describe("its stream", () => {
  test("two readers read along, each piece once; a late one has it from the start", async () => {
    const id = await heldJob(2);
    const seen = ["", ""];
    const readers = [0, 1].map((index) =>
      api.readJob(id, {
        onEvent({ data, id: piece }) {
          if (piece !== null) seen[index] += (JSON.parse(data) as { text: string }).text;
        },
      }),
    );
    await waitFor("both to have what there is", () => seen.every((text) => text === "Hello from"));
    backend.release();
    for (const transcript of await Promise.all(readers)) {
      expect(transcript).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
      expect(new Set(transcript.ids).size).toBe(transcript.ids.length);
      for (const piece of transcript.ids) expect(piece).toMatch(/^1:\d+$/);
    }
    await api.jobIn(id, ["completed"]);
    expect(await api.readJob(id)).toMatchObject({ text: PLAIN_TEXT, done: true });
  });

  test("a reader that comes back with Last-Event-ID gets what it missed, nothing twice, while it runs and after", async () => {
    backend.scriptNext({ betweenTokensMs: 15, tokens: Array.from({ length: 20 }, (_, n) => `${n} `) });
    const id = await api.submitted();
    const whole = Array.from({ length: 20 }, (_, n) => `${n} `).join("");
    const leaving = new AbortController();
    const got = { text: "", last: "" };
    await api
      .readJob(id, {
        signal: leaving.signal,
        onEvent({ data, id: piece }) {
          if (piece === null) return;
          got.text += (JSON.parse(data) as { text: string }).text;
          got.last = piece;
          if (got.text.length >= 8) leaving.abort();
        },
      })
      .catch(() => null);
    const rest = await api.readJob(id, { lastEventId: got.last });
    expect(got.text + rest.text).toBe(whole);
    expect(rest.done).toBe(true);
    await api.jobIn(id, ["completed"]);
    const later = await api.readJob(id, { lastEventId: got.last });
    expect(got.text + later.text).toBe(whole);
    expect(await api.readJob(id, { lastEventId: later.ids.at(-1) ?? "" })).toMatchObject({ text: "", done: true });
    // What is no id of ours is no position: from the start.
    for (const lastEventId of ["", "x", "0:0", "-1:3", "1:"]) {
      expect((await api.readJob(id, { lastEventId })).text).toBe(whole);
    }
  });

  test("the stream of a failed job ends with its error, without [DONE]", async () => {
    backend.scriptNext({ holdAfter: 2, faultAfter: 2, fault: "error" });
    const before = backend.requests.length;
    const id = await api.submitted();
    const reading = api.readJob(id, { onEvent: () => undefined });
    await waitFor("it to be held", () => backend.requests[before]?.state === "held");
    await waitFor("its reader to have begun", async () => (await api.job(id)).status === "running");
    backend.release();
    const transcript = await reading;
    const job = await api.jobIn(id, ["failed", "completed"]);
    // Shown to a reader, it can not start over; where the reader was too late, it did.
    if (job.status === "completed") expect(transcript).toMatchObject({ text: PLAIN_TEXT, done: true });
    else expect(transcript).toMatchObject({ text: "Hello from", done: false, error: { code: "backend_failed" } });
  });
});

describe("cancel", () => {
  test("ends a running job, frees its backend, tells its readers", async () => {
    const id = await heldJob(2);
    const reading = api.readJob(id);
    const request = backend.requests.at(-1);
    expect(await (await api.cancel(id)).json()).toEqual({ id, status: "cancelled" });
    await waitFor("the backend to be let go of", () => request?.state === "aborted");
    expect(await reading).toMatchObject({ done: false, error: { code: "client_gone" } });
    expect(await api.job(id)).toMatchObject({ status: "cancelled" });
    expect(await refusalOf(await api.cancel(id))).toMatchObject({ status: 409, code: "job_ended" });
  });

  test("of a job that is not there is a 404", async () => {
    const nobody = "01890000-0000-7000-8000-000000000000";
    for (const response of [
      await api.cancel(nobody),
      await api.get(`/api/v1/jobs/${nobody}`),
      await api.get(`/api/v1/jobs/${nobody}/stream`),
    ]) {
      expect(await refusalOf(response)).toMatchObject({ status: 404, code: "job_not_found" });
    }
  });

  test("raced with the end, is said once and for all", async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => api.submitted()));
    const said = await Promise.all(ids.map((id) => api.cancel(id)));
    for (const [index, id] of ids.entries()) {
      const { status } = said[index] ?? { status: 0 };
      expect([200, 409]).toContain(status);
      const job = await api.jobIn(id, ["completed", "cancelled"]);
      if (status === 409) expect(job.status).toBe("completed");
      else expect(await said[index]?.json()).toEqual({ id, status: job.status });
    }
  });
});

test("the list has every job once, newest first, page by page, while others are added", async () => {
  const mine = await createKey(stage.executable, coordinator, "lister");
  const lister = client(() => coordinator.url, mine, model);
  const before = new Set<string>();
  for (let count = 0; count < 25; count++) before.add(await lister.submitted());
  const listed: string[] = [];
  for (let query = "?limit=10"; ; ) {
    const page: JobPage = await lister.jobs(query);
    listed.push(...page.data.map(({ id }) => id));
    if (page.next_cursor === null) break;
    query = `?limit=10&cursor=${page.next_cursor}`;
    await lister.submitted();
  }
  expect(listed.filter((id) => before.has(id)).length).toBe(25);
  expect(new Set(listed).size).toBe(listed.length);
  expect(listed).toEqual(listed.toSorted().toReversed());
  for (const query of ["?limit=0", "?limit=101", "?limit=x", "?status=done"]) {
    expect(await refusalOf(await lister.get(`/api/v1/jobs${query}`))).toMatchObject({ status: 400 });
  }
});

describe("Idempotency-Key", () => {
  const withKey = (key: string, fields?: object) => api.submit(fields, { headers: { "idempotency-key": key } });
  const idOf = async (response: Response) => ((await response.json()) as { id: string }).id;

  test("the same key and body is the same job, also after its end", async () => {
    const first = await idOf(await withKey("same"));
    await api.jobIn(first, ["completed"]);
    const again = await withKey("same");
    expect(again.status).toBe(202);
    expect(await again.json()).toMatchObject({ id: first, status: "completed" });
  });

  test("the same key and another body is refused", async () => {
    const first = await withKey("other");
    expect(first.status).toBe(202);
    const refused = await refusalOf(await withKey("other", { max_tokens: 5 }));
    expect(refused).toMatchObject({ status: 422, code: "idempotency_key_reused", param: "Idempotency-Key" });
  });

  test("twenty at once are one job, and the backend works once", async () => {
    const messages = [{ role: "user", content: "raced" }];
    const answers = await Promise.all(Array.from({ length: 20 }, () => withKey("raced", { messages })));
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(20).fill(202));
    const ids = new Set(await Promise.all(answers.map(idOf)));
    expect(ids.size).toBe(1);
    await api.jobIn(`${[...ids][0]}`, ["completed"]);
    const asked = backend.requests.filter(({ body }) => body.messages?.[0]?.content === "raced");
    expect(asked.length).toBe(1);
  });

  test("is still known after a kill", async () => {
    const first = await idOf(await withKey("lasting"));
    await coordinator.kill9();
    coordinator = await stage.restart(coordinator);
    expect(await idOf(await withKey("lasting"))).toBe(first);
    await api.jobIn(first, ["completed"]);
  });

  test("that is empty or too long is refused", async () => {
    for (const key of ["", "x".repeat(256)]) {
      expect(await refusalOf(await withKey(key))).toMatchObject({ status: 400, param: "Idempotency-Key" });
    }
  });
});

test("without a key nothing of it is shown", async () => {
  const id = await api.submitted();
  const stranger = client(() => coordinator.url, "inf_nothing", model);
  for (const path of ["", `/${id}`, `/${id}/stream`]) {
    expect((await stranger.get(`/api/v1/jobs${path}`)).status).toBe(401);
  }
  expect((await stranger.cancel(id)).status).toBe(401);
  await api.jobIn(id, ["completed"]);
});
