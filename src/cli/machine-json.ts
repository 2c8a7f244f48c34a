// Machine as JSON: what `setup --json` and `doctor --json` print of it, in the names of the other JSON outputs.
import { fits, underTheFloor } from "../daemon/device/fit.ts";
import type { SeenMachine } from "./checks/machine.ts";

/** The machine, what is under the floor, and what fits at each size and quantisation. Sizes are in MiB. */
export function machineJson(machine: SeenMachine) {
  const { os, arch, cpu, cores, memoryMib, memoryFreeMib, modelsPath, diskFreeMib, gpuTrouble } = machine;
  const gpus = machine.gpus.map(({ vendor, name, driver, vramMib, vramUsedMib, busyPercent, unified }) => ({
    vendor,
    name,
    driver,
    vram_mib: vramMib,
    vram_used_mib: vramUsedMib,
    busy_percent: busyPercent,
    unified_memory: unified,
  }));
  const rows = fits(machine).map(({ size, quantization, weightsMib, kvCacheMib, needsMib, place, reason }) => ({
    size,
    quantization,
    weights_mib: weightsMib,
    kv_cache_mib: kvCacheMib,
    needs_mib: needsMib,
    place,
    reason,
  }));
  const memory = { memory_mib: memoryMib, memory_free_mib: memoryFreeMib };
  const disk = { models_path: modelsPath, disk_free_mib: diskFreeMib };
  return {
    machine: { os, arch, cpu, cores, ...memory, gpus, gpu_trouble: gpuTrouble, ...disk },
    under_the_floor: underTheFloor(machine, diskFreeMib),
    fits: rows,
  };
}
