// Start: the time from exec to the first right chat answer, on an installation that has run before.

import { chats, until } from "./children.ts";
import { type Bench, makeTarget } from "./compare.ts";
import type { TargetEntry } from "./targets.ts";

/** Milliseconds of each start, by target. */
export type Starts = Record<string, number[]>;

/** Starts the targets in turn, `count` times each. Targets that cannot run are left out, with a line on stderr. */
export async function measureStarts(
  bench: Bench,
  entries: Record<string, TargetEntry>,
  executable: string,
  count: number,
): Promise<Starts> {
  const starts: Starts = {};
  const made = [];
  for (const [name, entry] of Object.entries(entries)) {
    const target = await makeTarget(bench, executable, `start-${name}`, entry);
    if (typeof target === "string") console.error(`start of ${name}: left out: ${target}`);
    else made.push({ name, target });
  }
  for (let start = 0; start < count; start++)
    for (const { name, target } of made) {
      const startedAt = performance.now();
      const pid = bench.children.start([...bench.onTarget, ...(target.command ?? [])], { env: target.env ?? {} });
      const right = await until(() => chats(target));
      starts[name] ??= [];
      starts[name].push(right ? performance.now() - startedAt : Number.NaN);
      await bench.children.stop(pid);
    }
  return starts;
}
