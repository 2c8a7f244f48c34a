// Lanes: spans of time side by side, drawn by the server: who had it from when to when.
import type { Markup } from "./markup.ts";
import { duration, plainName } from "./text.tsx";

export type Lane = {
  label: string;
  /** ms since the beginning of it all. */
  from: number;
  /** Up to it the lane is pale; null where it never was. */
  begun: number | null;
  to: number;
  tone: "wait" | "live" | "bad";
  /** It ended there by a fault. */
  broken: boolean;
  says: string;
};

/** px. */
const ROW = 26;
const BAR = 14;
/** Of the line below, with the marks. */
const MARKS = 24;
/** A span is seen, however short: a share of the whole. */
const LEAST = 0.004;
const COLOURS = { wait: "var(--sky)", live: "var(--ember)", bad: "var(--bad)" } as const;

const percent = (share: number): string => `${(share * 100).toFixed(2)}%`;

/** As wide as its place; its text has one size everywhere. `says`: one sentence for who does not see it. */
export function Lanes({ lanes, totalMs, says }: { lanes: readonly Lane[]; totalMs: number; says: string }): Markup {
  const step = stepOf(totalMs);
  const end = Math.max(step, Math.ceil(totalMs / step) * step);
  const x = (ms: number) => Math.min(ms, end) / end;
  const bottom = lanes.length * ROW;
  const marks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return (
    <div class="plotted lanes">
      <div aria-hidden="true">
        {lanes.map(({ label }) => (
          <span>{plainName(label, 18)}</span>
        ))}
      </div>
      <svg class="lanes" height={bottom + MARKS} role="img" aria-label={says}>
        <g stroke="currentColor" stroke-opacity=".18">
          {marks.map((ms) => (
            <line x1={percent(x(ms))} x2={percent(x(ms))} y1="0" y2={bottom} />
          ))}
        </g>
        {marks.map((ms, i) => (
          <text
            class={i % 2 === 0 || marks.length <= 4 ? undefined : "more"}
            x={percent(x(ms))}
            y={bottom + 17}
            text-anchor={ms === end ? "end" : "middle"}
          >
            {shortTime(ms)}
          </text>
        ))}
        {lanes.map((lane, i) => (
          <LaneRow lane={lane} y={(ROW - BAR) / 2 + i * ROW} x={x} />
        ))}
      </svg>
    </div>
  );
}

function LaneRow({ lane, y, x }: { lane: Lane; y: number; x: (ms: number) => number }): Markup {
  const { from, begun, to, tone, broken, says } = lane;
  const colour = COLOURS[tone];
  const paleTo = begun === null ? to : Math.min(Math.max(begun, from), to);
  const isPale = tone !== "wait";
  const end = Math.max(x(to), x(from) + LEAST);
  return (
    <g>
      <title>{says}</title>
      <Span from={x(from)} to={Math.max(x(paleTo), x(from) + LEAST)} y={y} colour={colour} pale={isPale} />
      {begun !== null && <Span from={x(paleTo)} to={end} y={y} colour={colour} pale={false} />}
      {broken && (
        <svg x={percent(end)} y={y} overflow="visible" aria-hidden="true">
          <path d="m-4 3 8 8m0-8-8 8" stroke="var(--bad)" stroke-width="2.4" fill="none" />
        </svg>
      )}
    </g>
  );
}

type SpanProps = { from: number; to: number; y: number; colour: string; pale: boolean };
const Span = ({ from, to, y, colour, pale }: SpanProps): Markup => (
  <rect
    x={percent(from)}
    y={y}
    width={percent(Math.max(LEAST, to - from))}
    height={BAR}
    rx="2"
    fill={colour}
    fill-opacity={pale ? ".35" : undefined}
  />
);

/** Between two marks: 1, 2 or 5 times a power of ten, for about five of them; whole minutes beyond. */
function stepOf(totalMs: number): number {
  const rough = Math.max(1, totalMs / 5);
  const unit = rough > 60_000 ? 60_000 : 1;
  const power = 10 ** Math.floor(Math.log10(rough / unit));
  const factor = [1, 2, 5, 10].find((one) => one * power * unit >= rough) ?? 10;
  return factor * power * unit;
}
const shortTime = (ms: number): string =>
  ms >= 60_000 ? duration(ms) : ms >= 1_000 ? `${Number((ms / 1_000).toFixed(1))} s` : ms === 0 ? "0" : `${ms} ms`;
