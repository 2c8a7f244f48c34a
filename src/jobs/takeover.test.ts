// Taking over an answer that readers have begun to see, on the real engine with nodes that do what a test tells them.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
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

describe("the bound on the answer", () => {
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
