// NVIDIA: the driver's own tool. The library that tells of other GPUs needs lspci to see these, waits for the tool with
// the whole process, and does not know which process uses how much.
import type { GpuUse } from "../care/foreign-load.ts";
import type { Gpu } from "./gpu.ts";
import type { RunTool } from "./tool.ts";

const FIELDS = ["name", "driver_version", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu"];
const QUERY = ["nvidia-smi", `--query-gpu=${FIELDS.join(",")}`, "--format=csv,noheader,nounits"] as const;
/** One sample of each process's share of the multiprocessors; takes about a second. Linux only. */
const PROCESSES = ["nvidia-smi", "pmon", "--count", "1", "--select", "u"] as const;

/** In the order of their index; empty where there is no driver. Null where there is one and it does not answer. */
export async function nvidiaGpus(run: RunTool): Promise<Gpu[] | null> {
  const answer = await run(QUERY);
  if (answer.ok) return parseGpus(answer.value);
  return answer.error === "missing" ? [] : null;
}

/** Lines of `FIELDS`, or null where one does not fit: half an answer is none. */
export function parseGpus(csv: string): Gpu[] | null {
  const gpus: Gpu[] = [];
  for (const line of csv.split("\n")) {
    if (line.trim() === "") continue;
    const cells = line.split(",").map((cell) => cell.trim());
    const [name, driver, total = "", used = "", busy = "", heat = ""] = cells;
    if (cells.length !== FIELDS.length || !name || !driver) return null;
    const numbers = [total, used, busy, heat].map(numberOf);
    if (numbers.includes(undefined)) return null;
    const [vramMib = null, vramUsedMib = null, busyPercent = null, temperatureC = null] = numbers;
    // Grace and Jetson share the machine's memory and name none of their own.
    const unified = vramMib === null;
    gpus.push({ vendor: "nvidia", name, driver, vramMib, vramUsedMib, busyPercent, temperatureC, unified });
  }
  return gpus;
}

/** `[N/A]` and its like are null, with or without brackets; undefined for what is no number. */
function numberOf(cell: string): number | null | undefined {
  if (/^(\[.*\]|N\/A)$/.test(cell)) return null;
  return /^\d+$/.test(cell) ? Number(cell) : undefined;
}

/**
 * What each GPU does, and for whom. Processes are asked for only where some GPU is at `fromPercent`: below it there is
 * nothing to tell apart. Null as in `nvidiaGpus`.
 */
export async function nvidiaUse(run: RunTool, fromPercent: number): Promise<GpuUse[] | null> {
  const gpus = await nvidiaGpus(run);
  if (gpus === null) return null;
  const busy = fromPercent > 0 && gpus.some(({ busyPercent }) => (busyPercent ?? 0) >= fromPercent);
  const answer = busy ? await run(PROCESSES) : null;
  const processes = answer?.ok ? parseProcesses(answer.value) : null;
  return gpus.map(({ busyPercent }, index) => ({
    percent: busyPercent,
    processes: processes === null ? null : processes.filter(({ gpu }) => gpu === index),
  }));
}

type GpuProcess = { gpu: number; pid: number; percent: number };

/** `nvidia-smi pmon`: a heading `# gpu pid type sm …`, units, then a row each; `-` where there is nothing. */
export function parseProcesses(text: string): GpuProcess[] | null {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const columns = lines[0]?.replace("#", " ").trim().split(/\s+/) ?? [];
  const [gpuAt, pidAt, smAt] = ["gpu", "pid", "sm"].map((column) => columns.indexOf(column));
  if (gpuAt === undefined || pidAt === undefined || smAt === undefined) return null;
  if (gpuAt < 0 || pidAt < 0 || smAt < 0) return null;
  const rows: GpuProcess[] = [];
  for (const line of lines) {
    if (line.startsWith("#")) continue;
    const cells = line.trim().split(/\s+/);
    const [gpu, pid, sm] = [cells[gpuAt], cells[pidAt], cells[smAt]].map((cell = "") =>
      cell === "-" ? 0 : Number(cell),
    );
    if (gpu === undefined || pid === undefined || sm === undefined || ![gpu, pid, sm].every(Number.isInteger))
      return null;
    if (pid > 0) rows.push({ gpu, pid, percent: sm });
  }
  return rows;
}
