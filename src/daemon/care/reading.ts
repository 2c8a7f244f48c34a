// Reading: looks at how much of this machine is in use, and by whom.
import type { BackendKind } from "../../protocol/backend-kinds.ts";
import { amdUse } from "../device/amd.ts";
import { appleUse } from "../device/apple.ts";
import { cpuTimes } from "../device/load.ts";
import { nvidiaUse } from "../device/nvidia.ts";
import { type RunTool, runTool } from "../device/tool.ts";
import type { GpuUse, Own, Reading } from "./foreign-load.ts";
import { listenersOn, listProcesses } from "./processes.ts";

/** What a local backend's processes are called, for where they belong to another user and cannot be found by port. */
const PROCESS_NAMES: Partial<Record<BackendKind, readonly string[]>> = {
  ollama: ["ollama", "ollama_llama_se"],
  vllm: ["vllm", "VLLM::EngineCor"],
  sglang: ["sglang", "sglang::schedul"],
  llamacpp: ["llama-server", "llama-swap"],
  exo: ["exo"],
  max: ["max"],
};
/** Backends come and go more slowly than loads. */
const LISTENERS_FOR_MS = 60_000;

export type ReadingDeps = {
  nowMs: () => number;
  backends: readonly { kind: BackendKind; url: string | null }[];
  /** Below it nobody needs to be told apart on a GPU. */
  gpuPercent: number;
  run?: RunTool;
  platform?: NodeJS.Platform;
};

export type Meter = {
  /** Null where the GPU's driver does not answer: then nothing is known. */
  read(): Promise<Reading | null>;
  own(): Promise<Omit<Own, "working">>;
};

export function meter(deps: ReadingDeps): Meter {
  const { nowMs, backends, gpuPercent, run = runTool, platform = process.platform } = deps;
  const local = backends.filter(({ url }) => url !== null && isThisMachine(url));
  const ports = local.map(({ url }) => portOf(url ?? ""));
  const names = new Set(local.flatMap(({ kind }) => PROCESS_NAMES[kind] ?? []));
  let roots = new Set([process.pid]);
  let askedMs = Number.NEGATIVE_INFINITY;
  return {
    async read() {
      const [processes, gpus] = await Promise.all([listProcesses(run, platform), gpuUse(run, platform, gpuPercent)]);
      return gpus && { atMs: nowMs(), ...cpuUse(), processes, gpus };
    },
    async own() {
      if (nowMs() - askedMs >= LISTENERS_FOR_MS) {
        askedMs = nowMs();
        roots = new Set([process.pid, ...(await listenersOn(run, ports, platform))]);
      }
      return { roots, names };
    },
  };
}

function cpuUse(): Pick<Reading, "cpuBusyMs" | "cpuTotalMs"> {
  const { busyMs, totalMs } = cpuTimes();
  return { cpuBusyMs: busyMs, cpuTotalMs: totalMs };
}

async function gpuUse(run: RunTool, platform: NodeJS.Platform, fromPercent: number): Promise<GpuUse[] | null> {
  if (platform === "darwin") return [{ percent: await appleUse(run), processes: null }];
  const [nvidia, amd] = await Promise.all([nvidiaUse(run, fromPercent), platform === "linux" ? amdUse() : []]);
  return nvidia && [...nvidia, ...amd.map((percent) => ({ percent, processes: null }))];
}

const portOf = (url: string): number => {
  const { port, protocol } = new URL(url);
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
};
const isThisMachine = (url: string): boolean =>
  /^(localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0)$/.test(URL.parse(url)?.hostname ?? "");
