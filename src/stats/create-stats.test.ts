// The figures of a coordinator, on the real job engine and database.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { recorder, SimNode, type Stage, spec, stage } from "../jobs/testing/stage.ts";
import { manualClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import type { MachineLoad } from "../protocol/frames.ts";
import { createStats } from "./create-stats.ts";
import { dayOf } from "./node-days.ts";
import type { Stats } from "./stats.ts";

/** The beginning of an hour, and of no day. */
const START_MS = 1_760_011_200_000;
const LOOK_MS = 5_000;
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let on: Stage;
let stats: Stats;
const statsOf = (of: Stage, replica: string | null = null): Stats =>
  createStats({
    db: database.db,
    clock: of.clock,
    log: silentLog,
    registry: of.registry,
    live: () => of.jobs.live,
    replica,
  });
beforeEach(async () => {
  database = await testDatabase();
  on = stage(database, { clock: manualClock(START_MS), onEnd: (job) => stats.jobEnded(job) });
  stats = statsOf(on);
});
afterEach(async () => {
  await stats.stop();
  await on.settle();
  await database[Symbol.asyncDispose]();
});
/** As after a restart, with nodes of its own. */
async function restarted(replica: string | null = null): Promise<void> {
  await stats.stop();
  on = stage(database, { clock: manualClock(on.clock.nowMs()), onEnd: (job) => stats.jobEnded(job) });
  stats = statsOf(on, replica);
  // What it reads back is there before anything is answered from the database.
  await stats.series("1h");
}
function chat(node: SimNode, pieces = 0) {
  const job = on.jobs.submit(spec(), recorder());
  if (!job.ok) throw new Error(job.error.code);
  const attempt = node.last;
  node.stream(attempt, pieces);
  return { job: job.value, attempt };
}
function done(node: SimNode, pieces = 4, afterMs = 0): void {
  const { attempt } = chat(node);
  on.clock.advance(afterMs);
  node.stream(attempt, pieces);
  node.end(attempt, { usage: { prompt_tokens: 7, completion_tokens: pieces } });
}

describe("tokens a second", () => {
  test("are those of jobs that run, of all, by node and by model, and none once nothing runs", () => {
    const node = new SimNode(on, 1, { slots: 4 }).join();
    const { attempt } = chat(node, 20);
    on.clock.advance(LOOK_MS);
    expect(stats.now().outputPerS).toBe(4);
    node.stream(attempt, 40);
    on.clock.advance(LOOK_MS);
    expect(stats.now()).toMatchObject({
      outputPerS: 6,
      running: 1,
      models: [{ model: "m", running: 1, outputPerS: 6 }],
    });
    expect(stats.node(node.pubkey)?.outputPerS).toBe(6);
    node.end(attempt, { usage: { prompt_tokens: 7, completion_tokens: 60 } });
    on.clock.advance(3 * LOOK_MS);
    expect(stats.now()).toMatchObject({ outputPerS: 0, promptPerS: 0, running: 0, models: [] });
    expect(stats.node(node.pubkey)?.outputPerS).toBe(0);
  });

  test("add up to what was used, though that is known at a job's end only", () => {
    const node = new SimNode(on, 1, { slots: 4 }).join();
    for (let i = 0; i < 20; i++) {
      const { attempt } = chat(node, 10);
      on.clock.advance(LOOK_MS);
      node.end(attempt, { usage: { prompt_tokens: 7, completion_tokens: i % 2 ? 3 : 17 } });
      on.clock.advance(LOOK_MS);
    }
    const { completionTokens, promptTokens } = stats.now().hour;
    // No more off than by what one job seemed to have while it ran.
    expect([completionTokens >= 200, completionTokens <= 207]).toEqual([true, true]);
    expect([promptTokens >= 140, promptTokens <= 145]).toEqual([true, true]);
  });
});

test("nodes are counted once each, by what they are good for now", () => {
  const nodes = [1, 2, 3, 4, 5].map((n) => new SimNode(on, n).join());
  const [serving, , suspect, paused, away] = nodes as [SimNode, SimNode, SimNode, SimNode, SimNode];
  paused.heartbeat("paused");
  suspect.lose();
  suspect.join();
  away.lose();
  for (let i = 0; serving.attempts.size === 0 && i < 40; i++)
    chat(nodes.find((node) => node.attempts.size > 0) ?? serving);
  const { nodes: counts, slots } = stats.now();
  expect(counts.online).toBe(4);
  expect(counts.serving + counts.idle + counts.suspect + counts.paused).toBe(4);
  expect(counts).toMatchObject({ suspect: 1, paused: 1 });
  expect(counts.serving).toBeGreaterThan(0);
  expect(slots).toBe(8);
});

test("what waits is counted by model, with how long the oldest has waited", () => {
  const node = new SimNode(on, 1, { slots: 1, models: ["m", "n"] }).join();
  chat(node, 1);
  for (const model of ["m", "n", "n"]) {
    on.jobs.submit(spec({ model }), recorder());
    on.clock.advance(1_000);
  }
  const now = stats.now();
  expect(now).toMatchObject({ running: 1, queued: 3, oldestQueuedMs: 3_000 });
  expect(now.models.map(({ model, queued, running, slots }) => [model, queued, running, slots])).toEqual([
    ["n", 2, 0, 1],
    ["m", 1, 1, 1],
  ]);
});

test("the moment is computed once for all who ask within a second", () => {
  const first = stats.now();
  on.clock.advance(900);
  expect(stats.now()).toBe(first);
  on.clock.advance(200);
  expect(stats.now()).not.toBe(first);
});

describe("minutes", () => {
  test("hold what ended in them, with times to the first token", () => {
    const node = new SimNode(on, 1, { slots: 4 }).join();
    for (let i = 0; i < 9; i++) done(node, 4, 100);
    done(node, 4, 2_000);
    const { job, attempt } = chat(node);
    node.fail(attempt, "invalid_request");
    expect(job.state).toBe("failed");
    on.clock.advance(60_000);
    const { hour, minutes } = stats.now();
    expect(minutes.map(({ jobs }) => jobs)).toEqual([11, 0]);
    expect(minutes[0]).toMatchObject({
      atS: START_MS / 1000,
      failed: 1,
      promptTokens: 70,
      completionTokens: 40,
      slots: 4,
    });
    expect(hour).toEqual(expect.objectContaining({ jobs: 11, failed: 1 }));
    expect(Math.abs((hour.firstTokenP50Ms ?? 0) - 100)).toBeLessThanOrEqual(5);
    expect(Math.abs((hour.firstTokenP95Ms ?? 0) - 2_000)).toBeLessThanOrEqual(100);
  });

  test("are forgotten after an hour, and kept in the database for 32 days", async () => {
    const days = [31, 33].map((n) => [START_MS / 1000 - n * 24 * 3_600]);
    await database.db.writer.batch("insert into load_minutes values (?, '', 5, 0, 0, 0, 0, 0, 0, 0, 0, '[]')", days);
    const node = new SimNode(on, 1).join();
    done(node);
    on.clock.advance(HOUR_MS + 60_000);
    expect(stats.now().hour.jobs).toBe(0);
    expect((await stats.sum("24h")).jobs).toBe(1);
    await stats.stop();
    const rows = await database.db.query("select jobs from load_minutes where jobs > 0 order by at_s");
    expect(rows).toEqual([[5], [1]]);
  });

  test("go on after a restart, even in the minute of the restart", async () => {
    const node = new SimNode(on, 1).join();
    done(node);
    on.clock.advance(90_000);
    done(node);
    on.clock.advance(LOOK_MS);
    const before = stats.now();
    await restarted();
    expect(stats.now().hour).toEqual(before.hour);
    done(new SimNode(on, 1).join());
    on.clock.advance(LOOK_MS);
    expect(stats.now().hour).toMatchObject({ jobs: 3, promptTokens: 21, completionTokens: 12 });
    expect(await stats.sum("24h")).toMatchObject({ jobs: 3, promptTokens: 21, completionTokens: 12 });
  });

  test("that could not be written are written once the storage is well", async () => {
    const { db } = database;
    await db.writer.transact(async (_, execute) =>
      execute("create trigger full before insert on load_minutes begin select raise(abort, 'disk full'); end", []),
    );
    done(new SimNode(on, 1).join());
    on.clock.advance(60_000);
    await on.settle();
    expect(await stats.sum("24h")).toMatchObject({ jobs: 0 });
    await db.writer.transact(async (_, execute) => execute("drop trigger full", []));
    await stats.stop();
    expect(await db.query("select sum(jobs) from load_minutes")).toEqual([[1]]);
  });
});

test("a series adds up all coordinators, in as many points as a chart has room for", async () => {
  const insert = "insert into load_minutes values (?, ?, 2, 1, 10, 20, 5, ?, 0, 8, 3, ?)";
  const startS = START_MS / 1000;
  const rows = Array.from({ length: 30 * 24 * 60 }, (_, i) => startS - i * 60).flatMap((atS) =>
    ["a", "b"].map((replica) => [atS, replica, replica === "a" ? 1 : 4, "[64,1]"]),
  );
  await database.db.writer.batch(insert, rows);
  for (const [range, points] of Object.entries({ "1h": 60, "24h": 144, "7d": 168, "30d": 180 })) {
    const series = await stats.series(range as "1h");
    expect(series.length).toBe(points);
    expect(series.map(({ atS }) => atS)).toEqual(series.map(({ atS }) => atS).toSorted((x, y) => x - y));
    // The first may have begun before the rows do, and this coordinator's own minute is among the last.
    for (const point of series.slice(1, -1)) {
      const minutes = point.spanS / 60;
      expect(point).toMatchObject({
        jobs: 4 * minutes,
        failed: 2 * minutes,
        completionTokens: 40 * minutes,
        running: 5,
      });
      expect(point).toMatchObject({ slots: 16, nodes: 6, firstTokenP50Ms: 267 });
    }
  }
  expect(await stats.series("1h")).toBe(await stats.series("1h"));
});

describe("a node's days", () => {
  test("hold how long it was there, what it did and what it earned", async () => {
    const [node, other] = [new SimNode(on, 1).join(), new SimNode(on, 2, { models: ["n"] }).join()];
    done(node, 5);
    const { attempt } = chat(node);
    node.fail(attempt, "invalid_request");
    on.clock.advance(90_000);
    other.lose();
    on.clock.advance(30_000);
    const today = dayOf(START_MS);
    await database.db.writer.batch("insert into earning_days values (?, ?, 2, 100, 88, 12)", [
      [node.pubkey, today - 1],
    ]);
    const did = { completed: 1, failed: 1, promptTokens: 7, completionTokens: 5 };
    const expected = [
      { day: today - 2, onlineS: 0, earned: 0, receipts: 0 },
      { day: today - 1, onlineS: 0, earned: 88, receipts: 2 },
      { day: today, onlineS: 120, ...did, earned: 0, receipts: 0 },
    ];
    expect(await stats.nodeDays(node.pubkey, 3)).toMatchObject(expected);
    expect((await stats.nodeDays(other.pubkey, 1))[0]).toMatchObject({ onlineS: 90, completed: 0, failed: 0 });
    await restarted();
    expect(await stats.nodeDays(node.pubkey, 3)).toMatchObject(expected);
  });

  test("end at midnight (UTC), and an hour that nobody looked at is nobody's", async () => {
    const node = new SimNode(on, 1).join();
    const midnightMs = (dayOf(START_MS) + 1) * 24 * HOUR_MS;
    on.clock.advance(midnightMs - START_MS + 60_000);
    const [first, second] = await stats.nodeDays(node.pubkey, 2);
    // The look at midnight counts for the new day.
    expect([first?.onlineS, second?.onlineS]).toEqual([(midnightMs - START_MS - LOOK_MS) / 1000, 65]);
  });
});

describe("a node's last hour", () => {
  const machine = (cpu: number | null, gpu: number | null = null): MachineLoad => ({
    ...{ cpu, gpu, gpu_memory: null, temperature: gpu === null ? null : 61, memory: 40 },
  });
  const say = (node: SimNode, load?: MachineLoad) => {
    if (!node.node) throw new Error("it is away");
    on.registry.heartbeat(node.node, {
      ...{ type: "heartbeat", status: "available", running: 0 },
      ...(load ? { machine: load } : {}),
    });
  };

  test("is what ran and what it said of its machine; null where it did not say", () => {
    const node = new SimNode(on, 1).join();
    on.clock.advance(20_000);
    const { attempt } = chat(node, 1);
    for (const said of [machine(50, 95), machine(null)]) {
      say(node, said);
      on.clock.advance(10_000);
      node.stream(attempt, 1);
      on.clock.advance(10_000);
      node.stream(attempt, 1);
    }
    const samples = stats.node(node.pubkey)?.samples ?? [];
    const none = {
      gpuPercent: null,
      gpuMemoryPercent: null,
      temperatureC: null,
      cpuPercent: null,
      memoryPercent: null,
    };
    expect(samples.map(({ atS: _, ...sample }) => sample)).toEqual([
      { running: 0, ...none },
      { running: 1, ...none, gpuPercent: 95, temperatureC: 61, cpuPercent: 50, memoryPercent: 40 },
      { running: 1, ...none, memoryPercent: 40 },
      { running: 1, ...none, memoryPercent: 40 },
    ]);
    say(node);
    expect(node.node?.machine).toBeNull();
  });

  test("has a gap where the node was away, and forgets what is older than an hour", () => {
    const node = new SimNode(on, 1).join();
    on.clock.advance(600_000);
    node.lose();
    on.clock.advance(600_000);
    node.join();
    on.clock.advance(600_000);
    const samples = stats.node(node.pubkey)?.samples ?? [];
    expect(samples.length).toBeGreaterThanOrEqual(58);
    expect(samples.length).toBeLessThanOrEqual(62);
    expect(Math.max(...samples.slice(1).map(({ atS }, i) => atS - (samples[i]?.atS ?? 0)))).toBeGreaterThan(590);
    on.clock.advance(2 * HOUR_MS);
    const later = stats.node(node.pubkey)?.samples ?? [];
    expect(later.length).toBe(180);
    expect(later[0]?.atS).toBeGreaterThan(on.clock.nowMs() / 1000 - 3_601);
  });

  test("is undefined for a node that is not here", () => {
    expect(stats.node("f".repeat(64) as never)).toBeUndefined();
  });
});

test("money of a day is what all nodes' receipts of it add up to", async () => {
  const insert = "insert into earning_days values (?, ?, 2, 100, 88, 12)";
  await database.db.writer.batch(insert, [
    ["a", 5],
    ["b", 5],
    ["a", 6],
  ]);
  expect(await stats.money(5)).toEqual({ gross: 200, nodes: 176, fee: 24, receipts: 4 });
  expect(await stats.money(4)).toEqual({ gross: 0, nodes: 0, fee: 0, receipts: 0 });
});
