// Process tree: what a process and its children use, read from /proc. Linux only.
import { readdirSync, readFileSync } from "node:fs";

/** MiB over a whole tree: resident, its share of what is mapped (PSS), and the peak of the resident. */
export type Memory = { rssMiB: number; pssMiB: number; peakRssMiB: number; processes: number };

/** Clock ticks a second in /proc/PID/stat; 100 on every Linux that Bun runs on (`getconf CLK_TCK`). */
const TICKS_PER_S = 100;

/** A file of /proc, or "" where the process has gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Fields of /proc/PID/stat after the name, which may itself hold blanks and brackets. */
function statFields(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** `root` and all below it. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statFields(Number(name))[1]);
    const siblings = children.get(parent);
    if (siblings) siblings.push(Number(name));
    else children.set(parent, [Number(name)]);
  }
  const tree: number[] = [];
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    tree.push(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return tree;
}

/** False where it is gone, or has ended and only waits to be collected by its parent. */
export function isAlive(pid: number): boolean {
  const [state = ""] = statFields(pid);
  return state !== "" && state !== "Z" && state !== "X";
}

function mebibytes(pid: number, file: string, field: string): number {
  const kibibytes = read(`/proc/${pid}/${file}`).match(new RegExp(`^${field}:\\s+(\\d+)`, "m"))?.[1];
  return Number(kibibytes ?? 0) / 1024;
}

export function memoryOf(root: number): Memory {
  const tree = treeOf(root);
  const sum = (file: string, field: string) => tree.reduce((total, pid) => total + mebibytes(pid, file, field), 0);
  return {
    rssMiB: sum("status", "VmRSS"),
    pssMiB: sum("smaps_rollup", "Pss"),
    peakRssMiB: sum("status", "VmHWM"),
    processes: tree.length,
  };
}

/** Seconds of CPU that the living processes of a tree have used so far, user and system. */
export function cpuSecondsOf(root: number): number {
  const ticksOf = (pid: number) => {
    const fields = statFields(pid);
    return fields.length < 15 ? 0 : Number(fields[11]) + Number(fields[12]);
  };
  return treeOf(root).reduce((total, pid) => total + ticksOf(pid) / TICKS_PER_S, 0);
}

/** Seconds of CPU the whole machine has used so far, to see what other programs took meanwhile. */
export function machineCpuSeconds(): number {
  const line = read("/proc/stat").split("\n")[0] ?? "";
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_S;
}

/** The load averages, as /proc says them. */
export const loadAverage = (): string => read("/proc/loadavg").trim();
