import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { accounts } from "../accounts/schema.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { attemptIdSchema } from "../protocol/frames.ts";
import { attemptId, type JobId } from "../protocol/primitives.ts";
import type { Job } from "./job.ts";
import { IDEMPOTENCY_MS, type NewAsyncJob } from "./records.ts";
import { jobs as jobRows } from "./schema.ts";
import { LIMITS, NO_EXTRA, type Recorder, recorder, SimNode, type Stage, spec, stage } from "./testing/stage.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

let on: Stage;
beforeEach(() => {
  on = stage(database);
});
function chat(over: Parameters<typeof spec>[0] = {}, to: Recorder = recorder()): Job {
  const submitted = on.jobs.submit(spec(over), to);
  if (!submitted.ok) throw new Error(submitted.error.code);
  return submitted.value;
}
async function later(
  over: Parameters<typeof spec>[0] = {},
  extra: NewAsyncJob = NO_EXTRA,
  to: Recorder = recorder(true),
) {
  const submitted = await on.jobs.submitAsync(spec({ kind: "async", ...over }), to, extra, () => {});
  if (!submitted.ok) throw new Error(submitted.error.code);
  return submitted.value;
}
const rowOf = async (id: string) => (await database.db.read.select().from(jobRows).where(eq(jobRows.id, id)))[0];

describe("refusals", () => {
  test("a model that nobody ever served is unknown, and the message says which there are", () => {
    new SimNode(on, 1, { models: ["one", "two"] }).join();
    const refused = on.jobs.submit(spec({ model: "three" }), recorder());
    expect(refused).toMatchObject({ error: { code: "model_not_found", message: expect.stringContaining("one, two") } });
  });

  test("a model whose nodes went is offline after their grace, for chats only", async () => {
    new SimNode(on, 1).join().lose();
    expect(on.jobs.submit(spec(), recorder()).ok).toBe(true);
    on.clock.advance(LIMITS.resumeGraceMs + 1);
    expect(on.jobs.submit(spec(), recorder())).toMatchObject({ error: { code: "no_nodes_online" } });
    expect((await later()).state).toBe("queued");
  });

  test("a prompt that fits no node's context is refused with the largest there is", () => {
    new SimNode(on, 1, { contextLength: 100 }).join();
    new SimNode(on, 2, { contextLength: 200 }).join();
    expect(on.jobs.submit(spec({ minContext: 201 }), recorder())).toMatchObject({
      error: { code: "context_length_exceeded", message: expect.stringContaining("200") },
    });
    expect(chat({ minContext: 150 }).attempts[0]?.node).toEndWith("2");
  });

  test("nothing is stored of an asynchronous job that is refused", async () => {
    const before = await database.db.read.$count(jobRows);
    expect(await on.jobs.submitAsync(spec({ kind: "async" }), recorder(), NO_EXTRA, () => {})).toMatchObject({
      error: { code: "model_not_found" },
    });
    expect(await database.db.read.$count(jobRows)).toBe(before);
  });
});

describe("retries", () => {
  test("go to nodes that had not tried yet, come back to the first only when all have, and end after the third", () => {
    const nodes = [1, 2].map((i) => new SimNode(on, i).join());
    const job = chat();
    const seen: string[] = [];
    for (let i = 0; i < 3; i++) {
      const node = nodes.find(({ attempts }) => attempts.size > 0)!;
      seen.push(node.pubkey.slice(-1));
      node.fail(node.last, "backend_failed");
      // A node that has failed the job has a moment to recover before it has it again.
      if (i === 1) expect([job.state, nodes.every(({ attempts }) => attempts.size === 0)]).toEqual(["queued", true]);
      on.clock.advance(500);
    }
    expect(new Set(seen.slice(0, 2)).size).toBe(2);
    expect(job.attempts.map(({ why }) => why.last_resort)).toEqual([false, false, true]);
    expect(job).toMatchObject({ state: "failed", error: { code: "backend_failed" }, attempt: 3 });
  });

  test("of a context that was too small go to larger nodes only", () => {
    const small = new SimNode(on, 1, { contextLength: 100 }).join();
    const job = chat();
    new SimNode(on, 2, { contextLength: 50 }).join();
    const large = new SimNode(on, 3, { contextLength: 1000 }).join();
    small.fail(small.last, "context_length_exceeded");
    expect(large.attempts.size).toBe(1);
    large.fail(large.last, "context_length_exceeded");
    expect(job).toMatchObject({ state: "failed", error: { code: "context_length_exceeded" }, attempt: 2 });
    expect([small, large].map(({ node }) => node?.suspectUntilMs)).toEqual([0, 0]);
  });

  test("of a context that its node had never told go to others that are known to have room", () => {
    const silent = new SimNode(on, 1).join();
    const job = chat();
    const large = new SimNode(on, 2, { contextLength: 1000 }).join();
    silent.fail(silent.last, "context_length_exceeded");
    expect(large.attempts.size).toBe(1);
    large.fail(large.last, "context_length_exceeded");
    expect(job).toMatchObject({ state: "failed", error: { code: "context_length_exceeded" }, attempt: 2 });
  });

  test("are not made of a request that is wrong itself", () => {
    const node = new SimNode(on, 1).join();
    const job = chat();
    new SimNode(on, 2).join();
    node.fail(node.last, "invalid_request");
    expect(job).toMatchObject({ state: "failed", error: { code: "invalid_request" } });
    expect(job.attempts.length).toBe(1);
  });

  test("a refusal costs the node no trust, a failure opens the breaker of its model there", () => {
    const node = new SimNode(on, 1).join();
    chat();
    node.fail(node.last, "backend_busy", "refused");
    expect(node.node?.offers[0]?.openUntilMs).toBe(0);
    on.clock.advance(250);
    node.fail(node.last, "backend_failed");
    expect(node.node?.offers[0]?.openUntilMs).toBeGreaterThan(on.clock.nowMs());
  });

  test("what an earlier attempt still says is neither heard nor acknowledged as an answer", () => {
    const [one, two] = [1, 2].map((i) => new SimNode(on, i).join()) as [SimNode, SimNode];
    const output = recorder();
    const job = chat({}, output);
    const [first, second] = one.attempts.size > 0 ? [one, two] : [two, one];
    const old = first.last;
    on.clock.advance(LIMITS.connectTimeoutMs + 1_000);
    first.stream(old, 2);
    expect(output.pieces).toEqual([]);
    second.stream(second.last, 1);
    first.end(old);
    expect([job.state, output.text]).toEqual(["running", "0;"]);
    expect(first.heardOf("ack")).toEqual([old.id]);
    second.end(second.last);
    expect(job.state).toBe("completed");
  });

  test("a broken link gives what had not begun to another node at once", () => {
    const one = new SimNode(on, 1).join();
    const job = chat();
    const two = new SimNode(on, 2).join();
    one.lose();
    expect(two.last.id).toBe(`${job.id}.2`);
    // The first comes back and still has it: it is told to forget.
    one.join();
    expect(one.attempts.size).toBe(0);
    expect(one.node?.running).toBe(0);
  });

  test("a newer link without the dispatch gets it again, after it was let in", () => {
    const node = new SimNode(on, 1).join();
    const job = chat();
    node.attempts.clear();
    node.join();
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["lost", null]);
    expect(node.last.id).toBe(`${job.id}.2`);
    expect(node.node?.running).toBe(1);
  });
});

describe("what a node may claim", () => {
  test("usage is bounded by the limit and by the bytes that passed, whatever the field they came in", () => {
    const node = new SimNode(on, 1, { slots: 9 }).join();
    const claim = (over: Parameters<typeof spec>[0], deltas: object[], completion: number) => {
      const job = chat(over);
      const attempt = node.last;
      on.jobs.listener.delta(node.node!, { type: "delta", attempt: attempt.id, offset: 0, deltas });
      attempt.made = attempt.sent = 1;
      node.end(attempt, { usage: { prompt_tokens: 9e8, completion_tokens: completion } });
      return job.usage;
    };
    expect(claim({}, [{ content: "12345" }], 900)?.completion_tokens).toBe(5);
    expect(claim({ maxTokens: 3 }, [{ content: "12345" }], 900)?.completion_tokens).toBe(3);
    expect(claim({}, [{ reasoning_content: "äö", refusal: "no" }], 900)?.completion_tokens).toBe(6);
    const call = { index: 0, function: { name: "f", arguments: "{}" } };
    expect(claim({}, [{ tool_calls: [call] }], 900)?.completion_tokens).toBe(3);
    const { bodyJson } = spec();
    expect(claim({}, [{ content: "x" }], 1)?.prompt_tokens).toBe(bodyJson.length + 64);
  });

  test("a gap closes the link; what was sent already is dropped by offset", () => {
    const node = new SimNode(on, 1).join();
    const output = recorder();
    chat({}, output);
    const attempt = node.last;
    node.stream(attempt, 3);
    node.send(attempt, 1);
    node.stream(attempt, 1, 3);
    expect(output.text).toBe("0;1;2;3;");
    attempt.made = 6;
    expect(node.send(attempt, 5)).toContain("missing");
  });

  test("a node that sends past its credit while the reader is behind is cut off", () => {
    const node = new SimNode(on, 1).join();
    const output = recorder();
    chat({}, output);
    output.behind = Promise.withResolvers();
    const { id } = node.last;
    const deltas = [{ content: "x".repeat(64 * 1024) }];
    let said: string | undefined;
    let sent = 0;
    for (; said === undefined && sent < 100; sent++) {
      said = on.jobs.listener.delta(node.node!, { type: "delta", attempt: id, offset: sent, deltas });
    }
    expect(said).toContain("more than it was granted");
    expect(sent * 64).toBeLessThan(2_000);
  });

  test("an answer past 32 MiB is ended, of whatever it is made, and the node is told", () => {
    const node = new SimNode(on, 1).join();
    const output = recorder(true);
    const job = chat({ stream: false }, output);
    const { id } = node.last;
    const deltas = [{ logprobs: "x".repeat(512 * 1024) }];
    for (let offset = 0; job.endedMs === null && offset < 100; offset++) {
      on.jobs.listener.delta(node.node!, { type: "delta", attempt: id, offset, deltas });
    }
    expect(job).toMatchObject({ state: "failed", error: { code: "output_too_large" } });
    expect(node.heardOf("cancel")).toEqual([id]);
    expect(node.heardOf("credit").length).toBeGreaterThan(10);
    node.end(node.last, { outcome: "cancelled", finish: [], usage: null });
    expect([node.attempts.size, node.node?.running]).toEqual([0, 0]);
  });
});

describe("the queue", () => {
  test("when full, the newest chat of the busiest account goes, never a job that was answered 202", async () => {
    const node = new SimNode(on, 1, { slots: 1 }).join();
    chat();
    const patient = await later({ fairKey: "a" });
    const chats = [1, 2, 3].map(() => chat({ fairKey: "a" }));
    const arrival = chat({ fairKey: "b" });
    expect(chats.map(({ state }) => state)).toEqual(["queued", "queued", "failed"]);
    expect(chats[2]?.error?.code).toBe("queue_full");
    expect([patient.state, arrival.state]).toEqual(["queued", "queued"]);
    expect(on.jobs.submit(spec({ fairKey: "a" }), recorder())).toMatchObject({ error: { code: "queue_full" } });
    node.end(node.last);
    await on.settle();
    expect([patient, ...chats.slice(0, 2), arrival].filter(({ state }) => state === "dispatched").length).toBe(1);
  });

  test("when full of jobs answered 202, an arrival of either kind is refused", async () => {
    new SimNode(on, 1, { slots: 1 }).join();
    chat();
    const kept = await Promise.all([1, 2, 3, 4].map(() => later({ fairKey: "a" })));
    expect(on.jobs.submit(spec({ fairKey: "b" }), recorder())).toMatchObject({ error: { code: "queue_full" } });
    const refused = await on.jobs.submitAsync(spec({ kind: "async" }), recorder(), NO_EXTRA, () => {});
    expect(refused).toMatchObject({ error: { code: "queue_full" } });
    expect(kept.map(({ state }) => state)).toEqual(Array(4).fill("queued"));
  });

  test("of length 0 it still lets start what can start", async () => {
    on = stage(database, { limits: { queueLimit: 0 } });
    new SimNode(on, 1, { slots: 2 }).join();
    expect((await later()).state).toBe("dispatched");
    expect(chat().state).toBe("dispatched");
    expect(on.jobs.submit(spec(), recorder())).toMatchObject({ error: { code: "queue_full" } });
  });

  test("a job that waits for a large node does not hold up small ones, of its own account neither", () => {
    new SimNode(on, 1, { contextLength: 100, slots: 2 }).join();
    const large = new SimNode(on, 2, { contextLength: 1000, slots: 1 }).join();
    chat({ minContext: 500 });
    const waits = chat({ minContext: 500 });
    expect([chat().state, chat({ fairKey: "other" }).state]).toEqual(["dispatched", "dispatched"]);
    expect(waits.state).toBe("queued");
    large.end(large.last);
    expect(waits.state).toBe("dispatched");
  });
});

describe("drain", () => {
  test("takes nothing new, waits for what runs, and resolves with its end", async () => {
    const node = new SimNode(on, 1).join();
    chat();
    let drained = false;
    const drain = on.jobs.drain(30_000).then(() => {
      drained = true;
    });
    expect(on.jobs.submit(spec(), recorder())).toMatchObject({ error: { code: "draining" } });
    await on.settle();
    expect(drained).toBe(false);
    node.end(node.last);
    await drain;
    expect(node.heardOf("cancel")).toEqual([]);
  });

  test("after its limit chats fail and their nodes stop; asynchronous jobs are left for the next process", async () => {
    const node = new SimNode(on, 1, { slots: 1 }).join();
    const output = recorder();
    const job = chat({}, output);
    const { id } = node.last;
    const patient = await later();
    const drain = on.jobs.drain(5_000);
    on.clock.advance(5_000);
    await drain;
    expect(job).toMatchObject({ state: "failed", error: { code: "draining" } });
    expect(output.ends).toBe(1);
    expect(node.heardOf("cancel")).toEqual([id]);
    expect((await rowOf(patient.id))?.state).toBe("queued");
  });
});

describe("drain of what has not begun", () => {
  test("a queued asynchronous job is stored already and holds nothing up", async () => {
    new SimNode(on, 1, { slots: 1 }).join().lose();
    const patient = await later();
    await on.jobs.drain(30_000);
    expect(on.jobs.live.size).toBe(0);
    expect((await rowOf(patient.id))?.state).toBe("queued");
  });
});

describe("Idempotency-Key", () => {
  const keyed = (key: string, requestHash = "hash") => ({ webhook: null, idempotencyKey: key, requestHash });
  const again = (key: string, over = {}) =>
    on.jobs.submitAsync(spec({ kind: "async", ...over }), recorder(), keyed(key), () => {});

  test("the second request gets the first one's job, also when they come together", async () => {
    new SimNode(on, 1).join();
    const both = await Promise.all([again("k1"), again("k1")]);
    const [taken, used] = both.toSorted((a) => (a.ok ? -1 : 1));
    if (!taken?.ok || used?.ok) throw new Error("one of the two is new");
    expect(used?.error).toMatchObject({ code: "idempotency_key_used", row: { id: taken.value.id } });
  });

  test("is the account's own", async () => {
    new SimNode(on, 1).join();
    await later({}, keyed("k2"));
    await database.db.writer.transact((tx) =>
      tx.insert(accounts).values({ id: "other", kind: "user", name: "other", createdMs: 0 }),
    );
    expect((await again("k2", { accountId: "other" })).ok).toBe(true);
  });

  test("is remembered for 24 h and then free again", async () => {
    new SimNode(on, 1).join();
    const first = await later({}, keyed("k3"));
    on.jobs.cancel(first, { code: "client_gone", message: "" });
    await on.settle();
    on.clock.advance(IDEMPOTENCY_MS - 1);
    expect(await again("k3")).toMatchObject({ error: { code: "idempotency_key_used" } });
    on.clock.advance(1);
    const second = await again("k3");
    expect(second.ok && second.value.id).not.toBe(first.id);
    expect((await rowOf(first.id))?.idempotencyKey).toBeNull();
  });

  test("is honoured though nothing new would be taken now", async () => {
    const node = new SimNode(on, 1).join();
    const first = await later({}, keyed("k4"));
    node.lose();
    void on.jobs.drain(1_000);
    const repeated = await again("k4");
    expect(repeated).toMatchObject({ error: { code: "idempotency_key_used", row: { id: first.id } } });
    expect(await again("k5")).toMatchObject({ error: { code: "draining" } });
  });
});

describe("a full disk", () => {
  test("refuses asynchronous jobs and lets chats go on", async () => {
    const node = new SimNode(on, 1).join();
    on.storage.broken = true;
    const refused = await on.jobs.submitAsync(spec({ kind: "async" }), recorder(), NO_EXTRA, () => {});
    expect(refused).toMatchObject({ error: { code: "storage_failed" } });
    const job = chat();
    node.end(node.last);
    expect(job.state).toBe("completed");
  });

  test("an end that cannot be stored is tried again, told once, and acknowledged only then", async () => {
    const node = new SimNode(on, 1).join();
    const output = recorder(true);
    const job = await later({}, NO_EXTRA, output);
    await on.settle();
    on.storage.broken = true;
    const { id } = node.last;
    node.stream(node.last, 2);
    node.end(node.last);
    for (let i = 0; i < 5; i++) {
      await on.settle();
      on.clock.advance(1_000);
    }
    expect([job.state, output.ends, node.heardOf("ack")]).toEqual(["running", 0, []]);
    expect((await rowOf(job.id))?.endedMs).toBeNull();
    on.storage.broken = false;
    await on.settle();
    on.clock.advance(1_000);
    await on.settle();
    expect([job.state, output.ends, node.heardOf("ack")]).toEqual(["completed", 1, [id]]);
    expect((await rowOf(job.id))?.state).toBe("completed");
  });

  test("after a day of leases that could not be stored the attempt's name is one that links take", () => {
    const { success } = attemptIdSchema.safeParse(attemptId(Bun.randomUUIDv7() as JobId, 86_400));
    expect(success).toBe(true);
  });

  test("a lease that cannot be stored costs no attempt, and the node hears nothing of it", async () => {
    const node = new SimNode(on, 1).join();
    node.lose();
    const job = await later();
    on.storage.broken = true;
    node.join();
    for (let i = 0; i < 10; i++) {
      await on.settle();
      on.clock.advance(1_000);
    }
    await on.settle();
    expect([job.state, job.attempts]).toEqual(["queued", []]);
    expect(job.attempt).toBeWithin(8, 13);
    expect(node.attempts.size).toBe(0);
    on.storage.broken = false;
    on.clock.advance(1_000);
    await on.settle();
    node.end(node.last);
    await on.settle();
    expect([job.state, job.attempts.length]).toEqual(["completed", 1]);
  });
});
