// A small storm: nodes on two transports killed and stopped, links cut, engines killed, the coordinator restarted, under
// a steady load on the real engine. e2e/chaos/run.ts makes a long one.
import { afterAll, expect, test } from "bun:test";
import { storm } from "./chaos/storm.ts";
import { openWorld } from "./chaos/world.ts";
import { openStage, type Stage } from "./harness/stage.ts";

let stage: Stage | undefined;
afterAll(() => stage?.close());

test("in a storm every job ends once, and no answer lacks or repeats a piece", async () => {
  const seed = Number(process.env.INFERNET_CHAOS_SEED ?? Date.now() % 1_000_000);
  console.error(`chaos seed ${seed} (INFERNET_CHAOS_SEED=${seed} disturbs in the same order)`);
  stage = await openStage();
  const world = await openWorld(stage);
  await world.settled();
  const reckoning = await storm(world, { seed, jobs: 120, clients: 12 });
  console.error(JSON.stringify(reckoning));
  expect(reckoning.faults).toEqual([]);
  expect(reckoning.verified).toBeGreaterThan(60);
}, 180_000);
