import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import type { Job, JobSpec } from "../jobs/job.ts";
import { MODEL, NO_EXTRA, type Recorder, recorder, SimNode, spec } from "../jobs/testing/stage.ts";
import { type PollingStage, pollingStage, SimPoller } from "./testing/polling-stage.ts";

let database: TestDatabase;
let on: PollingStage;
beforeEach(async () => {
  database = await testDatabase();
  on = pollingStage(database);
});
afterEach(async () => {
  on.pollers.close();
  await database[Symbol.asyncDispose]();
});

function submit(over: Partial<JobSpec> = {}, output: Recorder = recorder()): { job: Job; output: Recorder } {
  const job = on.jobs.submit(spec(over), output);
  if (!job.ok) throw new Error(job.error.message);
  return { job: job.value, output };
}
const poller = (index = 1, options?: { continues?: boolean }) => new SimPoller(on, index, options).heartbeat();
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const done = { outcome: "completed", reason: "stop" } as const;

describe("work is given when it is asked for", () => {
  test("a job for a model that only pollers serve waits for the next poll", async () => {
    const node = poller();
    const { job, output } = submit();
    expect(job.state).toBe("queued");
    const leased = await node.one();
    expect(leased.attempt.id).toBe(`${job.id}.1`);
    expect(node.says(leased, "Hel", "lo").ok).toBe(true);
    expect(await on.pollers.finish(leased, "Hello", done)).toEqual({ ok: true, value: "completed" });
    expect([job.state, output.text, output.ends, job.attempts.length]).toEqual(["completed", "Hello", 1, 1]);
    expect(node.node.running).toBe(0);
  });

  test("as many as were asked for, and no more", async () => {
    const node = poller();
    for (let i = 0; i < 4; i++) submit();
    expect((await node.poll(3)).length).toBe(3);
    expect((await node.poll(3)).length).toBe(1);
    expect(await node.poll(3)).toEqual([]);
    expect(node.node).toMatchObject({ running: 4, slots: 4 });
  });

  test("nothing between polls, however much ends there", async () => {
    const node = poller();
    for (let i = 0; i < 3; i++) submit();
    const leased = await node.one();
    await on.pollers.finish(leased, "x", done);
    expect(on.jobs.queued()).toBe(2);
  });

  test("an asynchronous job is claimed first, and is in the same answer", async () => {
    const node = poller();
    const job = await on.jobs.submitAsync(spec({ kind: "async" }), recorder(), NO_EXTRA, () => {});
    if (!job.ok) throw new Error("refused");
    const leased = await node.one();
    await on.pollers.finish(leased, "all of it", done);
    expect(job.value.state).toBe("completed");
  });

  test("a long poll is answered the moment a job comes, and empty when its time is over", async () => {
    const node = poller();
    const asked = node.poll(1, { waitMs: 20_000 });
    const { job } = submit();
    expect((await asked).map(({ attempt }) => attempt)).toEqual([`${job.id}.1`]);
    const idle = node.poll(1, { waitMs: 20_000 });
    await turn();
    on.clock.advance(20_000);
    expect(await idle).toEqual([]);
    expect(node.node.slots).toBe(1);
  });

  test("what is dispatched into a poll whose client has gone is given back, without blame", async () => {
    const node = poller();
    const gone = new AbortController();
    const asked = node.poll(1, { waitMs: 20_000, signal: gone.signal });
    const { job } = submit();
    gone.abort();
    expect(await asked).toEqual([]);
    expect(job).toMatchObject({ state: "queued", attempts: [{ outcome: "refused" }] });
    expect(node.node).toMatchObject({ running: 0, slots: 0, failures: 0 });
    on.clock.advance(250);
    expect((await node.one()).attempt.id).toBe(`${job.id}.2`);
  });

  test("side by side with a linked node: both have work, and each only as much as it takes", async () => {
    const linked = new SimNode(on, 9, { slots: 1 }).join();
    const node = poller();
    const [first, second] = [submit(), submit()];
    expect([first.job.run?.pubkey, second.job.state]).toEqual([linked.pubkey, "queued"]);
    const leased = await node.one();
    expect(second.job.run?.pubkey).toBe(node.pubkey);
    await on.pollers.finish(leased, "x", done);
    expect(second.job.state).toBe("completed");
  });

  test("a task it does not do is not given to it", async () => {
    const node = poller();
    const refused = on.jobs.submit(spec({ task: "embedding", bodyJson: '{"input":"x"}' }), recorder());
    expect(refused).toMatchObject({ error: { code: "no_matching_node" } });
    expect(await node.poll()).toEqual([]);
    expect(node.node.running).toBe(0);
  });
});

describe("the answer", () => {
  test("what is missing at the end is handed on, and characters stay whole", async () => {
    const node = poller();
    const { output } = submit();
    const leased = await node.one();
    node.says(leased, "a");
    const whole = `a${"😀".repeat(40_000)}`;
    await on.pollers.finish(leased, whole, done);
    expect(output.text).toBe(whole);
    expect(output.pieces.length).toBe(3);
  });

  test("with a piece lost on the way it is no answer: the job goes elsewhere where it can", async () => {
    const node = poller();
    const output = recorder(true);
    const { job } = submit({}, output);
    const leased = await node.one();
    node.says(leased, "Hel", "o");
    await on.pollers.finish(leased, "Hello", done);
    expect(job).toMatchObject({
      state: "queued",
      attempts: [{ outcome: "failed", error: { code: "backend_failed" } }],
    });
    expect(output.text).toBe("");
  });

  test("a shorter text at the end, trimmed or without the thoughts, takes nothing back", async () => {
    const node = poller();
    const { job, output } = submit();
    const leased = await node.one();
    node.says(leased, " Hello ");
    await on.pollers.finish(leased, "Hello", done);
    expect([job.state, output.text]).toEqual(["completed", " Hello "]);
  });

  test("the reader's pace is the node's: it is held while the reader is behind, then told to come again", async () => {
    const node = poller();
    const output = recorder();
    submit({}, output);
    const leased = await node.one();
    output.behind = Promise.withResolvers();
    const piece = "x".repeat(60_000);
    let held: Promise<void> | undefined;
    let taken = 0;
    for (let said = node.says(leased, piece); said.ok; said = node.says(leased, piece)) {
      held = said.value;
      taken++;
    }
    expect(taken * 60_000).toBeLessThan(1.25 * 1024 * 1024);
    output.behind.resolve();
    output.behind = null;
    await held;
    expect(node.says(leased, "!").ok).toBe(true);
    await on.pollers.finish(leased, null, done);
    expect([output.pieces.length, output.text.length]).toEqual([taken + 1, taken * 60_000 + 1]);
  });

  test("a whole text of 1 MiB at once is taken, also from a node that was ahead", async () => {
    const node = poller();
    const output = recorder();
    const { job } = submit({}, output);
    const leased = await node.one();
    output.behind = Promise.withResolvers();
    // Small pieces weigh more than their text.
    for (let i = 0; i < 25; i++) node.says(leased, ...Array<string>(1_000).fill("x"));
    const whole = "x".repeat(25_000) + "y".repeat(1_000_000);
    const ended = on.pollers.finish(leased, whole, done);
    await turn();
    expect(job.state).toBe("running");
    output.behind.resolve();
    output.behind = null;
    await ended;
    expect([job.state, output.text === whole]).toEqual(["completed", true]);
  });
});

describe("the lease", () => {
  test("is renewed by any sign, and lapses after 90 s: the job goes elsewhere, what comes late is refused", async () => {
    const node = poller(1);
    const other = poller(2);
    const { job } = submit();
    const leased = await node.one();
    for (let i = 0; i < 4; i++) {
      on.clock.advance(20_000);
      for (const { pubkey } of [node, other]) expect(on.pollers.seen(pubkey)).toBe(true);
      expect(node.says(leased, "").ok).toBe(true);
    }
    expect(job.run?.pubkey).toBe(node.pubkey);
    node.says(leased, "Hel");
    for (let i = 0; i < 5; i++) {
      on.clock.advance(19_000);
      on.pollers.seen(other.pubkey);
    }
    expect(job.run?.pubkey).not.toBe(node.pubkey);
    expect(on.pollers.find(node.pubkey, leased.attempt.id)).toEqual({ ok: false, error: "lease_lapsed" });
    expect(on.pollers.seen(node.pubkey)).toBe(false);
    expect(await on.pollers.finish(leased, "Hello", done)).toEqual({ ok: false, error: "lease_lapsed" });
  });

  test("is not taken from anybody when most fall silent at once", async () => {
    const nodes = [1, 2, 3, 4].map((index) => poller(index));
    on.clock.advance(200_000);
    expect(nodes.every(({ node }) => node.channel !== null)).toBe(true);
  });

  test("of another node is nobody's business", async () => {
    const [one, other] = [poller(1), poller(2)];
    submit();
    const { attempt } = await one.one();
    expect(on.pollers.find(other.pubkey, attempt.id)).toEqual({ ok: false, error: "lease_lapsed" });
  });

  test("ends with the attempt: a second end is refused", async () => {
    const node = poller();
    submit();
    const leased = await node.one();
    await on.pollers.finish(leased, "x", done);
    expect(on.pollers.find(node.pubkey, leased.attempt.id)).toEqual({ ok: false, error: "already_completed" });
  });

  test("of a cancelled job is told so, and its slot is free at once", async () => {
    const node = poller();
    const { job } = submit();
    const leased = await node.one();
    on.jobs.cancel(job, { code: "client_gone", message: "gone" });
    await turn();
    expect(node.node.running).toBe(0);
    expect(on.pollers.find(node.pubkey, leased.attempt.id)).toEqual({ ok: false, error: "job_cancelled" });
  });
});

describe("coming and going", () => {
  test("a node that says it leaves gives its jobs back at once, without blame", async () => {
    const node = poller(1);
    const { job } = submit();
    await node.one();
    on.pollers.leave(node.pubkey);
    expect(job.attempts).toMatchObject([{ outcome: "lost" }]);
    expect(on.registry.offersOf(MODEL)).toEqual([]);
    expect(node.node).toMatchObject({ failures: 0, channel: null, running: 0 });
  });

  test("a long poll ends with the session it belongs to", async () => {
    const node = poller();
    const asked = node.poll(1, { waitMs: 60_000 });
    on.pollers.reset(node.pubkey, "ejected");
    expect(await asked).toEqual([]);
  });

  test("what it serves follows its heartbeats", () => {
    const node = poller();
    node.heartbeat(["a", "b"]);
    expect([...on.registry.models.keys()]).toEqual(["a", "b"]);
    expect(node.node).toMatchObject({ slots: 0, accepting: true });
  });

  test("a link of the same key takes over, and polling takes over from a link", async () => {
    const node = poller(5);
    const { job } = submit();
    await node.one();
    const linked = new SimNode(on, 5, { slots: 1 }).join();
    expect(on.pollers.has(node.pubkey)).toBe(false);
    expect(job).toMatchObject({ attempts: [{ outcome: "lost" }, { outcome: null }] });
    expect(await node.poll()).toEqual([]);
    node.heartbeat();
    expect(linked.online).toBe(false);
    expect(job.attempts[1]?.outcome).toBe("lost");
    expect((await node.one()).attempt.id).toBe(`${job.id}.3`);
  });

  test("an answer that another node began is gone on with only by those that can", async () => {
    const linked = new SimNode(on, 9, { slots: 1 }).join();
    const { job, output } = submit();
    const attempt = linked.last;
    linked.stream(attempt, 2);
    const plain = poller(1);
    const able = poller(2, { continues: true });
    linked.crash();
    expect(await plain.poll()).toEqual([]);
    const [frame] = await able.poll();
    expect(frame).toMatchObject({ attempt: `${job.id}.2`, answered: "0;1;" });
    await on.pollers.finish(able.leased(`${job.id}.2`), "2;", done);
    expect([job.state, output.text]).toEqual(["completed", "0;1;2;"]);
  });
});
