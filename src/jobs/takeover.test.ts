// Taking over an answer that readers have begun to see, on the real engine with nodes that do what a test tells them.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import type { Delta } from "../protocol/generation.ts";
import type { Job, JobSpec } from "./job.ts";
import { LIMITS, type Recorder, recorder, SimNode, type Stage, spec, stage } from "./testing/stage.ts";

let database: TestDatabase;
let on: Stage;
let output: Recorder;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => {
  on = stage(database);
  output = recorder();
});

function begun(over: Partial<JobSpec> = {}): { job: Job; node: SimNode } {
  const node = new SimNode(on, 1, { continues: true }).join();
  const submitted = on.jobs.submit(spec(over), output);
  if (!submitted.ok) throw new Error(submitted.error.message);
  node.stream(node.last, 3);
  return { job: submitted.value, node };
}
const finishAt = (node: SimNode, pieces = 2) => {
  node.stream(node.last, pieces);
  node.end(node.last);
};

test("a node that comes within the grace goes on with what a failed one began", () => {
  const { job, node } = begun();
  node.fail(node.last, "backend_unreachable");
  node.lose();
  expect(job.state).toBe("running");
  on.clock.advance(LIMITS.resumeGraceMs - 1_000);
  finishAt(new SimNode(on, 2, { continues: true }).join());
  expect([job.state, output.text]).toEqual(["completed", "0;1;2;3;4;"]);
  expect(job.attempts.map(({ outcome, took_over, pieces }) => [outcome, took_over, pieces])).toEqual([
    ["failed", null, 3],
    ["completed", "continue", 2],
  ]);
});

test("when nobody comes it ends with a clear error, and what was shown is counted once", () => {
  const { job, node } = begun();
  node.fail(node.last, "backend_unreachable");
  node.lose();
  on.clock.advance(LIMITS.resumeGraceMs + 1_000);
  expect([job.state, job.error?.code, output.text, output.ends]).toEqual(["failed", "node_lost", "0;1;2;", 1]);
});

test("a node that hands the answer back is not blamed, and it costs no attempt", () => {
  const { job, node } = begun();
  const others = [2, 3, 4, 5].map((index) => new SimNode(on, index, { continues: true }).join());
  let at = node;
  for (let i = 0; i < LIMITS.maxAttempts + 1; i++) {
    at.fail(at.last, "backend_busy", "refused");
    expect(at.node?.failures).toBe(0);
    const next = others.find(({ attempts }) => [...attempts.values()].some(({ end }) => !end));
    if (!next) throw new Error("nobody took it");
    at = next;
    at.stream(at.last, 1);
  }
  finishAt(at, 1);
  expect([job.state, output.text]).toEqual(["completed", "0;1;2;3;4;5;6;7;"]);
});

test("a node that only ever hands back does not keep a job for ever", () => {
  const node = new SimNode(on, 1, { continues: true }).join();
  const whole = recorder(true);
  const submitted = on.jobs.submit(spec({ stream: false }), whole);
  if (!submitted.ok) throw new Error(submitted.error.message);
  for (let i = 0; i < 100 && submitted.value.state !== "failed"; i++) {
    node.stream(node.last, 1);
    node.fail(node.last, "backend_busy", "refused");
    for (let ms = 0; ms < 8_000 && submitted.value.state === "queued"; ms += 250) on.clock.advance(250);
  }
  expect(submitted.value.attempts.length).toBe(17);
  expect([submitted.value.error?.code, whole.ends]).toEqual(["backend_busy", 1]);
});

test("an answer that has begun with nothing in it is begun anew by any node", () => {
  const { job, node } = empty();
  const other = new SimNode(on, 2).join();
  node.crash();
  expect(other.heard).toMatchObject([{ type: "dispatch" }]);
  expect(other.heard[0]).not.toHaveProperty("answered");
  finishAt(other);
  expect([job.state, output.text, job.attempts[1]?.took_over]).toEqual(["completed", "0;1;", null]);
});

function empty(over: Partial<JobSpec> = {}): { job: Job; node: SimNode } {
  const node = new SimNode(on, 1, { continues: true }).join();
  const submitted = on.jobs.submit(spec(over), output);
  if (!submitted.ok || !node.node) throw new Error("it was not taken");
  say(node, [{ content: "" }]);
  return { job: submitted.value, node };
}
/** Deltas as they are, for the node's last attempt, from its first on. */
function say(node: SimNode, deltas: Delta[], pieces?: number): void {
  if (!node.node) throw new Error("this node is not here");
  const attempt = node.last.id;
  const more = pieces === undefined ? {} : { pieces };
  on.jobs.listener.delta(node.node, { type: "delta", attempt, offset: 0, deltas, ...more });
}

test("a choice that nobody asked for fails the attempt, not the job, and counts against the model there", () => {
  const node = new SimNode(on, 1).join();
  const whole = recorder(true);
  const submitted = on.jobs.submit(spec({ stream: false }), whole);
  if (!submitted.ok) throw new Error(submitted.error.message);
  const other = new SimNode(on, 2).join();
  const attempt = node.last.id;
  say(node, [{ index: 3, content: "x" }]);
  expect(node.heardOf("cancel")).toEqual([attempt]);
  expect(node.node?.offers[0]?.failures).toBe(1);
  finishAt(other);
  expect([submitted.value.state, whole.text]).toEqual(["completed", "0;1;"]);
});

describe("the bound on the answer", () => {
  test("is not spent by pieces that a node only claims to have given", () => {
    const { job, node } = empty({ maxTokens: 1, repeatable: true });
    const other = new SimNode(on, 2, { continues: true }).join();
    node.crash();
    expect(other.attempts.size).toBe(1);
    say(other, [{ content: "0;" }], 1_000_000_000);
    expect(job.attempts.map(({ pieces }) => pieces)).toEqual([0, 1]);
  });

  test("is not spent by a tool call, which is made again", () => {
    const node = new SimNode(on, 1, { continues: true }).join();
    const submitted = on.jobs.submit(spec({ maxTokens: 10 }), output);
    if (!submitted.ok) throw new Error(submitted.error.message);
    const other = new SimNode(on, 2, { continues: true }).join();
    const call = (args: string): Delta => ({ tool_calls: [{ index: 0, function: { name: "f", arguments: args } }] });
    say(node, [{ content: "See" }, { content: ": " }, call("{"), call('"a"'), call(":")]);
    node.crash();
    expect(other.heard).toMatchObject([{ type: "dispatch", answered: "See:", max_tokens: 8 }]);
  });

  test("is what is left of it", () => {
    const { node } = begun({ maxTokens: 10 });
    const other = new SimNode(on, 2, { continues: true }).join();
    node.crash();
    expect(other.heard.find(({ type }) => type === "dispatch")).toMatchObject({ answered: "0;1;2;", max_tokens: 7 });
  });

  test("where nothing is left the answer is whole: only its end was lost", () => {
    const { job, node } = begun({ maxTokens: 3 });
    new SimNode(on, 2, { continues: true }).join();
    node.crash();
    expect(job).toMatchObject({ state: "completed", finish: [{ index: 0, reason: "length" }] });
    expect(job.usage?.completion_tokens).toBe(3);
  });
});

test("a prompt is metered once, though the second node read what the first had written", () => {
  const { job, node } = begun();
  const other = new SimNode(on, 2, { continues: true }).join();
  node.crash();
  other.stream(other.last, 2);
  other.end(other.last, { usage: { prompt_tokens: 13, completion_tokens: 2 } });
  expect(job.usage).toEqual({ prompt_tokens: 10, completion_tokens: 5 });
});

test("a node that is back after another took over stops what it still does", () => {
  const { job, node } = begun();
  const other = new SimNode(on, 2, { continues: true }).join();
  const attempt = node.last;
  node.lose();
  node.join();
  node.stream(attempt, 2);
  expect(node.attempts.size).toBe(0);
  finishAt(other);
  expect([job.state, output.text]).toEqual(["completed", "0;1;2;3;4;"]);
});
