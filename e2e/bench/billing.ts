// Billing: what holding, charging and receipts cost, on and off side by side in one run, in turn.
//   bun e2e/bench/billing.ts [--rounds 5] [--seconds 1] [--shapes unary-32] [--json FILE] [--pin 0]
//     [--executable dist/infernet]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { builtExecutable } from "../harness/executable.ts";
import { type Aim, aim, figure } from "./aims.ts";
import { type Comparison, compare, type Measurement } from "./compare.ts";
import { openBench } from "./open-bench.ts";
import { SHAPES, type Shape } from "./shapes.ts";
import { aimTable, table } from "./tables.ts";
import { infernetCharging } from "./target-infernet.ts";
import { TARGETS, type TargetEntry } from "./targets.ts";
import { measureTill, type TillResult } from "./till.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    shapes: { type: "string", default: "unary-1,unary-32,stream-1,stream-burst,stream-paced,burst-32" },
    json: { type: "string" },
    pin: { type: "string", default: "1" },
    executable: { type: "string" },
  },
});
/** One reader after the other: what a request waits for by itself, and not for others. */
const ALONE: Shape = {
  key: "stream-1",
  mode: "stream",
  connections: 1,
  tokens: 16,
  waves: false,
  backend: { delay: 1, ttft: 20, turn: 0 },
  seconds: 2,
};
const OFF = "infernet";
const ON = "infernet-charging";

const entryOf = (name: string): TargetEntry => {
  const entry = TARGETS[name];
  if (!entry) throw new Error(`no target ${name}`);
  return entry;
};
const firstMs = ({ ttftMs, latencyMs }: Measurement, { mode }: Shape) => (mode === "stream" ? ttftMs : latencyMs).p50;

function aimsOf(comparison: Comparison, shapes: readonly Shape[], till: TillResult): Aim[] {
  const of = (target: string, shape: Shape, value: (m: Measurement) => number) =>
    figure(comparison, target, shape.key, value);
  const ratios = shapes.map((shape) => {
    const [on, off] = [ON, OFF].map((target) => of(target, shape, (m) => m.cpuUsPerRequest)) as [number, number];
    return aim(
      `CPU per request, ${shape.key}`,
      "<=",
      1.35,
      " x off",
      on / off,
      `${on.toFixed(0)} / ${off.toFixed(0)} us`,
    );
  });
  const commit = till.commitMs.p50;
  const added = shapes
    .filter(({ mode }) => mode === "stream")
    .map((shape) => {
      const [on, off] = [ON, OFF].map((target) => of(target, shape, (m) => firstMs(m, shape))) as [number, number];
      const detail = `${on.toFixed(2)} - ${off.toFixed(2)} ms, a commit ${commit.toFixed(2)} ms`;
      return aim(`added to the first token, p50, ${shape.key}`, "<=", 1, " commits", (on - off) / commit, detail);
    });
  const best = till.figures.toSorted((a, b) => b.jobsPerS - a.jobsPerS)[0];
  const settled = aim("settled jobs a second, one thread", ">=", 2000, "", best?.jobsPerS ?? Number.NaN);
  return [...ratios, ...added, settled];
}

function shapeRows(comparison: Comparison, shapes: readonly Shape[]): string {
  const rows = shapes.flatMap((shape) =>
    [OFF, ON].map((target) => {
      const of = (value: (m: Measurement) => number) => figure(comparison, target, shape.key, value);
      const bad = (comparison.targets[target]?.shapes[shape.key] ?? []).reduce((sum, m) => sum + m.bad, 0);
      const cells = [of((m) => m.requestsPerS).toFixed(0), of((m) => m.cpuUsPerRequest).toFixed(0)];
      return [shape.key, target, ...cells, of((m) => firstMs(m, shape)).toFixed(2), `${bad}`];
    }),
  );
  return table(["shape", "target", "req/s", "cpu us/req", "first p50 ms", "bad"], rows);
}

const tillText = ({ commitMs, figures }: TillResult): string => {
  const rows = figures.map(({ callers, jobsPerS, cpuUsPerJob, jobsPerCommit }) => [
    `${callers}`,
    jobsPerS.toFixed(0),
    cpuUsPerJob.toFixed(0),
    jobsPerCommit.toFixed(1),
  ]);
  return `held, settled and receipted in one thread; one FULL commit here: p50 ${commitMs.p50} ms, p99 ${commitMs.p99} ms
${table(["callers", "jobs/s", "cpu us/job", "jobs/commit"], rows)}`;
};

const directory = mkdtempSync(join(tmpdir(), "infernet-bench-"));
const executable = flags.executable ?? (await builtExecutable());
const wanted = flags.shapes.split(",");
const shapes = [...SHAPES, ALONE].filter(({ key }) => wanted.includes(key));
const bench = await openBench(directory, flags.pin === "1");
let good = false;
try {
  const comparison = await compare(bench, {
    entries: { [OFF]: entryOf(OFF), [ON]: { ...entryOf(OFF), note: "charging", make: infernetCharging } },
    shapes,
    rounds: Number(flags.rounds),
    seconds: Number(flags.seconds),
    tries: 3,
    settleMs: 0,
    warmUp: true,
    executable,
  });
  await bench.children.stopAll();
  const till = await measureTill(Number(flags.seconds));
  const aims = aimsOf(comparison, shapes, till);
  console.log([shapeRows(comparison, shapes), tillText(till), aimTable(aims)].join("\n"));
  if (flags.json) writeFileSync(flags.json, JSON.stringify({ comparison, till, aims }, null, 1));
  const skipped = Object.entries(comparison.skipped);
  for (const [name, reason] of skipped) console.error(`bench: error: ${name}: ${reason}`);
  good = skipped.length === 0;
  if (good) rmSync(directory, { recursive: true, force: true });
} finally {
  await bench.children.stopAll();
}
process.exit(good ? 0 : 1);
