// Overview figures: the row of numbers at its top.
import type { OverviewView } from "../../src/dashboard/overview/view.ts";
import type { LoadPoint } from "../../src/stats/stats.ts";
import type { Markup } from "../parts/markup.ts";
import { Figure, Figures, Spark } from "../parts/parts.tsx";
import { dollars, duration, NONE, number, plural } from "../parts/text.tsx";

/** Points that a spark has room for. */
const SPARK = 60;

export function OverviewFigures({ view }: { view: OverviewView }): Markup {
  const { now, sum, points, money, range } = view;
  const spark = (value: (point: LoadPoint) => number): readonly number[] => points.slice(-SPARK).map(value);
  const [firstToken = NONE, unit] = sum.firstTokenP50Ms === null ? [] : duration(sum.firstTokenP50Ms).split(" ");
  return (
    <Figures id="figures">
      <Figure label="Output" value={number(now.outputPerS)} unit="tok/s" note={outputNote(view)}>
        <Spark values={spark((p) => p.completionTokens / p.spanS)} />
      </Figure>
      <Figure
        label="Running jobs"
        value={number(now.running)}
        unit={`of ${number(now.slots)} slots`}
        note={
          now.queued === 0
            ? "none in the queue"
            : `${number(now.queued)} in the queue${now.oldestQueuedMs === null ? "" : `, oldest ${duration(now.oldestQueuedMs)}`}`
        }
      >
        <Spark values={spark((p) => p.running)} tone={2} />
      </Figure>
      <Figure
        label="First token"
        value={firstToken}
        unit={unit === undefined ? "p50" : `${unit} p50`}
        note={sum.firstTokenP95Ms === null ? NONE : `${duration(sum.firstTokenP95Ms)} p95`}
      >
        <Spark values={spark((p) => p.firstTokenP50Ms ?? 0)} tone={2} />
      </Figure>
      <Figure
        label="Errors"
        value={sum.jobs === 0 ? NONE : number((sum.failed / sum.jobs) * 100, 1)}
        {...(sum.jobs === 0 ? {} : { unit: "%" })}
        note={`${number(sum.failed)} of ${plural(sum.jobs, "job")}, ${range === "1h" ? "last hour" : `last ${range.replace(/(\d)(\D)/, "$1\u202f$2")}`}`}
      >
        <Spark values={spark((p) => (p.jobs === 0 ? 0 : p.failed / p.jobs))} tone={2} />
      </Figure>
      {money && (
        <>
          <Figure label="Money in, today" value={dollars(money.gross)} note={plural(money.receipts, "receipt")} />
          <Figure
            label="Nodes' share of it"
            value={dollars(money.nodes)}
            note={`Fee ${number(view.feeBps / 100, view.feeBps % 100 === 0 ? 0 : 2)} %: ${dollars(money.fee)}`}
          />
        </>
      )}
    </Figures>
  );
}

/** The last hour's mean beside what is now, else the range's. */
function outputNote({ sum, points, nowMs }: OverviewView): string {
  const [first] = points;
  if (first === undefined) return NONE;
  const seconds = nowMs / 1000 - first.atS;
  return seconds > 0 ? `${number(sum.completionTokens / seconds)} on average` : NONE;
}
