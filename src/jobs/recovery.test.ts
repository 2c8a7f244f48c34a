// A coordinator that died: what the next process does with the jobs it finds in the database.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import type { Job } from "./job.ts";
import { type OutputLog, outputLog } from "./output-log.ts";
import { failInterruptedChats, failUnreadable, findJob, unfinishedJobs } from "./records.ts";
import { jobContent, jobs as jobRows } from "./schema.ts";
import { LIMITS, NO_EXTRA, recorder, SimNode, type Stage, spec, stage } from "./testing/stage.ts";

let database: TestDatabase;
let before: Stage;
let clock: ManualClock;
beforeEach(async () => {
  database = await testDatabase();
  before = stage(database);
  clock = before.clock;
});
afterEach(() => database[Symbol.asyncDispose]());

async function asyncJob(on: Stage = before): Promise<Job> {
  const submitted = await on.jobs.submitAsync(spec({ kind: "async" }), outputLog(), NO_EXTRA, () => {});
  if (!submitted.ok) throw new Error(submitted.error.code);
  await on.settle();
  return submitted.value;
}
const rowOf = async (id: string) => (await database.db.read.select().from(jobRows).where(eq(jobRows.id, id)))[0];

type Restarted = { after: Stage; jobs: Job[]; outputs: OutputLog[]; failed: number };
/** The process is gone; what it had written is there. */
async function restart(written = true): Promise<Restarted> {
  if (written) await before.records.flush();
  await before.settle();
  // The dead do not hear the clock any more.
  clock = manualClock(clock.nowMs());
  const failed = await failInterruptedChats(database.db, clock.nowMs(), "me");
  const outputs = new Map<string, OutputLog>();
  const after = stage(database, { clock, answerOf: (job) => outputs.get(job.id)?.stored(job) ?? null });
  const jobs = (await unfinishedJobs(database.db, "me")).map(({ job: row, content, hold }) => {
    const output = outputLog();
    outputs.set(row.id, output);
    return after.jobs.recover(row, spec({ kind: "async", bodyJson: content.request }), output, hold);
  });
  return { after, jobs, outputs: [...outputs.values()], failed };
}
async function textOf(output: OutputLog | undefined): Promise<string> {
  const reader = output?.read(null);
  let text = "";
  for (let next = await reader?.next(); Array.isArray(next); next = await reader?.next()) {
    text += next.map((piece) => piece.text).join("");
  }
  return text;
}

test("chats in every state fail as coordinator_restarted; ended ones stay as they are", async () => {
  const node = new SimNode(before, 1, { slots: 2 }).join();
  const submit = () => {
    const submitted = before.jobs.submit(spec(), recorder());
    if (!submitted.ok) throw new Error(submitted.error.code);
    return submitted.value;
  };
  const done = submit();
  node.end(node.last);
  const running = submit();
  node.stream(node.last, 1);
  const dispatched = submit();
  const queued = submit();
  const { failed, jobs } = await restart();
  expect(jobs).toEqual([]);
  expect(failed).toBe(3);
  expect((await rowOf(done.id))?.state).toBe("completed");
  for (const { id } of [running, dispatched, queued]) {
    expect(await rowOf(id)).toMatchObject({
      state: "failed",
      errorCode: "coordinator_restarted",
      endedMs: clock.nowMs(),
    });
  }
});

test("queued jobs go on in the order in which they came", async () => {
  new SimNode(before, 1).join().lose();
  const made = [await asyncJob(), await asyncJob(), await asyncJob()];
  const { after } = await restart();
  expect(after.jobs.queued()).toBe(3);
  const node = new SimNode(after, 1, { slots: 1 }).join();
  const order: string[] = [];
  for (let i = 0; i < 3; i++) {
    await after.settle();
    order.push(node.last.id.split(".")[0] ?? "");
    node.end(node.last);
    await after.settle();
  }
  expect(order).toEqual(made.map(({ id }) => id));
  expect(after.jobs.live.size).toBe(0);
});

test("a running job goes on at its node, from the first delta on, and runs again", async () => {
  const node = new SimNode(before, 1).join();
  const made = await asyncJob();
  const attempt = node.last;
  node.stream(attempt, 3);
  const { after, jobs, outputs } = await restart();
  expect([jobs[0]?.state, (await rowOf(made.id))?.state]).toEqual(["dispatched", "running"]);
  const same = new SimNode(after, 1);
  same.attempts.set(attempt.id, attempt);
  attempt.made = 5;
  same.join();
  expect(attempt.sent).toBe(0);
  same.send(attempt);
  expect(jobs[0]?.state).toBe("running");
  same.end(attempt);
  await after.settle();
  expect([jobs[0]?.state, await textOf(outputs[0])]).toEqual(["completed", "0;1;2;3;4;"]);
  expect(same.heardOf("ack")).toEqual([attempt.id]);
  expect(same.node?.running).toBe(0);
  const found = await findJob(database.db, "local", made.id);
  expect(JSON.parse(found?.content?.output ?? "{}").pieces.length).toBe(5);
  // What the first process had counted of it is not counted twice.
  expect(jobs[0]?.attempts).toMatchObject([{ pieces: 5, bytes: 10 }]);
});

test("a job whose node comes back without it starts over, behind `admitted`, with none of the old text", async () => {
  const node = new SimNode(before, 1).join();
  const made = await asyncJob();
  node.stream(node.last, 3);
  const { after, jobs, outputs } = await restart();
  const same = new SimNode(after, 1).join();
  await after.settle();
  expect(same.last.id).toBe(`${made.id}.2`);
  same.stream(same.last, 2);
  same.end(same.last);
  await after.settle();
  expect([jobs[0]?.state, await textOf(outputs[0])]).toEqual(["completed", "0;1;"]);
  expect(await rowOf(made.id)).toMatchObject({ state: "completed", attempt: 2 });
});

test("a job that went on and then lost its node has no text of two attempts", async () => {
  const node = new SimNode(before, 1).join();
  await asyncJob();
  const attempt = node.last;
  node.stream(attempt, 3);
  const { after, jobs, outputs } = await restart();
  const same = new SimNode(after, 1);
  same.attempts.set(attempt.id, attempt);
  same.join();
  same.send(attempt);
  const other = new SimNode(after, 2).join();
  same.crash();
  await after.settle();
  other.stream(other.last, 2);
  other.end(other.last);
  await after.settle();
  expect([jobs[0]?.state, await textOf(outputs[0])]).toEqual(["completed", "0;1;"]);
});

test("a job whose node stays away is given to another after the grace", async () => {
  const node = new SimNode(before, 1).join();
  const made = await asyncJob();
  expect(node.attempts.size).toBe(1);
  const { after, jobs } = await restart(false);
  const other = new SimNode(after, 2).join();
  expect(other.attempts.size).toBe(0);
  clock.advance(LIMITS.resumeGraceMs + 500);
  await after.settle();
  expect(other.last.id).toBe(`${made.id}.2`);
  expect(jobs[0]?.attempts.map(({ outcome }) => outcome)).toEqual(["lost", null]);
});

test("a node that still has the job but offers its model no more does not keep it", async () => {
  const node = new SimNode(before, 1).join();
  await asyncJob();
  const attempt = node.last;
  const { after, jobs } = await restart();
  const same = new SimNode(after, 1, { models: ["another"] });
  same.attempts.set(attempt.id, attempt);
  same.join();
  expect(same.attempts.size).toBe(0);
  expect(same.node?.running).toBe(0);
  expect(jobs[0]?.state).toBe("queued");
});

test("a job that had all its attempts fails when its last node is lost", async () => {
  const node = new SimNode(before, 1).join();
  await asyncJob();
  for (let i = 0; i < 2; i++) {
    node.fail(node.last, "backend_failed");
    // The only node has a moment to recover.
    clock.advance(1_000);
    await before.settle();
  }
  const { after, jobs } = await restart();
  expect(jobs[0]?.attempt).toBe(3);
  clock.advance(LIMITS.resumeGraceMs + 500);
  await after.settle();
  expect(jobs[0]).toMatchObject({ state: "failed", error: { code: "node_lost" } });
});

test("a job that ended is not taken up again, though its end was stored and never acknowledged", async () => {
  const node = new SimNode(before, 1).join();
  const made = await asyncJob();
  const attempt = node.last;
  node.stream(attempt, 1);
  node.end(attempt);
  const { after, jobs } = await restart();
  expect(jobs).toEqual([]);
  const same = new SimNode(after, 1);
  same.attempts.set(attempt.id, attempt);
  same.join();
  expect(same.attempts.size).toBe(0);
  expect((await rowOf(made.id))?.state).toBe("completed");
});

test("a job whose request is gone, as after a restored backup, fails instead of waiting for ever", async () => {
  new SimNode(before, 1).join().lose();
  const made = await asyncJob();
  await database.db.writer.transact((tx) => tx.delete(jobContent).where(eq(jobContent.jobId, made.id)));
  const { failed, jobs } = await restart();
  expect([failed, jobs]).toEqual([1, []]);
  expect(await rowOf(made.id)).toMatchObject({ state: "failed", errorCode: "coordinator_restarted" });
});

test("a job whose request cannot be read fails alone, and an ended one is left as it is", async () => {
  const [unreadable, other] = [await asyncJobOfAbsent(), await asyncJobOfAbsent()];
  await failUnreadable(database.db, unreadable.id, clock.nowMs());
  expect(await rowOf(unreadable.id)).toMatchObject({ state: "failed", errorCode: "invalid_request" });
  expect((await unfinishedJobs(database.db, "me")).map(({ job }) => job.id)).toEqual([other.id]);
  const { endedMs } = (await rowOf(unreadable.id)) ?? {};
  clock.advance(1000);
  await failUnreadable(database.db, unreadable.id, clock.nowMs());
  expect((await rowOf(unreadable.id))?.endedMs).toBe(endedMs ?? 0);
});

/** Stored, with no node that could take it. */
async function asyncJobOfAbsent(): Promise<Job> {
  new SimNode(before, 1).join().lose();
  return asyncJob();
}

test("a job of another coordinator on the same database is that one's to go on with", async () => {
  const job = await asyncJobOfAbsent();
  const own = (owner: string) => database.db.writer.transact((tx) => tx.update(jobRows).set({ owner }));
  await own("another");
  expect((await restart()).jobs).toEqual([]);
  expect(await rowOf(job.id)).toMatchObject({ state: "queued" });
  await own("me");
  expect((await restart()).jobs).toMatchObject([{ id: job.id }]);
});
