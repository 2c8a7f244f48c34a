import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import type { Job } from "./job.ts";
import { LIMITS, NO_EXTRA, type Recorder, recorder, SimNode, type Stage, spec, stage } from "./testing/stage.ts";
import { TICK_MS } from "./timeouts.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

let on: Stage;
let node: SimNode;
let output: Recorder;
beforeEach(() => {
  on = stage(database);
  node = new SimNode(on, 1, { slots: 1 }).join();
  output = recorder();
});
function submit(over: Parameters<typeof spec>[0] = {}, to = output): Job {
  const submitted = on.jobs.submit(spec(over), to);
  if (!submitted.ok) throw new Error(submitted.error.code);
  return submitted.value;
}
/** To the last tick at which nothing may happen yet, and then to the one at which it must. */
function passes(ms: number, until: () => void, after: () => void): void {
  on.clock.advance(ms);
  until();
  on.clock.advance(2 * TICK_MS);
  after();
}

test.each([3_600_000, -3_600_000])(
  "a clock that jumps by %d ms, as over a sleep, times nothing out, nor keeps it waiting",
  (jumpMs) => {
    let jumped = 0;
    const real = manualClock();
    on = stage(database, { clock: { ...real, nowMs: () => real.nowMs() + jumped } });
    node = new SimNode(on, 1, { slots: 1 }).join();
    const running = submit();
    node.stream(node.last, 1);
    const queued = submit({}, recorder());
    jumped = jumpMs;
    on.clock.advance(1_000);
    expect([running.state, queued.state]).toEqual(["running", "queued"]);
    expect(node.node?.offers[0]?.failures).toBe(0);
    on.clock.advance(LIMITS.betweenTokensTimeoutMs);
    expect(running).toMatchObject({ state: "failed", error: { code: "stream_timeout" } });
  },
);

test("queued: a job for which no node is free in time expires", () => {
  submit();
  node.accept(node.last);
  const waiting = submit();
  node.stream(node.last, 1);
  const keep = on.clock.every(10_000, () => void node.stream(node.last, 1));
  passes(
    LIMITS.queueTimeoutMs,
    () => expect(waiting.state).toBe("queued"),
    () => expect(waiting).toMatchObject({ state: "expired", error: { code: "queue_timeout" } }),
  );
  keep();
});

test("queued: a chat does not outwait the absence of every node, an asynchronous job does", async () => {
  submit();
  const chat = submit();
  const later = await on.jobs.submitAsync(spec({ kind: "async" }), recorder(true), NO_EXTRA, () => {});
  node.lose();
  passes(
    LIMITS.resumeGraceMs,
    () => expect(chat.state).toBe("queued"),
    () => expect(chat).toMatchObject({ state: "failed", error: { code: "no_nodes_online" } }),
  );
  expect(later.ok && later.value.state).toBe("queued");
});

test("connect: a node that gives no sign of having the job is told to stop, blamed, and another is tried", () => {
  const other = new SimNode(on, 2);
  const job = submit();
  const attempt = node.last;
  other.join();
  passes(
    LIMITS.connectTimeoutMs,
    () => expect(job.attempts.length).toBe(1),
    () => expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["timed_out", null]),
  );
  expect(job.attempts[1]?.node).toBe(other.pubkey);
  expect(node.heardOf("cancel")).toEqual([attempt.id]);
  expect(node.node?.suspectUntilMs).toBeGreaterThan(on.clock.nowMs());
  expect(node.node?.running).toBe(1);
  node.end(attempt, { outcome: "cancelled", finish: [], usage: null });
  expect(node.node?.running).toBe(0);
});

test("connect: a node that was told to stop and stays silent gets its slot back after 10 s", () => {
  submit();
  new SimNode(on, 2).join();
  on.clock.advance(LIMITS.connectTimeoutMs + 2 * TICK_MS);
  expect(node.node?.running).toBe(1);
  on.clock.advance(10_000 + 2 * TICK_MS);
  expect(node.node?.running).toBe(0);
});

test("first token: what was accepted may take longer, but not for ever", () => {
  const job = submit();
  node.accept(node.last);
  passes(
    LIMITS.firstTokenTimeoutMs,
    () => expect(job.attempts.length).toBe(1),
    () => expect(job.attempts[0]).toMatchObject({ outcome: "timed_out", error: { code: "first_token_timeout" } }),
  );
});

test("between tokens: a stream that stops is ended with an error, and the node is told to stop", () => {
  const job = submit();
  const attempt = node.last;
  node.stream(attempt, 1);
  on.clock.advance(LIMITS.betweenTokensTimeoutMs - TICK_MS);
  node.stream(attempt, 1);
  passes(
    LIMITS.betweenTokensTimeoutMs,
    () => expect(job.state).toBe("running"),
    () => expect(job).toMatchObject({ state: "failed", error: { code: "stream_timeout" } }),
  );
  expect(node.heardOf("cancel")).toEqual([attempt.id]);
  expect(output.text).toBe("0;1;");
});

test("between tokens: an answer that nobody saw starts over elsewhere", () => {
  const unseen = recorder(true);
  const job = submit({ stream: false }, unseen);
  node.stream(node.last, 3);
  const other = new SimNode(on, 2).join();
  on.clock.advance(LIMITS.betweenTokensTimeoutMs + 2 * TICK_MS);
  expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["timed_out", null]);
  other.stream(other.last, 1);
  other.end(other.last);
  expect([job.state, unseen.text, unseen.restarts]).toEqual(["completed", "0;", 1]);
});

test("stalled reader: one that takes nothing counts as gone; its node is not blamed and stops", () => {
  const job = submit();
  output.behind = Promise.withResolvers();
  node.stream(node.last, 1);
  const { id } = node.last;
  passes(
    LIMITS.stalledReaderTimeoutMs,
    () => expect(job.state).toBe("running"),
    () => expect(job).toMatchObject({ state: "cancelled", error: { code: "reader_stalled" } }),
  );
  expect(node.heardOf("cancel")).toEqual([id]);
  expect(node.node?.suspectUntilMs).toBe(0);
});

test("stalled reader: while it is behind the node owes nothing, afterwards it does again", async () => {
  const job = submit();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  output.behind = { promise, resolve, reject };
  node.stream(node.last, 1);
  on.clock.advance(LIMITS.betweenTokensTimeoutMs + 5_000);
  expect(job.state).toBe("running");
  resolve();
  await on.settle();
  output.behind = null;
  on.clock.advance(LIMITS.betweenTokensTimeoutMs);
  expect(job.state).toBe("running");
  on.clock.advance(2 * TICK_MS);
  expect(job.error?.code).toBe("stream_timeout");
});

test("return: a stream whose node is gone waits for it, and fails when it stays away", () => {
  const job = submit();
  node.stream(node.last, 2);
  node.lose();
  passes(
    LIMITS.resumeGraceMs - TICK_MS,
    () => expect(job.state).toBe("running"),
    () => expect(job).toMatchObject({ state: "failed", error: { code: "node_lost" } }),
  );
  expect(job.attempts[0]?.outcome).toBe("lost");
});

test("return: a node that is back in time goes on where it was", () => {
  const job = submit();
  const attempt = node.last;
  node.stream(attempt, 2);
  node.lose();
  attempt.made += 3;
  on.clock.advance(LIMITS.resumeGraceMs - TICK_MS);
  node.join();
  expect(attempt.sent).toBe(2);
  node.send(attempt, 1);
  node.end(attempt);
  expect([job.state, output.text]).toEqual(["completed", "0;1;2;3;4;"]);
  expect(node.node?.running).toBe(0);
});

test("a retry waits its own time in the queue, however long the attempt before took", async () => {
  const submitted = await on.jobs.submitAsync(spec({ kind: "async" }), recorder(true), NO_EXTRA, () => {});
  if (!submitted.ok) throw new Error(submitted.error.code);
  const job = submitted.value;
  await on.settle();
  for (let i = 0; i < 10; i++) {
    node.stream(node.last, 1);
    on.clock.advance(10_000);
  }
  node.crash();
  on.clock.advance(LIMITS.resumeGraceMs + TICK_MS);
  expect(job.state).toBe("queued");
  on.clock.advance(LIMITS.queueTimeoutMs - 2 * TICK_MS);
  expect(job.state).toBe("queued");
  on.clock.advance(4 * TICK_MS);
  await on.settle();
  expect(job).toMatchObject({ state: "expired", error: { code: "queue_timeout" } });
});
