// External workers on the real server.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type CoordinatorStage, coordinatorStage, until } from "../testing/coordinator-stage.ts";
import { workerId } from "./registration.ts";

let on: CoordinatorStage;
beforeEach(async () => {
  on = await coordinatorStage();
});
afterEach(() => on[Symbol.asyncDispose]());

type Answer = Record<string, unknown> & { status: number; error?: { code: string; message: string; param: string } };
async function call(path: string, body: object, key = on.operatorKey, signal?: AbortSignal): Promise<Answer> {
  const response = await on.call(`/api/v1/worker/${path}`, {
    body,
    headers: { authorization: `Bearer ${key}` },
    ...(signal ? { signal } : {}),
  });
  const json = (await response.json()) as object;
  return { ...json, http: response.status } as unknown as Answer;
}
type Job = { id: string; model: string; task: string; input: Record<string, unknown>; answered: string | null };

async function registered(over: object = {}): Promise<string> {
  const { worker } = await call("register", { name: "w", models: ["mine"], ...over });
  return `${worker}`;
}
const next = async (worker: string, waitS = 0): Promise<Job | null> =>
  (await call("jobs/next", { worker, wait_s: waitS })).job as Job | null;
async function given(worker: string): Promise<Job> {
  const job = await next(worker);
  if (!job) throw new Error("there was no job");
  return job;
}
const chat = (over: object = {}, signal?: AbortSignal) =>
  on.call("/v1/chat/completions", {
    body: { model: "mine", messages: [{ role: "user", content: "hi" }], ...over },
    ...(signal ? { signal } : {}),
  });
const queued = () => until(() => on.jobs.queued() > 0);
const contentOf = async (answer: Promise<Response>): Promise<unknown> => {
  const { choices } = (await (await answer).json()) as { choices: { message: { content: unknown } }[] };
  return choices[0]?.message.content;
};

test("a job is had, written in pieces and finished; what is said twice counts once", async () => {
  const worker = await registered();
  const answer = chat({ max_tokens: 3 });
  await queued();
  const job = await given(worker);
  expect(job).toMatchObject({ model: "mine", task: "chat", input: { max_tokens: 3 }, answered: null, lease_s: 90 });
  expect(await call(`jobs/${job.id}/output`, { offset: 0, text: "Hel" })).toMatchObject({
    next_offset: 1,
    cancelled: false,
  });
  for (let i = 0; i < 2; i++)
    expect(
      await call(`jobs/${job.id}/output`, { offset: 0, deltas: [{ content: "Hel" }, { content: "lo" }] }),
    ).toMatchObject({
      next_offset: 2,
    });
  expect(await call(`jobs/${job.id}/output`, {})).toMatchObject({ next_offset: 2, cancelled: false });
  expect(await call(`jobs/${job.id}/output`, { offset: 4, text: "x" })).toMatchObject({
    http: 409,
    error: { code: "offset_gap", param: "offset" },
  });
  const usage = { prompt_tokens: 5, completion_tokens: 2 };
  for (let i = 0; i < 2; i++)
    expect(await call(`jobs/${job.id}/finish`, { finish_reason: "length", usage, text: "Hello!" })).toMatchObject({
      http: 200,
      status: "completed",
    });
  expect(await contentOf(answer)).toBe("Hello!");
  expect(on.ended[0]).toMatchObject({ usage, finish: [{ reason: "length" }] });
  expect(await call(`jobs/${job.id}/fail`, { error: "no" })).toMatchObject({
    http: 409,
    error: { code: "already_completed" },
  });
});

describe("an answer that another began", () => {
  /** One worker writes "Once upon" and fails; what the other is given. */
  async function takenOver(answer: Promise<Response>, over: object): Promise<Job> {
    const first = await registered({ name: "first", ...over });
    await queued();
    const job = await given(first);
    await call(`jobs/${job.id}/output`, { offset: 0, text: "Once upon" });
    await answer;
    const second = await registered({ name: "second", ...over });
    await call(`jobs/${job.id}/fail`, { error: "no" });
    return given(second);
  }

  test("of a text is gone on with by any worker, as a longer prompt", async () => {
    const models = [{ name: "mine", tasks: ["completion"] }];
    await registered({ models });
    const answer = on.call("/v1/completions", { body: { model: "mine", prompt: "Tell: ", stream: true } });
    expect((await takenOver(answer, { models })).input).toMatchObject({ prompt: "Tell: Once upon" });
  });

  test("goes on in the message that the client had begun itself", async () => {
    await registered();
    const messages = [
      { role: "user", content: "Tell" },
      { role: "assistant", content: "Well: " },
    ];
    const answer = chat({ stream: true, messages });
    const { input } = await takenOver(answer, { continues: true });
    expect(input.messages).toEqual([messages[0], { role: "assistant", content: "Well: Once upon" }]);
  });
});

test("a long poll is answered by the job that comes; one whose worker has gone gives it back", async () => {
  const worker = await registered();
  const gone = new AbortController();
  const lost = call("jobs/next", { worker, wait_s: 60 }, on.operatorKey, gone.signal).catch(() => null);
  await until(() => on.pollers.busy(worker as never) === 1);
  gone.abort();
  await lost;
  await until(() => on.pollers.busy(worker as never) === 0);
  const job = call("jobs/next", { worker, wait_s: 60 });
  await until(() => on.pollers.busy(worker as never) === 1);
  const answer = chat();
  const { id } = (await job).job as Job;
  await call(`jobs/${id}/finish`, { text: "here" });
  expect(await contentOf(answer)).toBe("here");
  expect(on.ended[0]?.attempts.length).toBe(1);
});

test("no more jobs at a time than it has slots", async () => {
  const worker = await registered({ slots: 2 });
  const answers = [chat(), chat(), chat()];
  await until(() => on.jobs.queued() === 3);
  const [first, second] = [await given(worker), await given(worker)];
  expect(await call("jobs/next", { worker, wait_s: 0 })).toMatchObject({ http: 409, error: { code: "slots_in_use" } });
  await call(`jobs/${first.id}/finish`, { text: "1" });
  const third = await given(worker);
  for (const { id } of [second, third]) await call(`jobs/${id}/finish`, { text: "2" });
  for (const answer of answers) expect((await answer).status).toBe(200);
});

describe("a job that fails", () => {
  test("goes to another, unless no other would do better", async () => {
    const worker = await registered();
    const answer = chat();
    await queued();
    const first = await given(worker);
    expect(await call(`jobs/${first.id}/fail`, { error: "hot", code: "backend_busy" })).toMatchObject({
      status: "failed",
    });
    expect(on.registry.nodes.get(worker as never)?.failures).toBe(0);
    await queued();
    // There is no other: this one has a moment to recover.
    on.clock.advance(250);
    const second = await given(worker);
    for (let i = 0; i < 2; i++)
      expect(await call(`jobs/${second.id}/fail`, { error: "not a picture", retry: false })).toMatchObject({
        http: 200,
      });
    expect([(await answer).status, await (await answer).json()]).toMatchObject([
      400,
      { error: { code: "invalid_request", message: "not a picture" } },
    ]);
  });

  test("because nobody wants it any more says so", async () => {
    const worker = await registered();
    const leaving = new AbortController();
    const answer = chat({ stream: true }, leaving.signal).catch(() => null);
    await queued();
    const job = await given(worker);
    leaving.abort();
    await answer;
    await until(() => on.ended.length > 0);
    expect(await call(`jobs/${job.id}/output`, { offset: 0, text: "x" })).toMatchObject({ http: 200, cancelled: true });
    expect(await call(`jobs/${job.id}/finish`, {})).toMatchObject({ http: 200, status: "cancelled" });
  });

  test("with its worker's registration goes elsewhere at once, and is refused from then on", async () => {
    const worker = await registered();
    const answer = chat();
    await queued();
    const job = await given(worker);
    await registered();
    expect(await call(`jobs/${job.id}/output`, { offset: 0, text: "x" })).toMatchObject({
      http: 409,
      error: { code: "lease_lapsed" },
    });
    const again = await given(worker);
    expect(again.id).toBe(job.id.replace(/1$/, "2"));
    await call(`jobs/${again.id}/finish`, { text: "y" });
    expect(await contentOf(answer)).toBe("y");
  });
});

test("tasks and details of a model are on offer as they were given", async () => {
  await registered({
    models: [{ name: "e", tasks: ["embedding"], context_length: 512, quantization: "Q4" }],
    continues: true,
  });
  expect(on.registry.offersOf("e")).toMatchObject([
    { continues: true, contextLength: 512, info: { tasks: ["embedding"], quantization: "Q4" } },
  ]);
  await call("leave", { worker: await registered() });
  expect(on.registry.models.size).toBe(0);
  const prices = { prices: { input: 1, output: 2 }, model_prices: { dear: { input: 3, output: 4 } } };
  await registered({ models: ["dear", "usual"], ...prices });
  expect(on.registry.offersOf("dear")).toMatchObject([{ priceInput: 3, priceOutput: 4 }]);
  expect(on.registry.offersOf("usual")).toMatchObject([{ priceInput: 1, priceOutput: 2 }]);
});

test("a worker belongs to the key that registered it, and is found again after its lease", async () => {
  const worker = await registered();
  expect(worker).toMatch(/^[0-9a-f]{64}$/);
  expect(workerId("key_1", "w")).not.toBe(workerId("key_2", "w"));
  const missing = { http: 404, error: { code: "worker_not_found", param: "worker" } };
  expect(await call("jobs/next", { worker: "0".repeat(64), wait_s: 0 })).toMatchObject(missing);
  expect(await call("jobs/next", { worker, wait_s: 0 }, on.key)).toMatchObject({
    http: 403,
    error: { code: "api_key_role" },
  });
  on.clock.advance(100_000);
  expect(on.registry.models.size).toBe(0);
  expect(await next(worker)).toBeNull();
  expect(on.registry.models.size).toBe(1);
});
