// A long storm: `bun e2e/chaos/run.ts [--jobs 2000] [--clients 12] [--seed N] [--free]`. Prints what it did and exits with 1 where
// anything was wrong. The same seed disturbs in the same order; what it meets depends on the machine's speed.
import { parseArgs } from "node:util";
import { openStage } from "../harness/stage.ts";
import { storm } from "./storm.ts";
import { openWorld } from "./world.ts";

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "2000" },
    clients: { type: "string", default: "12" },
    seed: { type: "string", default: `${Date.now() % 1_000_000}` },
    free: { type: "boolean", default: false },
  },
});
console.error(`seed ${values.seed}`);
const stage = await openStage();
let failed = true;
try {
  const world = await openWorld(stage, { charges: !values.free });
  await world.settled();
  const startedMs = performance.now();
  const reckoning = await storm(world, {
    seed: Number(values.seed),
    jobs: Number(values.jobs),
    clients: Number(values.clients),
    say: (line) => console.error(`${((performance.now() - startedMs) / 1000).toFixed(1)} s  ${line}`),
  });
  console.log(JSON.stringify({ seed: Number(values.seed), ...reckoning }, null, 2));
  failed = reckoning.faults.length > 0;
} finally {
  await stage.close();
}
process.exit(failed ? 1 : 0);
