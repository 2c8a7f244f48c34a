// Leases under every order of events: several pollers that poll, write, fall silent, come back, repeat themselves and
// end what is no longer theirs.
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import type { Job } from "../jobs/job.ts";
import { type Recorder, recorder, spec } from "../jobs/testing/stage.ts";
import { type PollingStage, pollingStage, SimPoller } from "./testing/polling-stage.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const POLLERS = 3;
const who = fc.nat({ max: POLLERS - 1 });
const which = fc.nat({ max: 40 });
const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ does: fc.constant("submit" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant("poll" as const), who, limit: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("long poll" as const), who, leaves: fc.boolean() }) },
  // Of any attempt it ever had, also one that is over or another's by now.
  {
    weight: 8,
    arbitrary: fc.record({ does: fc.constant("say" as const), which, pieces: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 5, arbitrary: fc.record({ does: fc.constant("finish" as const), which, unsaid: fc.nat({ max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("fail" as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant("wait" as const),
      seconds: fc.constantFrom(1, 10, 40, 100),
      keeps: fc.array(who),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("leave" as const), who }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("cancel" as const), which }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

type Given = { poller: SimPoller; id: string; said: number };
type World = {
  on: PollingStage;
  pollers: SimPoller[];
  jobs: { job: Job; output: Recorder }[];
  given: Given[];
  whole: Map<string, string>;
};

const text = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => `${from + i};`).join("");
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function take({ given }: World, poller: SimPoller, frames: { attempt: string }[]): void {
  for (const { attempt } of frames) {
    if (given.some(({ id }) => id === attempt)) throw new Error(`${attempt} was given twice`);
    given.push({ poller, id: attempt, said: 0 });
  }
}

async function act(world: World, does: Action): Promise<void> {
  const { on, pollers, jobs, given, whole } = world;
  const pollerOf = (index: number): SimPoller => pollers[index] as SimPoller;
  const one = <T>(list: T[], index: number): T | undefined => list[index % Math.max(1, list.length)];
  switch (does.does) {
    case "submit": {
      const output = recorder(true);
      const job = on.jobs.submit(spec({ stream: false }), output);
      if (job.ok) jobs.push({ job: job.value, output });
      return;
    }
    case "poll": {
      const poller = pollerOf(does.who).heartbeat();
      const frames = await poller.poll(does.limit);
      expect(frames.length).toBeLessThanOrEqual(does.limit);
      return take(world, poller, frames);
    }
    case "long poll": {
      const poller = pollerOf(does.who).heartbeat();
      const leaving = new AbortController();
      const asked = poller.poll(1, { waitMs: 5_000, signal: leaving.signal });
      await act(world, { does: "submit" });
      if (does.leaves) leaving.abort();
      on.clock.advance(5_000);
      return take(world, poller, await asked);
    }
    case "say": {
      const mine = one(given, does.which);
      const found = mine && on.pollers.find(mine.poller.pubkey, mine.id);
      if (!mine || !found?.ok) return;
      on.pollers.seen(mine.poller.pubkey);
      const from = mine.said;
      mine.said += does.pieces;
      const deltas = Array.from({ length: does.pieces }, (_, i) => ({ content: `${from + i};` }));
      expect(on.pollers.relay(found.value, deltas, does.pieces).ok).toBe(true);
      return;
    }
    case "finish": {
      const mine = one(given, does.which);
      const found = mine && on.pollers.find(mine.poller.pubkey, mine.id);
      if (!mine || !found?.ok) return;
      const full = text(0, mine.said + does.unsaid);
      whole.set(mine.id, full);
      await on.pollers.finish(found.value, full, { outcome: "completed" });
      expect(on.pollers.find(mine.poller.pubkey, mine.id).ok).toBe(false);
      expect(await on.pollers.finish(found.value, full, { outcome: "completed" })).toEqual({
        ok: false,
        error: "lease_lapsed",
      });
      return;
    }
    case "fail": {
      const mine = one(given, does.which);
      const found = mine && on.pollers.find(mine.poller.pubkey, mine.id);
      if (!found?.ok) return;
      const error = { code: "backend_failed", message: "no" };
      await on.pollers.finish(found.value, null, { outcome: "failed", error });
      return;
    }
    case "wait":
      for (let s = 0; s < does.seconds; s += 10) {
        for (const index of does.keeps) on.pollers.seen(pollerOf(index).pubkey);
        on.clock.advance(Math.min(10, does.seconds) * 1_000);
      }
      return;
    case "leave":
      on.pollers.leave(pollerOf(does.who).pubkey);
      return;
    case "cancel": {
      const mine = one(jobs, does.which);
      if (mine) on.jobs.cancel(mine.job, { code: "client_gone", message: "gone" });
      await turn();
    }
  }
}

/** What holds at every moment. */
function check({ on, pollers, given }: World): void {
  const leased = given.filter(({ poller, id }) => on.pollers.find(poller.pubkey, id).ok);
  for (const poller of pollers) {
    const node = on.registry.nodes.get(poller.pubkey);
    if (!node) continue;
    const mine = leased.filter((one) => one.poller === poller);
    expect([poller.pubkey, node.running, node.slots]).toEqual([poller.pubkey, mine.length, mine.length]);
  }
  // An attempt under way is leased to exactly the node that it was given to.
  for (const { job } of [...on.jobs.live.values()].map((job) => ({ job }))) {
    if (job.run) expect(leased.filter(({ id }) => id === job.run?.id).length).toBe(1);
  }
}

test("each job ends once, no piece is lost or repeated, and each attempt is one poller's", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
      const on = pollingStage(database, { limits: { queueLimit: 50 } });
      const pollers = Array.from({ length: POLLERS }, (_, i) => new SimPoller(on, i + 1).heartbeat());
      const world: World = { on, pollers, jobs: [], given: [], whole: new Map() };
      for (const does of actions) {
        await act(world, does);
        await turn();
        check(world);
      }
      for (const { pubkey } of pollers) on.pollers.leave(pubkey);
      on.clock.advance(100_000);
      await turn();
      expect(on.jobs.live.size).toBe(0);
      for (const { job, output } of world.jobs) {
        expect([job.id, output.ends]).toEqual([job.id, 1]);
        if (job.state !== "completed") continue;
        expect(output.text).toBe(world.whole.get(`${job.id}.${job.attempt}`) ?? "never finished");
      }
      expect(new Set(world.given.map(({ id }) => id)).size).toBe(world.given.length);
      on.pollers.close();
      await on.jobs.drain(0);
    }),
    { numRuns: 150 },
  );
});
