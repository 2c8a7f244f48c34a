// Foreign load: what others use of this machine, between two readings: everything, less this process and its children,
// less the backends it fronts and their children. design.md in this folder says what the heuristic cannot see.
import type { LoadSample } from "./idle.ts";

export type ProcessRow = {
  pid: number;
  parent: number;
  /** Of the executable, as the system has it (Linux cuts it at 15 characters). */
  name: string;
  /** CPU time since it began, in milliseconds over all cores. */
  cpuMs: number;
};

export type GpuUse = {
  /** 0 to 100; null where the driver does not say. */
  percent: number | null;
  /** Share of each process; null where the driver does not tell them apart. */
  processes: readonly { pid: number; percent: number }[] | null;
};

/** The machine at an instant. */
export type Reading = {
  atMs: number;
  /** Sums over all cores since the machine started. */
  cpuBusyMs: number;
  cpuTotalMs: number;
  /** Null where the platform has no cheap list. */
  processes: readonly ProcessRow[] | null;
  gpus: readonly GpuUse[];
};

/** What counts as this node's own. */
export type Own = {
  /** This process, and those that listen where the backends are. */
  roots: ReadonlySet<number>;
  /** Of backends whose processes could not be found by their port. */
  names: ReadonlySet<string>;
  /** A job ran here between the readings: what cannot be told apart then counts as its load. */
  working: boolean;
};

/** Own processes: the roots, those of own names, and all their descendants. */
export function ownPids(processes: readonly ProcessRow[], { roots, names }: Omit<Own, "working">): Set<number> {
  const children = Map.groupBy(processes, ({ parent }) => parent);
  const own = new Set<number>();
  const left = processes.filter(({ pid, name }) => roots.has(pid) || names.has(name)).map(({ pid }) => pid);
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    if (own.has(pid)) continue;
    own.add(pid);
    for (const child of children.get(pid) ?? []) left.push(child.pid);
  }
  return own;
}

export function foreignLoad(before: Reading, after: Reading, own: Own): LoadSample {
  const pids = after.processes && ownPids(after.processes, own);
  const gpus = after.gpus.map((gpu) => foreignGpu(gpu, after, pids, own)).filter((percent) => percent !== null);
  return {
    atMs: after.atMs,
    gpuPercent: gpus.length > 0 ? Math.max(...gpus) : null,
    cpuPercent: foreignCpu(before, after, pids, own),
  };
}

function foreignCpu(before: Reading, after: Reading, own: ReadonlySet<number> | null, { working }: Own): number | null {
  const totalMs = after.cpuTotalMs - before.cpuTotalMs;
  if (totalMs <= 0) return null;
  const busyMs = Math.max(0, after.cpuBusyMs - before.cpuBusyMs);
  if (own === null || !after.processes) return working ? 0 : percent(busyMs / totalMs);
  const earlier = new Map(before.processes?.map(({ pid, cpuMs }) => [pid, cpuMs]));
  let ownMs = 0;
  for (const { pid, cpuMs } of after.processes) if (own.has(pid)) ownMs += Math.max(0, cpuMs - (earlier.get(pid) ?? 0));
  return percent((busyMs - ownMs) / totalMs);
}

function foreignGpu(
  { percent: used, processes }: GpuUse,
  { processes: table }: Reading,
  own: ReadonlySet<number> | null,
  { working }: Own,
): number | null {
  if (used === null) return null;
  // Among processes of another PID namespace (in a container) the own ones cannot be told.
  const known = new Set(table?.map(({ pid }) => pid));
  if (own === null || processes === null || !processes.some(({ pid }) => known.has(pid))) return working ? 0 : used;
  const foreign = processes.reduce((sum, { pid, percent: share }) => sum + (own.has(pid) ? 0 : share), 0);
  return Math.min(used, foreign);
}

const percent = (share: number): number => Math.min(100, Math.max(0, share * 100));
