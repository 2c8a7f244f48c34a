// Load: how much of this machine is in use, by whomever: for the node's page at its coordinators.
import os from "node:os";
import type { MachineLoad } from "../../protocol/frames.ts";
import { amdLoads } from "./amd.ts";
import { appleUse } from "./apple.ts";
import type { Gpu } from "./gpu.ts";
import { freeMemoryMib } from "./machine.ts";
import { nvidiaGpus } from "./nvidia.ts";
import { type RunTool, runTool } from "./tool.ts";

/** Of one GPU, what its load is made of. */
export type GpuLoad = Pick<Gpu, "vramMib" | "vramUsedMib" | "busyPercent" | "temperatureC">;

/** CPU time of all cores since the machine started. */
export type CpuTimes = { busyMs: number; totalMs: number };

/** Seams for tests: recorded answers in place of this machine's. */
export type LoadDeps = {
  run?: RunTool;
  sys?: string;
  platform?: NodeJS.Platform;
  cpuTimes?: () => CpuTimes;
  /** Null where it is not known. */
  memory?: () => Promise<{ totalMib: number; freeMib: number | null }>;
};

const MIB = 1024 * 1024;

export function cpuTimes(): CpuTimes {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of os.cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq;
    busyMs += busy;
    totalMs += busy + times.idle;
  }
  return { busyMs, totalMs };
}

/** Each call looks anew; the processor's share is that since the call before, or since this one. */
export function loadMeter(deps: LoadDeps = {}): () => Promise<MachineLoad> {
  const { run = runTool, sys = "/sys", platform = process.platform } = deps;
  const { cpuTimes: timesNow = cpuTimes, memory = () => memoryOf(platform) } = deps;
  let before = timesNow();
  return async () => {
    const [gpus, { totalMib, freeMib }] = await Promise.all([gpuLoads(run, sys, platform), memory()]);
    const times = timesNow();
    const spanMs = times.totalMs - before.totalMs;
    const cpu = spanMs <= 0 ? null : percent(times.busyMs - before.busyMs, spanMs);
    before = times;
    return { ...ofGpus(gpus), cpu, memory: freeMib === null ? null : percent(totalMib - freeMib, totalMib) };
  };
}

/** All GPUs as one: how busy they are on average, how full together, and how hot the hottest is. */
export function ofGpus(gpus: readonly GpuLoad[]): Pick<MachineLoad, "gpu" | "gpu_memory" | "temperature"> {
  const busy = gpus.map(({ busyPercent }) => busyPercent).filter((value) => value !== null);
  const temperatures = gpus.map(({ temperatureC }) => temperatureC).filter((value) => value !== null);
  let total = 0;
  let used = 0;
  for (const { vramMib, vramUsedMib } of gpus) {
    if (vramMib === null || vramUsedMib === null) continue;
    total += vramMib;
    used += vramUsedMib;
  }
  return {
    gpu: busy.length === 0 ? null : percent(sum(busy), busy.length * 100),
    gpu_memory: total === 0 ? null : percent(used, total),
    temperature: temperatures.length === 0 ? null : Math.min(200, Math.max(0, ...temperatures)),
  };
}

async function gpuLoads(run: RunTool, sys: string, platform: NodeJS.Platform): Promise<GpuLoad[]> {
  if (platform === "darwin") {
    const busyPercent = await appleUse(run);
    return [{ busyPercent, vramMib: null, vramUsedMib: null, temperatureC: null }];
  }
  const [nvidia, amd] = await Promise.all([nvidiaGpus(run), platform === "linux" ? amdLoads(sys) : []]);
  return [...(nvidia ?? []), ...amd];
}

async function memoryOf(platform: NodeJS.Platform): Promise<{ totalMib: number; freeMib: number | null }> {
  // On Windows the library starts a program for it, and there the runtime's own answer is right.
  const freeMib = platform === "win32" ? os.freemem() / MIB : await freeMemoryMib();
  return { totalMib: os.totalmem() / MIB, freeMib };
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const percent = (part: number, whole: number): number =>
  Math.round(Math.min(100, Math.max(0, (100 * part) / Math.max(1, whole))));
