// Bars: one series by the day, or a few stacked, drawn by the server: no script.
import type { Child } from "hono/jsx";
import type { Markup } from "./markup.ts";

export type Stack = {
  label: string;
  /** What it says of itself as a whole. */
  says: string;
  /** One for each series, bottom first. */
  values: readonly number[];
};
type Props = {
  /** One sentence for who does not see it. */
  says: string;
  stacks: readonly Stack[];
  format: (value: number) => string;
  /** Colour of the first series. */
  tone?: number;
};

/** Series that colours and patterns keep apart; the rest is to be added up. */
export const MOST_SERIES = 5;

/** px. */
const TOP = 8;
const HEIGHT = 168;
/** Of the line below, with the days. */
const LABELS = 24;
/** Labels that have room; on a phone every third of them. */
const MOST_LABELS = 12;
const PHONE_SHARE = 3;

const percent = (share: number): string => `${(share * 100).toFixed(2)}%`;

/** As wide as its place; its text has one size everywhere. */
export function StackedBars({ says, stacks, format, tone = 1 }: Props): Markup {
  const sums = stacks.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const top = roundUp(Math.max(...sums, 1e-9));
  const step = 1 / Math.max(1, stacks.length);
  const every = Math.ceil(stacks.length / MOST_LABELS);
  return (
    <div class="plotted stacks">
      <div class="scale" aria-hidden="true">
        {[1, 0.5, 0].map((share) => (
          <span>{format(top * share)}</span>
        ))}
      </div>
      <svg class="stacks" height={TOP + HEIGHT + LABELS} role="img" aria-label={says}>
        <g stroke="currentColor" stroke-opacity=".18">
          {[0, 0.5, 1].map((share) => (
            <line x1="0" x2="100%" y1={TOP + HEIGHT * share} y2={TOP + HEIGHT * share} />
          ))}
        </g>
        {stacks.map((stack, i) => (
          <g>
            <title>{`${stack.label}: ${stack.says}`}</title>
            {/* All of its height tells, not only where something is drawn. */}
            <rect x={percent(i * step)} y={TOP} width={percent(step)} height={HEIGHT} fill="transparent" />
            <Bar stack={stack} x={(i + 0.15) * step} width={step * 0.7} top={top} tone={tone} />
          </g>
        ))}
        {stacks.map(({ label }, i) => {
          // Counted from the newest, which always has its label.
          const back = stacks.length - 1 - i;
          if (back % every !== 0) return null;
          const phone = stacks.length <= MOST_LABELS / 2 || (back / every) % PHONE_SHARE === 0;
          return (
            <text
              class={phone ? undefined : "more"}
              x={back === 0 && every > 1 ? "100%" : percent((i + 0.5) * step)}
              y={TOP + HEIGHT + 17}
              text-anchor={back === 0 && every > 1 ? "end" : "middle"}
            >
              {label}
            </text>
          );
        })}
      </svg>
    </div>
  );
}

type BarProps = { stack: Stack; x: number; width: number; top: number; tone: number };
function Bar({ stack, x, width, top, tone }: BarProps): Markup {
  const parts: { tone: number; y: number; height: number }[] = [];
  let at = TOP + HEIGHT;
  stack.values.forEach((value, i) => {
    if (value <= 0) return;
    const height = Math.max(1, (value / top) * HEIGHT);
    at -= height;
    parts.push({ tone: ((tone - 1 + i) % MOST_SERIES) + 1, y: at, height });
  });
  return (
    <>
      {parts.map((part) => (
        <rect
          class={`k${part.tone}`}
          x={percent(x)}
          y={part.y.toFixed(1)}
          width={percent(width)}
          height={part.height.toFixed(1)}
          rx="1"
        />
      ))}
    </>
  );
}

type BarsProps = {
  says: string;
  bars: readonly { label: string; value: number }[];
  format: (value: number) => string;
};
/** Of one series. */
export const Bars = ({ says, bars, format }: BarsProps): Markup => (
  <StackedBars
    says={says}
    stacks={bars.map(({ label, value }) => ({ label, says: format(value), values: [value] }))}
    format={format}
    tone={3}
  />
);

/** Which colour is which. */
export const StackLegend = ({ names }: { names: readonly Child[] }): Markup => (
  <ul class="legend blocks">
    {names.map((name, i) => (
      <li>
        <i class={`k${(i % MOST_SERIES) + 1}`}></i>
        {name}
      </li>
    ))}
  </ul>
);

/** To 1, 2, 3, 4, 5, 6 or 8 times a power of ten, so that half of it is a round number too. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value * 0.999_999) ?? 10);
}
