// Device: what this machine is, as a node tells its coordinators. GPUs are told by their backends' own means for now.
import os from "node:os";
import type { Device } from "../protocol/frames.ts";

const MIB = 1024 * 1024;

export function device(): Device {
  const cpus = os.cpus();
  return {
    os: `${os.type()} ${os.release()}`.slice(0, 64),
    arch: os.arch(),
    cpu: (cpus[0]?.model ?? "").trim().slice(0, 128),
    cores: cpus.length,
    memory_mib: Math.round(os.totalmem() / MIB),
    gpus: [],
  };
}
