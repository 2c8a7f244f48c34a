// Charts: the last hour of a node's machine. What the node does not say has no line.
import type { NodeInner } from "../../../src/dashboard/nodes/shown.ts";
import type { NodeSample } from "../../../src/stats/stats.ts";
import type { Markup } from "../../parts/markup.ts";
import { Card, Legend, TimeChart } from "../../parts/parts.tsx";
import { number } from "../../parts/text.tsx";

type Line = { name: string; of: (sample: NodeSample) => number | null };
export type Chart = { id: string; title: string; max?: number; lines: readonly Line[] };

const GPU: readonly Line[] = [
  { name: "Load %", of: ({ gpuPercent }) => gpuPercent },
  { name: "Memory %", of: ({ gpuMemoryPercent }) => gpuMemoryPercent },
  { name: "Temperature °C", of: ({ temperatureC }) => temperatureC },
];
const CPU: readonly Line[] = [
  { name: "CPU %", of: ({ cpuPercent }) => cpuPercent },
  { name: "Memory %", of: ({ memoryPercent }) => memoryPercent },
];
const JOBS: readonly Line[] = [{ name: "Jobs at once", of: ({ running }) => running }];

/** Samples kept on the page: an hour. */
const KEEP = 180;

/** The charts that there is something to draw for. */
export function chartsOf(samples: readonly NodeSample[]): Chart[] {
  if (samples.length < 2) return [];
  const said = (lines: readonly Line[]) => lines.filter(({ of }) => samples.some((sample) => of(sample) !== null));
  const [gpu, cpu] = [said(GPU), said(CPU)];
  return [
    ...(gpu.length > 0 ? [{ id: "gpu", title: "GPU, last hour", max: 100, lines: gpu }] : []),
    ...(cpu.length > 0 ? [{ id: "cpu", title: "Machine, last hour", max: 100, lines: cpu }] : []),
    ...(gpu.length + cpu.length === 0 ? [{ id: "load", title: "Jobs, last hour", lines: JOBS }] : []),
  ];
}

export const rowOf = ({ lines }: Chart, sample: NodeSample): (number | null)[] => [
  sample.atS,
  ...lines.map(({ of }) => of(sample)),
];

const TONES = [1, 2, 3] as const;

/** What it is busy with most stands first, by itself; `rest`: the others. */
export const LoadCharts = ({ inner: { samples }, rest = false }: { inner: NodeInner; rest?: boolean }): Markup => (
  <>
    {(rest ? chartsOf(samples).slice(1) : chartsOf(samples).slice(0, 1)).map((chart) => (
      <Card
        id={`${chart.id}-h`}
        title={chart.title}
        aside={<Legend series={chart.lines.map(({ name }, i) => ({ name, tone: TONES[i] ?? 3 }))} />}
      >
        <div class="body">
          <TimeChart
            id={chart.id}
            says={sentence(chart, samples)}
            series={chart.lines.map(({ name }) => name)}
            rows={samples.map((sample) => rowOf(chart, sample))}
            event={`node-${chart.id}`}
            keep={KEEP}
            {...(chart.max === undefined ? {} : { max: chart.max })}
          />
        </div>
      </Card>
    ))}
  </>
);

function sentence({ title, lines }: Chart, samples: readonly NodeSample[]): string {
  const newest = samples.at(-1);
  const now = lines.flatMap(({ name, of }) => {
    const value = newest === undefined ? null : of(newest);
    return value === null ? [] : `${name} ${number(value)}`;
  });
  return `${title}. Now: ${now.length > 0 ? now.join(", ") : "not known"}.`;
}
