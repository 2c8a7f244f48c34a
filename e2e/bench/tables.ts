// Tables: prints a run's figures. Medians over the rounds; "spread" is (max - min) / median of the throughput.
import { type Aim, figure } from "./aims.ts";
import type { CancelDelay } from "./cancel.ts";
import type { Comparison, Measurement } from "./compare.ts";
import type { Shape } from "./shapes.ts";
import type { Starts } from "./start.ts";
import { median, spread } from "./stats.ts";

const digits = (value: number, count = 1) => (Number.isFinite(value) ? value.toFixed(count) : "-");

/** The first column to the left, all others to the right. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]) =>
    cells.map((cell, column) => (column ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[0] ?? 0))).join("  ");
  return `${[head, ...rows].map(line).join("\n")}\n`;
}

type Column = { title: string; cell: (target: string) => string };

function shapeColumns(comparison: Comparison, shape: Shape): Column[] {
  const of = (target: string, value: (m: Measurement) => number) => figure(comparison, target, shape.key, value);
  const rounds = (target: string) => comparison.targets[target]?.shapes[shape.key] ?? [];
  const throughput = (m: Measurement) => (shape.mode === "unary" ? m.requestsPerS : m.tokensPerS);
  const plain = (title: string, count: number, value: (m: Measurement) => number): Column => ({
    title,
    cell: (target) => digits(of(target, value), count),
  });
  const added = (title: string, value: (m: Measurement) => number): Column => ({
    title,
    cell: (target) => digits(of(target, value) - of("direct", value), 3),
  });
  const latency = shape.mode === "unary" ? (m: Measurement) => m.latencyMs : (m: Measurement) => m.ttftMs;
  const word = shape.mode === "unary" ? "" : "ttft ";
  const common: Column[] = [
    plain(shape.mode === "unary" ? "req/s" : "tok/s", 0, throughput),
    { title: "x direct", cell: (target) => digits(of(target, throughput) / of("direct", throughput), 3) },
    plain(`${word}p50 ms`, 3, (m) => latency(m).p50),
    plain(`${word}p99 ms`, 3, (m) => latency(m).p99),
    added("added p50", (m) => latency(m).p50),
    added("added p99", (m) => latency(m).p99),
  ];
  const cost: Column[] =
    shape.mode === "unary"
      ? [
          plain("cpu us/req", 0, (m) => m.cpuUsPerRequest),
          { title: "max/core-s", cell: (target) => digits(1e6 / of(target, (m) => m.cpuUsPerRequest), 0) },
          plain("client us/req", 0, (m) => (m.clientCpuS / m.ok) * 1e6),
        ]
      : [
          plain("whole p50", 1, (m) => m.latencyMs.p50),
          plain("cpu us/tok", 2, (m) => m.cpuUsPerToken),
          plain("reads/stream", 1, (m) => m.reads / m.ok),
        ];
  return [
    ...common,
    ...cost,
    { title: "bad", cell: (target) => `${rounds(target).reduce((total, m) => total + m.bad, 0)}` },
    { title: "spread", cell: (target) => `${digits(100 * spread(rounds(target).map(throughput)), 0)}%` },
  ];
}

function shapeTable(comparison: Comparison, shape: Shape): string {
  const columns = shapeColumns(comparison, shape);
  const rows = Object.keys(comparison.targets).map((name) => [name, ...columns.map(({ cell }) => cell(name))]);
  const arrival = shape.waves ? "at once, then again when the last is done" : "at a time";
  const what = shape.mode === "unary" ? "requests" : `streams, backend ${JSON.stringify(shape.backend)}`;
  const title = `${shape.key}: ${shape.connections} ${arrival}, ${shape.tokens} tokens each, ${what}`;
  return `${title}\n${table(["target", ...columns.map((column) => column.title)], rows)}`;
}

/** Everything that compare() measured. */
export function comparisonTables(comparison: Comparison, shapes: Shape[]): string {
  const all = Object.values(comparison.targets).flatMap((target) => Object.values(target.shapes).flat());
  const foreign = all.map((m) => m.foreignCores);
  const head = `${comparison.at}  bun ${comparison.bun}, ${comparison.cores} cores, pinned ${comparison.pinned}, ${comparison.rounds} rounds of ${comparison.seconds} s, medians; load ${comparison.loadBefore} -> ${comparison.loadAfter}
CPU taken by other programs (cores): median ${digits(median(foreign), 2)}, worst kept ${digits(Math.max(0, ...foreign), 2)}; ${comparison.repeatedForNoise} measurements repeated for noise`;
  const rows = Object.entries(comparison.targets).flatMap(([name, { idle, end, healthyMs, firstAnswerMs, note }]) =>
    idle
      ? [
          [
            name,
            `${idle.processes}`,
            digits(idle.rssMiB),
            digits(idle.pssMiB),
            digits(end?.peakRssMiB ?? Number.NaN),
            digits(median(healthyMs), 0),
            digits(median(firstAnswerMs), 0),
            note,
          ],
        ]
      : [],
  );
  const memory = `memory (MiB, whole process tree) and start (ms, median)\n${table(
    ["target", "processes", "idle RSS", "idle PSS", "peak RSS", "healthy", "first answer", "note"],
    rows,
  )}`;
  const skipped = Object.entries(comparison.skipped).map(([name, reason]) => `not measured: ${name}: ${reason}\n`);
  return [head, "", ...shapes.map((shape) => shapeTable(comparison, shape)), memory, ...skipped].join("\n");
}

export function startTable(starts: Starts): string {
  const rows = Object.entries(starts).map(([name, ms]) => [
    name,
    `${ms.length}`,
    digits(Math.min(...ms), 0),
    digits(median(ms), 0),
    digits(Math.max(...ms), 0),
  ]);
  return `from exec to the first right answer (ms)\n${table(["target", "starts", "min", "median", "max"], rows)}`;
}

export function cancelTable(delays: Record<string, CancelDelay>): string {
  const rows = Object.entries(delays).map(([name, { left, seen, delayMs }]) => [
    name,
    `${seen}/${left}`,
    digits(delayMs.p50, 2),
    digits(delayMs.p99, 2),
    digits(delayMs.max, 2),
  ]);
  return `from a client leaving to the backend seeing it (ms)\n${table(["target", "seen", "p50", "p99", "max"], rows)}`;
}

export function aimTable(aims: Aim[]): string {
  const verdict = (met: boolean | null) => (met === null ? "-" : met ? "met" : "MISSED");
  const rows = aims.map(({ name, bound, measured, met }) => [name, bound, measured, verdict(met)]);
  return `aims\n${table(["aim", "bound", "measured", "verdict"], rows)}`;
}
