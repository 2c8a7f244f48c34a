// Memory: what a process takes of the machine, by /proc.
import { readFileSync } from "node:fs";

const MIB = 1024 * 1024;

/** Resident memory of a process now, in bytes (proc(5): VmRSS). */
export function residentBytes(pid: number): number {
  const kib = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB$/m)?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no VmRSS`);
  return Number(kib) * 1024;
}

export const mib = (bytes: number): number => Math.round(bytes / MIB);
