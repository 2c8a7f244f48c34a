// A small storm: nodes on two transports killed and stopped, links cut, engines killed, the coordinator restarted, under
// a steady load on the real engine; once with everything charged for, once with nothing. e2e/chaos/run.ts makes a long one.
import { afterEach, expect, test } from "bun:test";
import { storm } from "./chaos/storm.ts";
import { openWorld } from "./chaos/world.ts";
import { openStage, type Stage } from "./harness/stage.ts";

/** Everything is on the processors, for as long as they take. */
const LIMIT_MS = 600_000;

let stage: Stage | undefined;
afterEach(() => stage?.close());

const CASES = [
  {
    name: "in a storm every job ends once, no answer lacks or repeats a piece, and every µ$ is where it should be",
    jobs: 120,
  },
  { name: "the same where nothing is charged, and then nothing is", jobs: 40 },
];

for (const [i, { name, jobs }] of CASES.entries()) {
  const stormed = async () => {
    const seed = Number(process.env.INFERNET_CHAOS_SEED ?? Date.now() % 1_000_000);
    console.error(`chaos seed ${seed} (INFERNET_CHAOS_SEED=${seed} disturbs in the same order)`);
    stage = await openStage();
    const world = await openWorld(stage, { charges: i === 0 });
    await world.settled();
    const reckoning = await storm(world, { seed, jobs, clients: 12 });
    console.error(JSON.stringify(reckoning));
    expect(reckoning.faults).toEqual([]);
    expect(reckoning.verified).toBeGreaterThan(jobs / 2);
    if (world.charges) expect(reckoning.money.charged).toBeGreaterThan(0);
  };
  test(name, stormed, LIMIT_MS);
}
