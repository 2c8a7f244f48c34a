// Whose load it is: tables of processes and GPUs, and what counts as foreign.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { foreignLoad, type GpuUse, type Own, ownPids, type ProcessRow, type Reading } from "./foreign-load.ts";

const row = (pid: number, parent: number, name: string, cpuMs = 0): ProcessRow => ({ pid, parent, name, cpuMs });
const own = (more: Partial<Own> = {}): Own => ({ roots: new Set([10]), names: new Set(), working: false, ...more });
function reading(atMs: number, busyMs: number, processes: ProcessRow[] | null, gpus: GpuUse[] = []): Reading {
  // Two cores.
  return { atMs, cpuBusyMs: busyMs, cpuTotalMs: atMs * 2, processes, gpus };
}

test("own are this process, the backends by port or name, and all that descend from them", () => {
  const table = [row(1, 0, "init"), row(10, 1, "infernet"), row(11, 10, "engine"), row(20, 1, "ollama")];
  table.push(row(21, 20, "llama-server"), row(30, 1, "game"), row(31, 30, "shader"), row(40, 1, "vllm"));
  const found = ownPids(table, { roots: new Set([10, 40]), names: new Set(["ollama"]) });
  expect([...found].toSorted((a, b) => a - b)).toEqual([10, 11, 20, 21, 40]);
});

test("a table that names its own ancestors ends all the same", () => {
  expect(ownPids([row(10, 11, "a"), row(11, 10, "b")], own()).size).toBe(2);
});

describe("CPU", () => {
  const before = [row(10, 1, "infernet", 500), row(11, 10, "engine", 1_000), row(30, 1, "game", 0)];

  test("is everything that was used, less the own share", () => {
    const after = [row(10, 1, "infernet", 600), row(11, 10, "engine", 1_900), row(30, 1, "game", 500)];
    const load = foreignLoad(reading(1_000, 0, before), reading(2_000, 1_500, after), own());
    expect(load).toEqual({ atMs: 2_000, gpuPercent: null, cpuPercent: 25 });
  });

  test("a child that began in between counts from nothing, one that has gone not at all", () => {
    const after = [row(10, 1, "infernet", 500), row(12, 10, "engine", 700)];
    expect(foreignLoad(reading(1_000, 0, before), reading(2_000, 700, after), own()).cpuPercent).toBe(0);
  });

  test("where processes cannot be listed it is ours while we work, theirs while we do not", () => {
    const readings = [reading(1_000, 0, null), reading(2_000, 1_000, null)] as const;
    expect(foreignLoad(...readings, own()).cpuPercent).toBe(50);
    expect(foreignLoad(...readings, own({ working: true })).cpuPercent).toBe(0);
  });

  test("two readings at one instant say nothing", () => {
    expect(foreignLoad(reading(1_000, 0, []), reading(1_000, 0, []), own()).cpuPercent).toBeNull();
  });

  test("is always from 0 to 100", () => {
    const ms = fc.nat(10_000);
    fc.assert(
      fc.property(ms, ms, ms, ms, (span, busy, mine, theirs) => {
        const after = [row(10, 1, "infernet", 500 + mine), row(30, 1, "game", theirs)];
        const { cpuPercent } = foreignLoad(reading(1_000, 0, before), reading(1_000 + span, busy, after), own());
        if (span === 0) return expect(cpuPercent).toBeNull();
        expect(cpuPercent).toBeGreaterThanOrEqual(0);
        expect(cpuPercent).toBeLessThanOrEqual(100);
      }),
    );
  });
});

describe("GPU", () => {
  const table = [row(10, 1, "infernet"), row(20, 1, "ollama"), row(21, 20, "runner"), row(30, 1, "game")];
  const gpuLoad = (gpus: GpuUse[], more: Partial<Own> = {}, processes: ProcessRow[] | null = table) =>
    foreignLoad(reading(1_000, 0, processes), reading(2_000, 0, processes, gpus), own(more)).gpuPercent;
  const names = new Set(["ollama"]);

  test("told apart by process: that of our backend is ours, a game's is not", () => {
    const processes = [
      { pid: 21, percent: 60 },
      { pid: 30, percent: 35 },
    ];
    expect(gpuLoad([{ percent: 95, processes }], { names })).toBe(35);
    expect(gpuLoad([{ percent: 60, processes: processes.slice(0, 1) }], { names })).toBe(0);
    expect(gpuLoad([{ percent: 95, processes }])).toBe(95);
  });

  test("of several the busiest counts, one that says nothing does not", () => {
    const game = { percent: 40, processes: [{ pid: 30, percent: 40 }] };
    expect(gpuLoad([{ percent: null, processes: null }, { percent: 0, processes: [] }, game])).toBe(40);
    expect(gpuLoad([{ percent: null, processes: null }])).toBeNull();
    expect(gpuLoad([])).toBeNull();
  });

  test.each([
    ["the driver tells no processes apart", { percent: 70, processes: null }],
    ["the processes are of another namespace", { percent: 70, processes: [{ pid: 77_777, percent: 70 }] }],
  ] as const)("where %s it is ours while we work, theirs while we do not", (_, gpu) => {
    expect(gpuLoad([gpu])).toBe(70);
    expect(gpuLoad([gpu], { working: true })).toBe(0);
  });
});
