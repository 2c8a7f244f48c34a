// Stacked bars: a few series by the day, drawn by the server: no script. The page has the same numbers as a table.
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
};

/** Series that colours and patterns keep apart; the rest is to be added up. */
export const MOST_SERIES = 5;

const WIDTH = 1000;
const LEFT = 84;
const TOP = 10;
const HEIGHT = 168;
const MOST_LABELS = 15;

export function StackedBars({ says, stacks, format }: Props): Markup {
  const sums = stacks.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const top = roundUp(Math.max(...sums, 1e-9));
  const step = (WIDTH - LEFT) / Math.max(1, stacks.length);
  const every = Math.ceil(stacks.length / MOST_LABELS);
  const x = (i: number) => LEFT + i * step;
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={`Chart: ${says}`}>
      <svg class="lanes stacks" viewBox={`0 0 ${WIDTH} ${TOP + HEIGHT + 22}`} role="img" aria-label={says}>
        <g stroke="currentColor" stroke-opacity=".18">
          {[0, 0.5, 1].map((share) => (
            <path d={`M${LEFT} ${TOP + HEIGHT * share}H${WIDTH}`} />
          ))}
        </g>
        {[1, 0.5, 0].map((share) => (
          <text x={LEFT - 8} y={TOP + HEIGHT * (1 - share) + 4} text-anchor="end">
            {format(top * share)}
          </text>
        ))}
        {stacks.map((stack, i) => (
          <g>
            <title>{`${stack.label}: ${stack.says}`}</title>
            {/* All of its height tells, not only where something is drawn. */}
            <rect x={x(i).toFixed(1)} y={TOP} width={step.toFixed(1)} height={HEIGHT} fill="transparent" />
            <Bar stack={stack} x={x(i) + step * 0.15} width={step * 0.7} top={top} />
          </g>
        ))}
        {stacks.map(({ label }, i) =>
          i % every === 0 ? (
            <text x={(x(i) + step / 2).toFixed(1)} y={TOP + HEIGHT + 17} text-anchor="middle">
              {label}
            </text>
          ) : null,
        )}
      </svg>
    </div>
  );
}

type BarProps = { stack: Stack; x: number; width: number; top: number };
function Bar({ stack, x, width, top }: BarProps): Markup {
  const parts: { tone: number; y: number; height: number }[] = [];
  let at = TOP + HEIGHT;
  stack.values.forEach((value, i) => {
    if (value <= 0) return;
    const height = Math.max(1, (value / top) * HEIGHT);
    at -= height;
    parts.push({ tone: (i % MOST_SERIES) + 1, y: at, height });
  });
  return (
    <>
      {parts.map(({ tone, y, height }) => (
        <rect
          class={`k${tone}`}
          x={x.toFixed(1)}
          y={y.toFixed(1)}
          width={width.toFixed(1)}
          height={height.toFixed(1)}
          rx="1"
        />
      ))}
    </>
  );
}

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
