// Run: the benchmark. What infernet adds to its backend, measured beside nginx and other gateways in one run.
//   bun e2e/bench/run.ts                 everything: about six minutes
//   bun e2e/bench/run.ts --smoke         direct, hop2 and infernet once, short; asserts that every reply is right
//     [--json FILE] [--only direct,hop2,infernet] [--shapes unary-32] [--rounds 3] [--seconds 1] [--starts 9]
//     [--cancels 100] [--pin 0] [--executable dist/infernet]
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { builtExecutable } from "../harness/executable.ts";
import { aimsOf } from "./aims.ts";
import { measureCancels } from "./cancel.ts";
import { type Bench, type Comparison, compare } from "./compare.ts";
import { failoverText, measureFailovers } from "./failover.ts";
import { measureMicro, microText } from "./micro.ts";
import { openBench } from "./open-bench.ts";
import { SHAPES, type Shape } from "./shapes.ts";
import { measureStarts } from "./start.ts";
import { aimTable, cancelTable, comparisonTables, startTable } from "./tables.ts";
import { GATEWAYS, PEERS_DIRECTORY, TARGETS, type TargetEntry } from "./targets.ts";

const { values: flags } = parseArgs({
  options: {
    smoke: { type: "boolean", default: false },
    json: { type: "string" },
    only: { type: "string" },
    shapes: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    starts: { type: "string", default: "9" },
    cancels: { type: "string", default: "100" },
    pin: { type: "string", default: "1" },
    executable: { type: "string" },
  },
});

const FAILOVERS = 40;
const SMOKE_TARGETS = "direct,hop2,infernet";

function pick<T>(all: Record<string, T>, names: string | undefined, what: string): Record<string, T> {
  if (names === undefined) return all;
  return Object.fromEntries(
    names.split(",").map((name) => {
      const one = all[name];
      if (one === undefined) throw new Error(`no ${what} "${name}"; there are ${Object.keys(all).join(", ")}`);
      return [name, one];
    }),
  );
}

function installPeers(entries: Record<string, TargetEntry>): void {
  const wanted = GATEWAYS.filter((name) => entries[name]);
  if (wanted.length === 0 || existsSync(join(PEERS_DIRECTORY, "node_modules"))) return;
  console.error(`installing ${wanted.join(", ")} (npm ci in ${PEERS_DIRECTORY})`);
  const { exitCode, stderr } = Bun.spawnSync(["npm", "ci", "--no-audit", "--no-fund"], { cwd: PEERS_DIRECTORY });
  if (exitCode !== 0) console.error(`npm ci failed, going on without them: ${stderr}`);
}

/** Why a smoke run is not good: a target left out, a shape not run, a reply that was wrong. */
function faultsOf({ targets, skipped }: Comparison, shapes: Shape[]): string[] {
  const faults = Object.entries(skipped).map(([name, reason]) => `${name}: ${reason}`);
  for (const [name, { shapes: measured }] of Object.entries(targets))
    for (const { key } of shapes) {
      const rounds = measured[key] ?? [];
      const ok = rounds.reduce((total, { ok: right }) => total + right, 0);
      const bad = rounds.reduce((total, { bad: wrong }) => total + wrong, 0);
      if (ok === 0 || bad > 0) faults.push(`${name} ${key}: ${ok} right, ${bad} wrong`);
    }
  return faults;
}

async function smoke(bench: Bench, entries: Record<string, TargetEntry>, shapes: Shape[], executable: string) {
  const short = shapes.map(({ seconds: _, ...shape }) => shape);
  const options = {
    entries,
    shapes: short,
    rounds: 1,
    seconds: 0.4,
    tries: 1,
    settleMs: 0,
    warmUp: false,
    executable,
  };
  const comparison = await compare(bench, options);
  const faults = faultsOf(comparison, shapes);
  for (const fault of faults) console.error(`bench: error: ${fault}`);
  const replies = Object.values(comparison.targets)
    .flatMap((target) => Object.values(target.shapes).flat())
    .reduce((total, { ok }) => total + ok, 0);
  console.log(`smoke: ${replies} right replies, ${faults.length} faults`);
  return { comparison, good: faults.length === 0 };
}

async function full(bench: Bench, entries: Record<string, TargetEntry>, shapes: Shape[], executable: string) {
  const rounds = Number(flags.rounds ?? "3");
  const seconds = Number(flags.seconds ?? "1");
  const options = { entries, shapes, rounds, seconds, tries: 3, settleMs: 3000, warmUp: true, executable };
  const comparison = await compare(bench, options);
  await bench.children.stopAll();
  const quiet = await openBench(bench.directory, flags.pin === "1");
  bench.children = quiet.children;
  const some = (names: string[]) =>
    Object.fromEntries(Object.entries(TARGETS).filter(([name]) => names.includes(name)));
  console.error("starts");
  const starts = await measureStarts(quiet, some(["hop2", "infernet-both"]), executable, Number(flags.starts));
  console.error("cancels");
  const cancels = await measureCancels(quiet, some(["direct", "infernet"]), executable, Number(flags.cancels));
  console.error("failovers");
  await quiet.children.stopAll();
  const failovers = await measureFailovers(FAILOVERS, executable);
  console.error("inside the program");
  const micro = await measureMicro(0.5);
  const aims = aimsOf({ comparison, starts, cancels, micro });
  console.log(comparisonTables(comparison, shapes));
  const tables = [startTable(starts), cancelTable(cancels), failoverText(failovers), microText(micro), aimTable(aims)];
  console.log(tables.join("\n"));
  return { comparison, starts, cancels, failovers, micro, aims, good: true };
}

const directory = mkdtempSync(join(tmpdir(), "infernet-bench-"));
const executable = flags.executable ?? (await builtExecutable());
const entries = pick(TARGETS, flags.only ?? (flags.smoke ? SMOKE_TARGETS : undefined), "target");
const allShapes = Object.fromEntries(SHAPES.map((shape) => [shape.key, shape]));
const shapes = Object.values(pick(allShapes, flags.shapes, "shape"));
installPeers(entries);
const bench = await openBench(directory, flags.pin === "1");
const stopAndExit = (code: number) => void bench.children.stopAll().then(() => process.exit(code));
process.on("SIGINT", () => stopAndExit(130));
process.on("SIGTERM", () => stopAndExit(143));
let good = false;
try {
  const result = await (flags.smoke ? smoke : full)(bench, entries, shapes, executable);
  good = result.good;
  if (flags.json) writeFileSync(flags.json, JSON.stringify(result, null, 1));
  if (Object.keys(result.comparison.skipped).length === 0) rmSync(directory, { recursive: true, force: true });
} finally {
  await bench.children.stopAll();
}
process.exit(good ? 0 : 1);
