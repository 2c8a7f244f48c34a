// Compare: measures several targets in one run on one machine, in turn (A B C, A B C, ...). With pinning, targets run
// on core 0, client and backend on the others: a target's ceiling is one core, and the client does not steal from it.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { answers, type Children, chats, freePort, until } from "./children.ts";
import type { LoadResult } from "./load.ts";
import { cpuSecondsOf, loadAverage, type Memory, machineCpuSeconds, memoryOf } from "./process-tree.ts";
import type { Shape } from "./shapes.ts";
import type { Target, TargetEntry } from "./targets.ts";

export type Measurement = LoadResult & {
  /** CPU of the target's whole tree. */
  targetCpuS: number;
  cpuUsPerRequest: number;
  cpuUsPerToken: number;
  /** Cores that other programs took meanwhile. */
  foreignCores: number;
};

export type TargetResult = {
  note: string;
  /** From exec until it answers at its health address, and until its first right chat answer; one per start. */
  healthyMs: number[];
  firstAnswerMs: number[];
  idle: Memory | null;
  end: Memory | null;
  /** By shape, one per round. */
  shapes: Record<string, Measurement[]>;
};

export type Comparison = {
  at: string;
  bun: string;
  cores: number;
  pinned: boolean;
  rounds: number;
  seconds: number;
  loadBefore: string;
  loadAfter: string;
  /** Measurements taken again because another program was busy meanwhile. */
  repeatedForNoise: number;
  targets: Record<string, TargetResult>;
  /** Targets that could not be measured, with the reason. */
  skipped: Record<string, string>;
};

export type CompareOptions = {
  entries: Record<string, TargetEntry>;
  shapes: Shape[];
  rounds: number;
  seconds: number;
  /** Wait before memory is read, so that start-up work is over. */
  settleMs: number;
  /** How often one measurement may be taken until no other program was busy meanwhile. */
  tries: number;
  /** A first round that is not counted. */
  warmUp: boolean;
  executable: string;
};

export type Bench = {
  children: Children;
  directory: string;
  /** Base address of the synthetic backend. */
  backend: string;
  cores: number;
  pinned: boolean;
  /** Words before a target's and before the client's command line. */
  onTarget: string[];
  onHarness: string[];
};

type Running = { name: string; target: Target; pid: number | null; result: TargetResult };

/** Another program took more of a core than this: measure again. */
const NOISY_CORES = 0.15;
const MAX_S = 30;

/** Asks nothing of the reader: prints progress and problems to stderr, returns everything measured. */
export async function compare(bench: Bench, options: CompareOptions): Promise<Comparison> {
  const comparison: Comparison = {
    at: new Date().toISOString(),
    bun: Bun.version,
    cores: bench.cores,
    pinned: bench.pinned,
    rounds: options.rounds,
    seconds: options.seconds,
    loadBefore: loadAverage(),
    loadAfter: "",
    repeatedForNoise: 0,
    targets: {},
    skipped: {},
  };
  const running: Running[] = [];
  for (const [name, entry] of Object.entries(options.entries)) {
    const made = await makeTarget(bench, options.executable, name, entry);
    const one = typeof made === "string" ? made : await introduce(bench, options, name, entry.note, made);
    if (typeof one === "string") {
      comparison.skipped[name] = one;
      console.error(`${name}: left out: ${one}`);
      continue;
    }
    running.push(one);
    comparison.targets[name] = one.result;
  }
  for (const one of running) await launch(bench, one);
  for (let round = options.warmUp ? 0 : 1; round <= options.rounds; round++) {
    console.error(round === 0 ? "warming up" : `round ${round} of ${options.rounds}`);
    for (const shape of options.shapes) {
      await setBackend(bench.backend, shape.backend);
      for (const one of running) comparison.repeatedForNoise += await measure(bench, options, one, shape, round > 0);
    }
  }
  for (const { pid, result } of running) if (pid) result.end = memoryOf(pid);
  comparison.loadAfter = loadAverage();
  return comparison;
}

export async function setBackend(backend: string, settings: object): Promise<void> {
  const reply = await fetch(`${backend}/_ctl`, { method: "POST", body: JSON.stringify(settings) });
  if (!reply.ok) throw new Error(`the synthetic backend refused ${JSON.stringify(settings)}`);
}

/** Makes a target in a folder of its own and writes its files; the reason where it cannot be made. */
export async function makeTarget(
  bench: Bench,
  executable: string,
  name: string,
  entry: TargetEntry,
): Promise<Target | string> {
  const missing = entry.missing(executable);
  if (missing) return missing;
  const directory = join(bench.directory, name);
  mkdirSync(directory, { recursive: true });
  try {
    const target = await entry.make({
      port: freePort(),
      secondPort: freePort(),
      backend: bench.backend,
      directory,
      executable,
    });
    for (const [path, text] of Object.entries(target.files ?? {})) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    return target;
  } catch (error) {
    return `${error instanceof Error ? error.message : error}; logs in ${directory}`;
  }
}

/** Starts a target and waits for its first right answer; the reason where none comes. */
async function launch(bench: Bench, one: Running): Promise<string | null> {
  const { target, result } = one;
  if (!target.command) return null;
  const startedAt = performance.now();
  one.pid = bench.children.start([...bench.onTarget, ...target.command], { env: target.env ?? {} });
  if (!(await until(() => answers(target.health)))) return `never healthy; logs in ${bench.directory}`;
  const healthyMs = performance.now() - startedAt;
  if (!(await until(() => chats(target)))) return `no right answer; logs in ${bench.directory}`;
  result.healthyMs.push(healthyMs);
  result.firstAnswerMs.push(performance.now() - startedAt);
  return null;
}

/**
 * Runs a target once while no other target runs, and reads its idle memory: PSS shares out what two targets have mapped
 * both, an executable for one. The reason where it does not work.
 */
async function introduce(
  bench: Bench,
  options: CompareOptions,
  name: string,
  note: string,
  target: Target,
): Promise<Running | string> {
  const result: TargetResult = { note, healthyMs: [], firstAnswerMs: [], idle: null, end: null, shapes: {} };
  const one: Running = { name, target, pid: null, result };
  const problem = await launch(bench, one);
  if (problem !== null) return problem;
  if (one.pid === null) return one;
  await Bun.sleep(options.settleMs);
  result.idle = memoryOf(one.pid);
  await bench.children.stop(one.pid);
  return one;
}

async function load(bench: Bench, target: Target, shape: Shape, seconds: number) {
  const headers = Object.entries(target.headers ?? {}).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
  const args = [
    "--mode",
    shape.mode,
    "--url",
    target.url,
    "--c",
    `${shape.connections}`,
    "--tokens",
    `${shape.tokens}`,
  ];
  const limits = ["--seconds", `${seconds}`, "--max-s", `${MAX_S}`, ...(shape.waves ? ["--waves"] : [])];
  const command = [process.execPath, join(import.meta.dir, "load.ts"), ...args, ...limits, ...headers];
  if (target.model) command.push("--model", target.model);
  const child = Bun.spawn([...bench.onHarness, ...command], { stdio: ["ignore", "pipe", "inherit"] });
  const text = await child.stdout.text();
  await child.exited;
  if (!text) throw new Error("the load client gave no figures");
  // Its own result is what it wrote; the run's total CPU includes its start.
  const clientCpuS = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6;
  return { result: JSON.parse(text) as LoadResult, clientCpuS };
}

/** One measurement, kept where `keep`; again where it was noisy. Returns how often it was taken again. */
async function measure(bench: Bench, options: CompareOptions, one: Running, shape: Shape, keep: boolean) {
  for (let attempt = 1; ; attempt++) {
    const ours = cpuSecondsOf(process.pid); // backend and targets are our children
    const machine = machineCpuSeconds();
    const before = one.pid ? cpuSecondsOf(one.pid) : 0;
    const startedAt = performance.now();
    const { result, clientCpuS } = await load(bench, one.target, shape, shape.seconds ?? options.seconds);
    const targetCpuS = one.pid ? cpuSecondsOf(one.pid) - before : 0;
    const wallS = (performance.now() - startedAt) / 1000;
    const foreignS = machineCpuSeconds() - machine - (cpuSecondsOf(process.pid) - ours) - clientCpuS;
    const foreignCores = Math.max(0, foreignS / wallS);
    if (keep && foreignCores > NOISY_CORES && attempt < options.tries) continue;
    if (result.bad > 0) console.error(`${one.name} ${shape.key}: ${result.bad} bad`, JSON.stringify(result.why));
    if (!keep) return attempt - 1;
    one.result.shapes[shape.key] ??= [];
    one.result.shapes[shape.key]?.push({
      ...result,
      targetCpuS,
      cpuUsPerRequest: (targetCpuS / Math.max(1, result.ok)) * 1e6,
      cpuUsPerToken: (targetCpuS / Math.max(1, result.ok * shape.tokens)) * 1e6,
      foreignCores,
    });
    return attempt - 1;
  }
}
