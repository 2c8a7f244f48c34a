// Machine: what this computer is: CPU, memory, GPUs, space on a disk. Asked at the start and by commands, never while
// jobs are waiting for it: it starts other programs.

import { statfs } from "node:fs/promises";
import os from "node:os";
import { dirname } from "node:path";
import type { Device } from "../../protocol/frames.ts";
import { amdGpus } from "./amd.ts";
import type { Gpu, GpuVendor } from "./gpu.ts";
import { nvidiaGpus } from "./nvidia.ts";
import { type RunTool, runTool } from "./tool.ts";

export type Machine = {
  os: string;
  arch: string;
  cpu: string;
  cores: number;
  memoryMib: number;
  /** What programs could still take, caches given back; null where unknown. */
  memoryFreeMib: number | null;
  gpus: Gpu[];
  /** A driver is there and did not answer, so there may be more GPUs than these. */
  gpuTrouble: string | null;
};

/** Seams for tests: recorded answers in place of this machine's. */
export type MachineDeps = {
  run?: RunTool;
  sys?: string;
  platform?: NodeJS.Platform;
  /** GPUs by the library, for platforms where no better source is read. */
  otherGpus?: () => Promise<Gpu[]>;
};

const MIB = 1024 * 1024;
/** A tool that hangs costs this much at most. */
const ASK_MS = 10_000;

/** What needs no other program. */
export function knownAtOnce(): Machine {
  const cpus = os.cpus();
  return {
    os: `${os.type()} ${os.release()}`,
    arch: os.arch(),
    cpu: (cpus[0]?.model ?? "").trim(),
    cores: cpus.length,
    memoryMib: Math.round(os.totalmem() / MIB),
    memoryFreeMib: null,
    gpus: [],
    gpuTrouble: null,
  };
}

export async function lookAtMachine(deps: MachineDeps = {}): Promise<Machine> {
  const { run = runTool, sys = "/sys", platform = process.platform, otherGpus = libraryGpus } = deps;
  const late = new Promise<null>((resolve) => setTimeout(resolve, ASK_MS, null).unref());
  const [nvidia, amd, memoryFreeMib] = await Promise.all([
    Promise.race([nvidiaGpus(run), late]),
    platform === "linux" ? amdGpus(run, sys) : [],
    freeMemoryMib(),
  ]);
  const seen = [...(nvidia ?? []), ...amd];
  const others = seen.length > 0 && platform === "linux" ? [] : ((await Promise.race([otherGpus(), late])) ?? []);
  const known = new Set(seen.map(({ vendor }) => vendor));
  return {
    ...knownAtOnce(),
    memoryFreeMib,
    gpus: [...seen, ...others.filter(({ vendor }) => !known.has(vendor))],
    gpuTrouble: nvidia === null ? "nvidia-smi is there and does not answer" : null,
  };
}

/** Loaded when it is needed, since it is large. */
const library = async () => (await import("systeminformation")).default;

/** What programs could still take; null where that is not known. */
export async function freeMemoryMib(): Promise<number | null> {
  try {
    return Math.round((await (await library()).mem()).available / MIB);
  } catch {
    return null; // An unusual platform: then it is not said.
  }
}

/** What the library sees: Apple and Intel chips, and AMD on Windows. */
async function libraryGpus(): Promise<Gpu[]> {
  try {
    const { controllers } = await (await library()).graphics();
    return controllers.filter(({ model }) => model !== "").map(gpuOf);
  } catch {
    return []; // An unusual platform: then there is none to tell of.
  }
}

type Controller = { vendor: string; model: string; vram: number | null; vramDynamic: boolean; driverVersion?: string };

export function gpuOf({ vendor, model, vram, vramDynamic, driverVersion }: Controller): Gpu {
  const maker = vendorOf(`${vendor} ${model}`);
  const unified = maker === "apple" || vramDynamic;
  return {
    vendor: maker,
    name: model,
    driver: driverVersion || null,
    vramMib: unified ? null : vram || null,
    vramUsedMib: null,
    busyPercent: null,
    temperatureC: null,
    unified,
  };
}

const VENDORS: readonly [RegExp, GpuVendor][] = [
  [/nvidia/i, "nvidia"],
  [/\bamd\b|advanced micro|\bati\b|radeon/i, "amd"],
  [/apple/i, "apple"],
  [/intel/i, "intel"],
];
const vendorOf = (text: string): GpuVendor => VENDORS.find(([sign]) => sign.test(text))?.[1] ?? "other";

/** Space that is left for this user where the path is or will be. */
export async function freeDiskMib(path: string): Promise<number | null> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return Math.floor((bavail * bsize) / MIB);
    } catch {
      if (dirname(at) === at) return null; // Not even the root can be asked.
    }
  }
}

/** As it goes to coordinators, within the bounds of the wire. */
export function deviceOf(machine: Machine, diskFreeMib: number | null): Device {
  return {
    os: machine.os.slice(0, 64),
    arch: machine.arch.slice(0, 32),
    cpu: machine.cpu.slice(0, 128),
    cores: machine.cores,
    memory_mib: machine.memoryMib,
    ...(diskFreeMib === null ? {} : { disk_free_mib: diskFreeMib }),
    gpus: machine.gpus.slice(0, 64).map(({ vendor, name, driver, vramMib, unified }) => ({
      name: name.slice(0, 128),
      vram_mib: vramMib,
      vendor,
      ...(driver === null ? {} : { driver: driver.slice(0, 64) }),
      ...(unified ? { unified_memory: true } : {}),
    })),
  };
}
