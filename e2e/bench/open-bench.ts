// Open bench: the synthetic backend, and which cores belong to whom.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { answers, childrenIn, freePort, until } from "./children.ts";
import type { Bench } from "./compare.ts";

/** Cores for targets and for the harness, where there are two and `taskset`. This process moves to the harness's. */
function pinning(wanted: boolean): Pick<Bench, "cores" | "pinned" | "onTarget" | "onHarness"> {
  const cores = availableParallelism();
  const pinned = wanted && cores >= 2 && Bun.which("taskset") !== null;
  if (!pinned) return { cores, pinned, onTarget: [], onHarness: [] };
  const ours = cores > 2 ? `1-${cores - 1}` : "1";
  Bun.spawnSync(["taskset", "-apc", ours, `${process.pid}`]);
  return { cores, pinned, onTarget: ["taskset", "-c", "0"], onHarness: ["taskset", "-c", ours] };
}

/** Starts the backend. `pin`: targets have core 0 for themselves, where there are two. */
export async function openBench(directory: string, pin: boolean): Promise<Bench> {
  const where = pinning(pin);
  const children = childrenIn(directory);
  const port = freePort();
  const backend = `http://127.0.0.1:${port}`;
  children.start([...where.onHarness, process.execPath, join(import.meta.dir, "backend.ts"), "--port", `${port}`]);
  if (!(await until(() => answers(`${backend}/health`)))) throw new Error("the synthetic backend did not start");
  return { ...where, children, directory, backend };
}
