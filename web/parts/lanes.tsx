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

const LEFT = 132;
const RIGHT = 740;
const ROW = 26;
const BAR = 14;
/** A span is seen, however short. */
const LEAST = 2;
const COLOURS = { wait: "var(--sky)", live: "var(--ember)", bad: "var(--bad)" } as const;

/** `says`: one sentence for who does not see it. */
export function Lanes({ lanes, totalMs, says }: { lanes: readonly Lane[]; totalMs: number; says: string }): Markup {
  const step = stepOf(totalMs);
  const end = Math.max(step, Math.ceil(totalMs / step) * step);
  const x = (ms: number) => LEFT + (Math.min(ms, end) / end) * (RIGHT - LEFT);
  const bottom = 6 + lanes.length * ROW;
  const marks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return (
    <div class="scroll" tabindex={0} role="region" aria-label="Lanes of the tries">
      <svg class="lanes" viewBox={`0 0 760 ${bottom + 22}`} role="img" aria-label={says}>
        <g stroke="currentColor" stroke-opacity=".18">
          {marks.map((ms) => (
            <path d={`M${x(ms).toFixed(1)} 4V${bottom}`} />
          ))}
        </g>
        {marks.map((ms) => (
          <text x={x(ms).toFixed(1)} y={bottom + 17} text-anchor="middle">
            {shortTime(ms)}
          </text>
        ))}
        {lanes.map((lane, i) => (
          <LaneRow lane={lane} y={9 + i * ROW} x={x} />
        ))}
      </svg>
    </div>
  );
}

function LaneRow({ lane, y, x }: { lane: Lane; y: number; x: (ms: number) => number }): Markup {
  const { label, from, begun, to, tone, broken, says } = lane;
  const colour = COLOURS[tone];
  const paleTo = begun === null ? to : Math.min(Math.max(begun, from), to);
  const isPale = tone !== "wait";
  const end = Math.max(x(to), x(from) + LEAST);
  return (
    <g>
      <title>{says}</title>
      <text x="0" y={y + 11}>
        {plainName(label, 18)}
      </text>
      <Span from={x(from)} to={Math.max(x(paleTo), x(from) + LEAST)} y={y} colour={colour} pale={isPale} />
      {begun !== null && <Span from={x(paleTo)} to={end} y={y} colour={colour} pale={false} />}
      {broken && (
        <path d={`m${(end - 4).toFixed(1)} ${y + 3} 8 8m0-8-8 8`} stroke="var(--bad)" stroke-width="2.4" fill="none" />
      )}
    </g>
  );
}

type SpanProps = { from: number; to: number; y: number; colour: string; pale: boolean };
const Span = ({ from, to, y, colour, pale }: SpanProps): Markup => (
  <rect
    x={from.toFixed(1)}
    y={y}
    width={Math.max(LEAST, to - from).toFixed(1)}
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
