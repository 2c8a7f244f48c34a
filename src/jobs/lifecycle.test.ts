// The life of jobs as a property: whatever clients, nodes, links, disk and clock do, every job ends once, by the table.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { inArray } from "drizzle-orm";
import fc from "fast-check";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { type Job, type JobSpec, NODE_ERRORS } from "./job.ts";
import { jobs as jobRows } from "./schema.ts";
import { canMove, isEnd, type JobState } from "./states.ts";
import { LIMITS, NO_EXTRA, type Recorder, recorder, SimNode, type Stage, spec, stage } from "./testing/stage.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const NODES = [
  { slots: 1, contextLength: 100 },
  { slots: 1, contextLength: 1000, continues: true },
  { slots: 2, contextLength: null, continues: true },
];
const pick = fc.nat({ max: 30 });
const op = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("chat"),
      pick,
      restartable: fc.boolean(),
      long: fc.boolean(),
      repeatable: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("async"), pick }) },
  {
    weight: 9,
    arbitrary: fc.record({ do: fc.constant("stream"), pick, count: fc.integer({ min: 1, max: 4 }), pick2: pick }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("complete"), pick, twice: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("fail"),
      pick,
      code: fc.constantFrom("backend_failed", "backend_busy", "context_length_exceeded", "invalid_request", "nonsense"),
      outcome: fc.constantFrom("failed" as const, "refused" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("accept"), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("foreign"), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("lose"), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash"), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("join"), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pause"), pick, on: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel"), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("behind"), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("disk"), broken: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(100, 600, 6_000, 16_000, 31_000, 61_000) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("settle") }) },
);
type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;

/** One job under observation: every change of its state is checked as it happens. */
type Watched = { job: Job; output: Recorder; states: JobState[] };

class World {
  readonly stage: Stage = stage(database);
  readonly nodes = NODES.map((options, i) => new SimNode(this.stage, i + 1, options));
  readonly watched: Watched[] = [];
  readonly all = new Map<string, Recorder>();

  watch(job: Job, output: Recorder): void {
    const states: JobState[] = ["queued"];
    let state = job.state;
    if (state !== "queued") states.push(state);
    Object.defineProperty(job, "state", {
      get: () => state,
      set(next: JobState) {
        if (next === state) return;
        if (!canMove(state, next)) throw new Error(`${states.join(" → ")} → ${next} is not in the table`);
        states.push(next);
        state = next;
      },
    });
    this.watched.push({ job, output, states });
  }

  online = () => this.nodes.filter((node) => node.online);
  /** Every attempt that a node has, with its node. */
  attempts = () => this.nodes.flatMap((node) => [...node.attempts.values()].map((attempt) => ({ node, attempt })));
  working = () => this.attempts().filter(({ node, attempt }) => node.online && !attempt.end);
}

const oneOf = <T>(from: readonly T[], pick: number): T | undefined => from[pick % Math.max(1, from.length)];

async function act(world: World, op: Op): Promise<void> {
  const { jobs, clock, storage } = world.stage;
  switch (op.do) {
    case "chat": {
      const output = recorder("restartable" in op && op.restartable);
      const wanted: Partial<JobSpec> = {
        stream: !op.restartable,
        repeatable: op.repeatable,
        fairKey: `key ${op.pick % 3}`,
        minContext: op.long ? 500 : 1,
      };
      const submitted = jobs.submit(spec(wanted), output);
      if (submitted.ok) world.watch(submitted.value, output);
      return;
    }
    case "async": {
      const output = recorder(true);
      const submitted = await jobs.submitAsync(
        spec({ kind: "async", fairKey: `key ${op.pick % 3}` }),
        output,
        NO_EXTRA,
        () => {},
      );
      if (submitted.ok) world.watch(submitted.value, output);
      return;
    }
    case "stream": {
      const at = oneOf(world.working(), op.pick);
      if (at) expect(at.node.stream(at.attempt, op.count, op.pick2 % 3)).toBeUndefined();
      return;
    }
    case "complete": {
      const at = oneOf(world.working(), op.pick);
      if (!at) return;
      expect(at.node.end(at.attempt)).toBeUndefined();
      if (op.twice) expect(at.node.end(at.attempt)).toBeUndefined();
      return;
    }
    case "fail": {
      const at = oneOf(world.working(), op.pick);
      if (at) expect(at.node.fail(at.attempt, op.code, op.outcome)).toBeUndefined();
      return;
    }
    case "accept": {
      const at = oneOf(world.working(), op.pick);
      at?.node.accept(at.attempt);
      return;
    }
    case "foreign": {
      // A node speaks about what another was given, or about what is long over.
      const liar = oneOf(world.online(), op.pick);
      const of = oneOf(
        world.watched.filter(({ job }) => job.attempt > 0),
        op.pick,
      );
      if (!liar || !of) return;
      const id = `${of.job.id}.${of.job.attempt}`;
      const attempt = liar.pubkey === of.job.attempts.at(-1)?.node ? `${of.job.id}.99` : id;
      const before = of.output.pieces.length;
      world.stage.jobs.listener.delta(liar.node!, { type: "delta", attempt, offset: 0, deltas: [{ content: "lie" }] });
      liar.end({ id: attempt, from: 0, made: 0, sent: 0, cancelled: false, end: null });
      expect(of.output.pieces.length).toBe(before);
      return;
    }
    case "lose":
      return oneOf(world.online(), op.pick)?.lose();
    case "crash":
      return oneOf(world.online(), op.pick)?.crash();
    case "join": {
      // One that is away comes back, or one that is there opens a newer link.
      oneOf(world.nodes, op.pick)?.join();
      return;
    }
    case "pause":
      return oneOf(world.online(), op.pick)?.heartbeat(op.on ? "paused" : "available");
    case "cancel": {
      const of = oneOf(world.watched, op.pick);
      if (of) jobs.cancel(of.job, { code: "client_gone", message: "gone" });
      return;
    }
    case "behind": {
      const of = oneOf(world.watched, op.pick);
      if (!of) return;
      of.output.behind?.resolve();
      of.output.behind = of.output.behind ? null : Promise.withResolvers();
      return;
    }
    case "disk":
      storage.broken = op.broken;
      return;
    case "wait":
      return clock.advance(op.ms);
    default:
      return world.stage.settle();
  }
}

function checkAlways(world: World): void {
  for (const { node } of world.nodes) {
    if (!node) continue;
    expect(node.running).toBeGreaterThanOrEqual(0);
    expect(node.running).toBeLessThanOrEqual(node.slots);
  }
  for (const { job, output } of world.watched) {
    const handedBack = job.attempts.filter(({ outcome, pieces }) => outcome === "refused" && pieces > 0);
    expect(job.attempts.length - handedBack.length).toBeLessThanOrEqual(LIMITS.maxAttempts);
    expect(output.ends).toBeLessThanOrEqual(1);
    expect(isEnd(job.state)).toBe(output.ends === 1);
    // One text from its first piece on, without a gap or a repetition, whoever gave it; pieces have names in order.
    const places = output.pieces.map((piece) => piece.split(":").map(Number) as [number, number]);
    expect(places.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])).toEqual(places);
    expect(output.text).toBe(output.pieces.map((_, i) => `${i};`).join(""));
  }
}

/** Everybody comes back, the disk has room, and every node answers what it is asked, until nothing is left. */
async function comeToRest(world: World): Promise<void> {
  world.stage.storage.broken = false;
  for (const node of world.nodes) if (!node.online) node.join();
  for (let round = 0; round < 100; round++) {
    for (const { output } of world.watched) {
      output.behind?.resolve();
      output.behind = null;
    }
    for (const node of world.nodes) node.heartbeat("available");
    await world.stage.settle();
    for (const { node, attempt } of world.attempts()) {
      // It was told to stop, or its answer stands already.
      if (attempt.cancelled && !attempt.end) node.end(attempt, { outcome: "cancelled", finish: [], usage: null });
      else if (attempt.end) node.end(attempt);
      else {
        node.stream(attempt, 1);
        node.end(attempt);
      }
    }
    await world.stage.settle();
    world.stage.clock.advance(1_000);
    await world.stage.settle();
    if (world.stage.jobs.live.size === 0 && world.attempts().length === 0) break;
  }
}

async function checkAtRest(world: World): Promise<void> {
  const { jobs, records, clock, ended } = world.stage;
  expect(jobs.live.size).toBe(0);
  expect(jobs.queued()).toBe(0);
  expect(world.attempts()).toEqual([]);
  // What was cancelled without a word from its node counts as stopped by now.
  clock.advance(11_000);
  for (const { node } of world.nodes) expect(node?.running).toBe(0);
  await records.flush();
  await world.stage.settle();
  const ids = world.watched.map(({ job }) => job.id);
  // One whose place in the queue was taken while it was stored was refused to its client, and ended all the same.
  const answered = ended.filter((job) => ids.includes(job.id) || job.error?.code !== "queue_full");
  expect(answered.map((job) => job.id).sort()).toEqual([...ids].sort());
  const rows = await database.db.read.select().from(jobRows).where(inArray(jobRows.id, ids));
  expect(rows.length).toBe(ids.length);
  for (const row of rows) {
    const { job, output, states } = world.watched.find((of) => of.job.id === row.id)!;
    expect(states.filter(isEnd).length).toBe(1);
    expect(output.ends).toBe(1);
    expect(row).toMatchObject({
      state: job.state,
      attempt: job.attempt,
      // A backend's own words are not kept.
      attempts: job.attempts.map(({ error, ...attempt }) => ({
        ...attempt,
        error: error && NODE_ERRORS.includes(error.code) ? { code: error.code, message: "" } : error,
      })),
      errorCode: job.error?.code ?? null,
      nodePubkey: job.attempts.at(-1)?.node ?? null,
      promptTokens: job.usage?.prompt_tokens ?? null,
      completionTokens: job.usage?.completion_tokens ?? null,
      endedMs: job.endedMs,
    });
    expect(job.attempts.every((attempt) => attempt.outcome !== null && attempt.ended_ms !== null)).toBe(true);
    expect(job.error === null).toBe(job.state === "completed");
  }
}

test("every job ends once, by the table, with its whole text, and leaves nothing behind", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 10, maxLength: 100, size: "max" }), async (script) => {
      const world = new World();
      for (const node of world.nodes) node.join();
      for (const step of script) {
        await act(world, step);
        checkAlways(world);
      }
      await comeToRest(world);
      checkAlways(world);
      await checkAtRest(world);
    }),
    { numRuns: 150 },
  );
});
