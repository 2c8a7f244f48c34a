// Machine checks: what this computer is and what fits it; the room for models; how idle-only and the schedule stand.

import type { Config } from "../../config.ts";
import { closedReason } from "../../daemon/care/watch.ts";
import { budgetsOf, type Fit, fits, gib, largest, underTheFloor, weightsMib } from "../../daemon/device/fit.ts";
import { freeDiskMib, lookAtMachine, type Machine } from "../../daemon/device/machine.ts";
import { modelsDirectory } from "../../modes/models-directory.ts";
import { parseSpan } from "../../protocol/schedule.ts";
import type { FoundBackend } from "./backends.ts";
import { bad, type Check, good, skipped, warning } from "./check.ts";

/** This machine, as `setup` and `doctor` see it. */
export type SeenMachine = Machine & { modelsPath: string; diskFreeMib: number | null };

export async function seeMachine(config: Config, env: Record<string, string | undefined>): Promise<SeenMachine> {
  const modelsPath = modelsDirectory(config, env);
  const [machine, diskFreeMib] = await Promise.all([lookAtMachine(), freeDiskMib(modelsPath)]);
  return { ...machine, modelsPath, diskFreeMib };
}

/** Memory, GPUs and the models' disk, each against the floor; then the largest model that fits. */
export function checkMachine(machine: SeenMachine): Check[] {
  const advice = underTheFloor(machine, machine.diskFreeMib);
  const against = (name: string, about: (typeof advice)[number]["about"], text: string): Check => {
    const low = advice.find((entry) => entry.about === about);
    return low ? warning(name, low.message, low.mend) : good(name, text);
  };
  const { cpu, cores, memoryMib, memoryFreeMib, diskFreeMib, modelsPath } = machine;
  const free = memoryFreeMib === null ? "" : `, ${gib(memoryFreeMib)} of it free`;
  const processor = `${cores} × ${cpu || "an unnamed processor"}`;
  return [
    against("memory", "memory", `${gib(memoryMib)}${free}; ${processor}`),
    ...gpuChecks(machine, against),
    diskFreeMib === null
      ? skipped("models' disk", `the space at ${modelsPath} cannot be told`)
      : against("models' disk", "disk", `${gib(diskFreeMib)} free at ${modelsPath}`),
    fitCheck(fits(machine)),
  ];
}

function gpuChecks(
  { gpus, gpuTrouble }: Machine,
  against: (name: string, about: "gpu", text: string) => Check,
): Check[] {
  const mend = "look at it by hand: nvidia-smi; reinstall the driver, or restart after an update of it";
  const trouble = gpuTrouble === null ? [] : [bad("GPU", gpuTrouble, mend)];
  if (gpus.length === 0) return trouble.length > 0 ? trouble : [against("GPU", "gpu", "none")];
  const floor = against("GPU", "gpu", "");
  const low = floor.state === "good" ? [] : [floor];
  return [...trouble, ...gpus.map(gpuCheck), ...low];
}

function gpuCheck({
  name,
  vendor,
  driver,
  vramMib,
  vramUsedMib,
  busyPercent,
  unified,
}: Machine["gpus"][number]): Check {
  const memory = vramMib === null ? (unified ? "shares the machine's memory" : "memory unknown") : gib(vramMib);
  const parts = [
    memory,
    ...(vramUsedMib === null ? [] : [`${gib(vramUsedMib)} in use`]),
    ...(busyPercent === null ? [] : [`${busyPercent} % busy`]),
    ...(driver === null ? [] : [`driver ${driver}`]),
  ];
  return good("GPU", `${name || vendor}: ${parts.join(", ")}`);
}

/** The table itself is for `setup`; here its upper end is enough. */
function fitCheck(rows: readonly Fit[]): Check {
  const name = "what fits";
  const onGpu = largest(rows, "gpu");
  const inMemory = largest(rows, "memory");
  if (onGpu) return good(name, `models of up to ${onGpu.size} at ${onGpu.quantization} (${onGpu.reason})`);
  if (inMemory) return good(name, `models of up to ${inMemory.size} at ${inMemory.quantization} (${inMemory.reason})`);
  return warning(name, "no model of a usual size", "the built-in demo model answers here; serve from a larger machine");
}

/** Models whose weights alone are larger than what this machine has for them. Sizes are read from names. */
export function checkModelsFit(machine: Machine, found: readonly FoundBackend[]): Check[] {
  const { gpuMib, memoryMib } = budgetsOf(machine);
  const here = found.filter(({ kind, url }) => kind !== "embedded" && (url === null || isHere(url)));
  return here.flatMap(({ kind, served }) =>
    served.flatMap(({ name, quantization }) => {
      const needs = weightsMib(name, quantization);
      if (needs === null || needs <= gpuMib) return [];
      const title = `model ${name} at ${kind}`;
      if (needs <= memoryMib) {
        if (gpuMib === 0) return [];
        const mend = "serve a smaller model or a smaller quantisation of it";
        return [
          warning(title, `about ${gib(needs)} of weights, ${gib(gpuMib)} on the GPU: partly on the processor`, mend),
        ];
      }
      const mend = "serve a smaller one: `infernet setup` shows what fits";
      return [warning(title, `about ${gib(needs)} of weights; there is ${gib(Math.max(gpuMib, memoryMib))}`, mend)];
    }),
  );
}

const isHere = (url: string): boolean => /^(localhost|127\.|\[::1\])/.test(URL.parse(url)?.hostname ?? "");

/** What idle-only and the schedule say, as configured. */
export function checkIdleOnly({ node }: Pick<Config, "node">, now: Date): Check[] {
  const spans = node.schedule.map(parseSpan).flatMap((span) => (span.ok ? [span.value] : []));
  const closed = closedReason(spans, now);
  const schedule =
    spans.length === 0
      ? skipped("schedule", "none: the node serves at all times")
      : good("schedule", closed === null ? "open now" : `the node is paused now, ${closed}`);
  if (!node.idle_only) return [skipped("idle-only", "off: the node serves whoever else uses this machine"), schedule];
  const { idle_gpu_percent: gpu, idle_cpu_percent: cpu, idle_busy_s: busyS, idle_resume_s: resumeS } = node;
  const loads = [...(gpu > 0 ? [`${gpu} % of a GPU`] : []), ...(cpu > 0 ? [`${cpu} % of the CPU`] : [])].join(" or ");
  if (loads === "") {
    const mend = "set node.idle_gpu_percent or node.idle_cpu_percent above 0";
    return [warning("idle-only", "on, but neither GPU nor CPU is looked at", mend), schedule];
  }
  const text = `pauses at ${loads} used by others for ${busyS} s, resumes after ${resumeS} s`;
  return [good("idle-only", text), schedule];
}
