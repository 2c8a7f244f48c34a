// Network: the figures of the network that public pages begin with.
import type { Markup } from "./markup.ts";
import { Figure, Figures, Spark } from "./parts.tsx";
import { number, plural, timed } from "./text.tsx";

export type NetworkNow = {
  /** Nodes. */
  online: number;
  regions: number;
  models: number;
  /** Of them those that can answer now. */
  ready: number;
  outputPerS: number;
  /** Output tokens by the minute, the newest last. */
  perMinute: readonly number[];
  running: number;
  slots: number;
  /** Median of the last hour; null where nothing was asked. */
  firstTokenMs: number | null;
  /** Since the instance started. */
  upMs: number;
};

export function NetworkFigures({ now }: { now: NetworkNow }): Markup {
  return (
    <Figures id="network">
      <Figure
        label="Online"
        value={number(now.online)}
        unit={now.online === 1 ? "node" : "nodes"}
        note={now.regions > 0 && `in ${plural(now.regions, "region")}`}
      />
      <Figure label="Models" value={number(now.models)} note={`${number(now.ready)} can answer now`} />
      <Figure
        label="Output now"
        value={number(now.outputPerS)}
        unit="tok/s"
        note={`${plural(now.running, "job")} running`}
      >
        <Spark values={now.perMinute} />
      </Figure>
      <Figure label="Slots in use" value={number(now.running)} note={`of ${number(now.slots)}`} />
      <Figure label="First token" {...timed(now.firstTokenMs)} note="median, last hour" />
      <Figure label="Up for" {...upFor(now.upMs)} note="since the last start" />
    </Figures>
  );
}

/** To the minute: it is no stopwatch. */
const upFor = (ms: number): { value: string; unit?: string } => {
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? { value: `${minutes}`, unit: "min" } : timed(ms);
};
