import { describe, expect, test } from "bun:test";
import type { Backend, BackendError, BackendModel, GenerateRequest } from "../backends/backend.ts";
import { NO_LOG } from "../jobs/testing/stage.ts";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { BackendLoad } from "../protocol/frames.ts";
import { type Serving, serving, type Terms } from "./serving.ts";

const model = (name: string, over: Partial<BackendModel> = {}): BackendModel => ({
  name,
  contextLength: 4096,
  digest: null,
  loaded: true,
  quantization: null,
  demo: false,
  ...over,
});
const GONE: BackendError = { code: "backend_unreachable", message: "connection refused" };
const REQUEST: GenerateRequest = { task: "chat", model: "m", body: { model: "m", messages: [] } };

/** A backend whose answers the test sets, and what it was asked. */
function fake(models: BackendModel[] = [model("m")], slots: number | null = 2) {
  const state = {
    listed: ok(models) as Result<BackendModel[], BackendError>,
    load: null as Result<BackendLoad, BackendError> | null,
    asked: 0,
    generations: [] as ((error?: BackendError) => void)[],
  };
  const backend: Backend = {
    kind: "openai",
    url: null,
    continues: false,
    slots: () => slots,
    async models() {
      state.asked++;
      return state.listed;
    },
    generate: () =>
      new Promise((resolve) => {
        state.generations.push((error) => resolve(error === undefined ? ok({ finish: [], usage: null }) : err(error)));
      }),
    load: async () => state.load ?? err(GONE),
    close: async () => undefined,
  };
  return { backend, state };
}

const FREE = { slots: 0, prices: { input: 0, output: 0 } };

function serve(fakes: ReturnType<typeof fake>[]): { serves: Serving; clock: ManualClock; changes: () => number } {
  const clock = manualClock();
  let changes = 0;
  const serves = serving(
    { clock, log: NO_LOG, backends: fakes.map(({ backend }) => backend), terms: () => FREE },
    () => changes++,
  );
  return { serves, clock, changes: () => changes };
}

/** Lets all that is ready run. */
const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
const run = (serves: Serving) =>
  serves.backendOf("m")?.generate(REQUEST, () => undefined, new AbortController().signal) ?? Promise.resolve(null);
/** How many requests run at each. */
const running = (fakes: ReturnType<typeof fake>[]): number[] => fakes.map(({ state }) => state.generations.length);

test("each backend is told with what it does to models, as it stands when it was asked", async () => {
  const router = fake();
  const { serves } = serve([router, fake()]);
  expect(serves.now().backends.map(({ commands }) => commands)).toEqual([[], []]);
  const load = async () => ok(undefined);
  Object.assign(router.backend, { actions: { model_load: load, model_unload: load } });
  await serves.refresh();
  expect(serves.now().backends.map(({ commands }) => commands)).toEqual([["model_load", "model_unload"], []]);
});

describe("several backends with the same model", () => {
  test("their slots are added up, and jobs go where the smaller share of them is taken", async () => {
    const fakes = [fake([model("m")], 1), fake([model("m")], 3)];
    const { serves } = serve(fakes);
    await serves.refresh();
    expect(serves.now().slots).toBe(4);
    for (let i = 0; i < 4; i++) void run(serves);
    expect(running(fakes)).toEqual([1, 3]);
  });

  test("one that promises less than the first takes no jobs beside it, but in its place", async () => {
    const worse: BackendModel[] = [
      model("m", { contextLength: 512 }),
      model("m", { contextLength: null }),
      model("m", { tasks: ["embedding"] }),
      model("m", { features: ["json"] }),
      model("m", { quantization: "Q2_K" }),
    ];
    for (const other of worse) {
      const fakes = [fake([model("m", { tasks: ["chat"], features: ["tools"] })], 1), fake([other], 9)];
      const { serves, clock } = serve(fakes);
      await serves.refresh();
      for (let i = 0; i < 3; i++) void run(serves);
      expect(running(fakes)).toEqual([3, 0]);
      const first = fakes[0] as ReturnType<typeof fake>;
      first.state.listed = err(GONE);
      clock.advance(15_000);
      await turns();
      void run(serves);
      expect(running(fakes)).toEqual([3, 1]);
    }
  });

  test("one that says Retry-After is left alone for so long", async () => {
    const fakes = [fake(), fake()];
    const { serves, clock } = serve(fakes);
    await serves.refresh();
    const refused = run(serves);
    fakes[0]?.state.generations[0]?.({ code: "backend_busy", message: "queue full", retryAfterMs: 2000 });
    await refused;
    for (let i = 0; i < 2; i++) void run(serves);
    expect(running(fakes)).toEqual([1, 2]);
    clock.advance(2000);
    void run(serves);
    expect(running(fakes)).toEqual([2, 2]);
  });

  test("where no other has the model, one that rests is asked all the same", async () => {
    const fakes = [fake()];
    const { serves } = serve(fakes);
    await serves.refresh();
    const refused = run(serves);
    fakes[0]?.state.generations[0]?.({ code: "backend_busy", message: "queue full", retryAfterMs: 2000 });
    await refused;
    void run(serves);
    expect(running(fakes)).toEqual([2]);
  });
});

describe("a backend that is lost", () => {
  test("under a job is asked at once, and its models are offered no more", async () => {
    const one = fake();
    const { serves, changes } = serve([one]);
    await serves.refresh();
    const job = run(serves);
    one.state.listed = err(GONE);
    one.state.generations[0]?.(GONE);
    await job;
    await turns();
    expect([one.state.asked, changes()]).toEqual([2, 1]);
    expect(serves.now().backends[0]?.healthy).toBe(false);
    expect(serves.backendOf("m")).toBeUndefined();
  });

  test("a connection that broke alone takes nothing from a backend that is well", async () => {
    const one = fake();
    const { serves, changes } = serve([one]);
    await serves.refresh();
    const job = run(serves);
    one.state.generations[0]?.(GONE);
    await job;
    await turns();
    expect([one.state.asked, changes()]).toEqual([2, 0]);
    expect(serves.backendOf("m")).toBeDefined();
  });

  test("is asked again soon, then more and more rarely, and is back at once", async () => {
    const one = fake();
    const { serves, clock, changes } = serve([one]);
    await serves.refresh();
    one.state.listed = err(GONE);
    clock.advance(15_000);
    await turns();
    expect(one.state.asked).toBe(2);
    const askedAtMs: number[] = [];
    for (let ms = 100; ms < 15_000; ms += 100) {
      const before = one.state.asked;
      clock.advance(100);
      await turns();
      if (one.state.asked > before) askedAtMs.push(ms);
    }
    expect(askedAtMs).toEqual([500, 1500, 3500, 7500]);
    one.state.listed = ok([model("m")]);
    clock.advance(100);
    await turns();
    expect(serves.backendOf("m")).toBeDefined();
    expect(changes()).toBe(2);
  });

  test("one that was not there at the start is looked for too", async () => {
    const one = fake();
    one.state.listed = err(GONE);
    const { serves, clock } = serve([one]);
    await serves.refresh();
    one.state.listed = ok([model("m")]);
    clock.advance(500);
    await turns();
    expect(serves.backendOf("m")).toBeDefined();
  });

  test("the news of one does not wait for another that does not answer", async () => {
    const [slow, one] = [fake([model("s")]), fake()];
    const { serves, clock, changes } = serve([slow, one]);
    await serves.refresh();
    slow.backend.models = () => new Promise(() => undefined);
    one.state.listed = ok([model("m"), model("n")]);
    clock.advance(15_000);
    await turns();
    expect(changes()).toBe(1);
    expect(serves.backendOf("n")).toBeDefined();
  });

  test("nothing is asked or told after the stop", async () => {
    const one = fake();
    const { serves, clock, changes } = serve([one]);
    await serves.refresh();
    one.state.listed = err(GONE);
    clock.advance(15_000);
    await turns();
    serves.stop();
    const { asked } = one.state;
    clock.advance(60_000);
    await turns();
    expect([one.state.asked, changes()]).toEqual([asked, 1]);
  });
});

describe("asked anew, as after a model was removed", () => {
  test("a backend's answer from before is not taken for one from now; all who wait share the next", async () => {
    const one = fake();
    const { serves, clock } = serve([one]);
    await serves.refresh();
    const before = Promise.withResolvers<Result<BackendModel[], BackendError>>();
    const { models } = one.backend;
    one.backend.models = () => before.promise;
    clock.advance(15_000);
    one.backend.models = models;
    one.state.listed = ok([]);
    const both = Promise.all([serves.refresh(), serves.refresh()]);
    before.resolve(ok([model("m")]));
    expect(await both).toEqual([true, true]);
    expect(serves.now().models).toEqual([]);
    expect(one.state.asked).toBe(2);
  });

  test("an asking that broke off is nobody's answer", async () => {
    const one = fake();
    const { serves, clock } = serve([one]);
    const { models } = one.backend;
    one.backend.models = () => Promise.reject(new Error("broken"));
    clock.advance(15_000);
    one.backend.models = models;
    expect(await serves.refresh()).toBe(true);
  });
});

describe("load", () => {
  test("is told in the order of the backends, null where one says nothing", async () => {
    const fakes = [fake(), fake()];
    const { serves, clock } = serve(fakes);
    await serves.refresh();
    await turns();
    expect(serves.loads()).toEqual([null, null]);
    const load = { running: 3, waiting: 1, cache: 0.5 };
    (fakes[1] as ReturnType<typeof fake>).state.load = ok(load);
    clock.advance(15_000);
    await turns();
    expect(serves.loads()).toEqual([null, load]);
  });

  test("of a backend that is gone is forgotten", async () => {
    const one = fake();
    one.state.load = ok({ running: 1, waiting: 0, cache: null });
    const { serves, clock } = serve([one]);
    await serves.refresh();
    await turns();
    expect(serves.loads()).not.toEqual([null]);
    one.state.listed = err(GONE);
    clock.advance(15_000);
    await turns();
    expect(serves.loads()).toEqual([null]);
  });
});

test("models that a pattern fits are told with its price", async () => {
  const backend = fake([model("llama3:8b"), model("llama3:70b"), model("qwen3")]).backend;
  const prices = { input: 1, output: 2 };
  const pricePatterns = { "llama3*": { input: 3, output: 4 }, "llama3:70b": { input: 5, output: 6 }, "x*": prices };
  const on = { clock: manualClock(), log: NO_LOG, backends: [backend] };
  let terms: Terms = { slots: 0, prices, pricePatterns };
  let changes = 0;
  const serves = serving({ ...on, terms: () => terms }, () => changes++);
  await serves.refresh();
  expect(serves.now()).toMatchObject({ prices });
  expect(serves.now().model_prices).toEqual({
    "llama3:8b": { input: 3, output: 4 },
    "llama3:70b": { input: 5, output: 6 },
  });
  terms = { slots: 3, prices };
  serves.termsChanged();
  serves.termsChanged();
  expect([serves.now().slots, serves.now().model_prices, changes]).toEqual([3, undefined, 1]);
});
