// Usage: what was asked for and what it cost, by the day, by model or by key; the same numbers as a chart and as a table.
import type {
  Days,
  Measure,
  UsageAsked,
  UsageGroup,
  UsageLine,
  UsageSort,
  UsageView,
} from "../../src/dashboard/usage/usage-view.ts";
import { StackedBars, StackLegend } from "../parts/bars.tsx";
import type { Markup } from "../parts/markup.ts";
import { modelHref } from "../parts/model-href.ts";
import { Body, Card, Empty, Figure, Figures, Score, Segments, SortTh, Table } from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { dollars, MONTHS, Name, NONE, number, plainName, plural, shortDay } from "../parts/text.tsx";

/** Of one key, µ$. */
export type KeyLimit = { key: string; name: string; of: "today" | "in all"; limit: number; used: number };

type PageProps = {
  viewer: Viewer;
  asked: UsageAsked;
  days: Days;
  view: UsageView;
  limits: readonly KeyLimit[];
  billing: boolean;
  nowMs: number;
  /** Everybody's. */
  all: boolean;
};

const GROUPS: Readonly<Record<UsageGroup, string>> = { day: "By day", model: "By model", key: "By key" };
const MEASURES: Readonly<Record<Measure, string>> = {
  cost: "Cost",
  requests: "Requests",
  output: "Tokens out",
  prompt: "Tokens in",
};
const DAY_MS = 86_400_000;

/** The page's address, with these choices made. */
function hrefOf({ all, asked }: PageProps, over: Partial<UsageAsked>): string {
  const { range, group, measure, sort, order } = { ...asked, ...over };
  const query = new URLSearchParams({ range, by: group, show: measure, sort, order });
  return `${all ? "/admin/usage" : "/usage"}?${query}`;
}

export function UsagePage(props: PageProps): Markup {
  const { viewer, asked, view, all, limits } = props;
  return (
    <Shell viewer={viewer} title="Usage">
      <Head title="Usage" note={all ? "Of everybody. Days are in UTC." : "Chats and jobs that ended. Days are in UTC."}>
        <Segments name="Days" all={rangesOf(props)} />
      </Head>
      <UsageFigures {...props} />
      {view.sums.requests === 0 ? (
        <Nothing all={all} />
      ) : (
        <>
          <ChartCard {...props} />
          <TableCard {...props} />
        </>
      )}
      {limits.length > 0 && <LimitsCard limits={limits} />}
      {asked.group === "key" && all && <p class="note">Keys of all accounts.</p>}
    </Shell>
  );
}

function rangesOf(props: PageProps) {
  const { asked, nowMs } = props;
  const month = new Date(nowMs).toISOString().slice(0, 7);
  const before = new Date(Date.parse(`${month}-01`) - DAY_MS).toISOString().slice(0, 7);
  const all = [
    ["7", "7 d"],
    ["30", "30 d"],
    ["90", "90 d"],
    [before, monthName(before)],
    [month, monthName(month)],
  ] as const;
  return all.map(([range, label]) => ({ href: hrefOf(props, { range }), label, here: asked.range === range }));
}

const monthName = (month: string): string => MONTHS[Number(month.slice(5)) - 1] ?? month;

function UsageFigures({ view: { sums }, billing, days }: PageProps): Markup {
  const span = days.toDay - days.fromDay + 1;
  const share = sums.requests === 0 ? NONE : `${number(Math.round((sums.completed / sums.requests) * 100))} % answered`;
  return (
    <Figures id="figures">
      <Figure label="Requests" value={number(sums.requests)} note={share} />
      <Figure label="Tokens in" value={number(sums.prompt)} note={`${number(sums.prompt / span)} a day`} />
      <Figure label="Tokens out" value={number(sums.output)} note={`${number(sums.output / span)} a day`} />
      {billing && (
        <Figure label="Cost" value={dollars(sums.cost)} note={`${dollars(Math.round(sums.cost / span))} a day`} />
      )}
    </Figures>
  );
}

const Nothing = ({ all }: { all: boolean }): Markup => (
  <section class="card" aria-label="Nothing used">
    <Empty
      icon="home"
      level={2}
      title="Nothing was used in these days"
      act={
        all ? undefined : (
          <a class="button act" href="/keys">
            Make a key
          </a>
        )
      }
    >
      {all
        ? "What accounts ask for is added up here by the day."
        : "Make a key, then make a call: what it used shows here by day, model and key."}
    </Empty>
  </section>
);

const formatOf = (measure: Measure) => (value: number) =>
  measure === "cost" ? dollars(Math.round(value)) : number(Math.round(value));

const seriesName = (series: UsageView["series"][number], group: UsageGroup): string =>
  group === "day" ? "Everything" : nameOf(series, group);
/** Of a line, harmless to show. */
function nameOf({ name, of, others }: Pick<UsageLine, "name" | "of" | "others">, group: UsageGroup): string {
  if (others) return "All others";
  if (name !== null) return plainName(name, 40);
  if (of === "") return "No key";
  return group === "key" ? "A key that is gone" : plainName(of, 40);
}

function ChartCard(props: PageProps): Markup {
  const { asked, view, billing, days } = props;
  const { group, measure } = asked;
  const format = formatOf(measure);
  const measures = (["cost", "requests", "output", "prompt"] as const).filter((one) => billing || one !== "cost");
  const names = view.series.map((one) => seriesName(one, group));
  const stacks = view.days.map(({ day, values }) => ({
    label: shortDay(day * DAY_MS),
    says:
      values
        .map((value, i) => ({ value, name: names[i] ?? "" }))
        .filter(({ value }) => value > 0)
        .map(({ value, name }) => (names.length > 1 ? `${name} ${format(value)}` : format(value)))
        .join(", ") || format(0),
    values,
  }));
  const what = `${MEASURES[measure]} by day`;
  const says = `${what} from ${dayOf(days.fromDay)} to ${dayOf(days.toDay)}: ${format(view.sums[measure])} in all`;
  return (
    <Card
      id="chart"
      title={what}
      aside={
        <Segments
          name="What is shown"
          all={measures.map((one) => ({
            href: hrefOf(props, { measure: one }),
            label: MEASURES[one],
            here: measure === one,
          }))}
        />
      }
    >
      <Body>
        {names.length > 1 && <StackLegend names={names.map((name) => <Name of={name} max={40} />)} />}
        <StackedBars says={says} stacks={stacks} format={format} />
      </Body>
    </Card>
  );
}

const dayOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** Rows of one page; the files have them all. */
const MOST_ROWS = 200;

function TableCard(props: PageProps): Markup {
  const { asked, view, billing, days, all } = props;
  const path = all ? "/admin/usage" : "/usage";
  const by = all ? "day,account,model" : "day,key,model";
  const query = new URLSearchParams({ from: dayOf(days.fromDay), to: dayOf(days.toDay), by });
  const lines = view.lines.slice(0, MOST_ROWS);
  return (
    <Card
      id="usage"
      title={GROUPS[asked.group]}
      aside={
        <Segments
          name="Counted by"
          all={(["day", "model", "key"] as const).map((group) => ({
            href: hrefOf(props, { group, sort: group === "day" ? "name" : "requests", order: "descending" }),
            label: GROUPS[group],
            here: asked.group === group,
          }))}
        />
      }
      footer={
        <>
          <span>
            {plural(view.lines.length, "row")}
            {lines.length < view.lines.length && `, the first ${lines.length} shown`}
          </span>
          <a href={`${path}.csv?${query}`} download="usage.csv">
            Export CSV
          </a>
          <a href={`${path}.json?${query}`} download="usage.json">
            Export JSON
          </a>
        </>
      }
    >
      <Table
        name="Usage, in numbers"
        id="usage-rows"
        head={
          <>
            <Sorted props={props} by="name">
              {asked.group === "day" ? "Day" : asked.group === "model" ? "Model" : "Key"}
            </Sorted>
            <Sorted props={props} by="requests" n>
              Requests
            </Sorted>
            <Sorted props={props} by="prompt" n>
              Tokens in
            </Sorted>
            <Sorted props={props} by="output" n>
              Tokens out
            </Sorted>
            {billing && (
              <Sorted props={props} by="cost" n>
                Cost
              </Sorted>
            )}
          </>
        }
      >
        {lines.map((line) => (
          <tr>
            <td>
              <LineName line={line} group={asked.group} all={all} />
            </td>
            <td class="n end" data-label="Requests">
              {number(line.requests)}
            </td>
            <td class="n" data-label="In">
              {number(line.prompt)}
            </td>
            <td class="n end" data-label="Out">
              {number(line.output)}
            </td>
            {billing && <td class="n whole">{dollars(line.cost)}</td>}
          </tr>
        ))}
      </Table>
    </Card>
  );
}

type SortedProps = { props: PageProps; by: UsageSort; n?: boolean; children?: string };
/** Sorts by it, the largest first; once more, the other way. */
function Sorted({ props, by, n = false, children }: SortedProps): Markup {
  const { sort, order } = props.asked;
  const isHere = sort === by;
  const next = isHere && order === "descending" ? "ascending" : "descending";
  return (
    <SortTh href={hrefOf(props, { sort: by, order: next })} sorted={isHere ? order : null} n={n}>
      {children}
    </SortTh>
  );
}

function LineName({ line, group, all }: { line: UsageLine; group: UsageGroup; all: boolean }): Markup {
  const name = <Name of={nameOf(line, group)} max={40} />;
  if (line.others) return name;
  if (group === "model") return <a href={modelHref(line.of)}>{name}</a>;
  if (group === "key" && line.of !== "") {
    return <a href={`${all ? "/admin/jobs" : "/jobs"}?key=${encodeURIComponent(line.of)}`}>{name}</a>;
  }
  return <span class="num">{name}</span>;
}

/** From this share on it is nearly used up. */
const NEARLY = 0.8;

const LimitsCard = ({ limits }: { limits: readonly KeyLimit[] }): Markup => (
  <Card id="limits" title="Limits of keys" footer={<a href="/keys">All keys</a>}>
    <Body>
      {limits.map(({ key, name, of, used, limit }) => {
        const share = limit === 0 ? 1 : used / limit;
        const value = `${dollars(used)} of ${dollars(limit)}`;
        return (
          <Score
            label={
              <>
                <a href={`/jobs?key=${encodeURIComponent(key)}`}>
                  <Name of={name} max={40} />
                </a>
                {`, ${of}`}
              </>
            }
            value={value}
            share={share}
            says={`${plainName(name, 40)}, ${of}: ${value}`}
            {...(share >= 1 ? { tone: "bad" as const } : share >= NEARLY ? { tone: "warn" as const } : {})}
          />
        );
      })}
    </Body>
  </Card>
);
