// Overview: what the network does now, and what waits for an admin. Every part has an id, and is replaced in place.
import type { Need } from "../../src/dashboard/overview/needs.ts";
import type { RecentJob } from "../../src/dashboard/overview/recent.ts";
import type { NodeTile, NodeTiles } from "../../src/dashboard/overview/tiles.ts";
import type { CoordinatorLine, OverviewView } from "../../src/dashboard/overview/view.ts";
import type { LoadNow, LoadPoint, Range } from "../../src/stats/stats.ts";
import { Icon } from "../parts/icon.tsx";
import { JobLink, JobState, NodeLink } from "../parts/job-state.tsx";
import type { Markup } from "../parts/markup.ts";
import { modelHref } from "../parts/model-href.ts";
import { Notify } from "../parts/notify.tsx";
import {
  Body,
  Card,
  Empty,
  Item,
  Legend,
  List,
  Meter,
  Score,
  Segments,
  Status,
  Table,
  Tag,
  Th,
  TimeChart,
} from "../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../parts/shell.tsx";
import { STATE_TONE } from "../parts/states.ts";
import { Ago, ago, dollars, duration, Name, NONE, number, plural } from "../parts/text.tsx";
import { OverviewFigures } from "./overview-figures.tsx";

const RANGES: readonly (readonly [Range, label: string, words: string])[] = [
  ["1h", "1 h", "the last hour"],
  ["24h", "24 h", "the last 24 hours"],
  ["7d", "7 d", "the last 7 days"],
  ["30d", "30 d", "the last 30 days"],
];

export const Overview = ({ viewer, view }: { viewer: Viewer; view: OverviewView }): Markup => {
  const parts = overviewParts(view);
  return (
    <Shell viewer={viewer} title="Overview" charts live={`/live/overview?r=${view.range}`}>
      <Head title="Overview" note={<a href="/admin/version">infernet {view.version}</a>}>
        <LiveState />
        <Notify />
        <Segments
          name="Time range"
          all={RANGES.map(([range, label]) => ({ href: `?r=${range}`, label, here: range === view.range }))}
        />
      </Head>
      {parts.figures}
      <div class="cols">
        <div class="stack fill">
          <Chart view={view} />
        </div>
        <div class="stack">
          {parts["needs-card"]}
          {parts["queue-card"]}
        </div>
      </div>
      {parts["nodes-card"]}
      {parts["coordinators-card"]}
      {parts["recent-card"]}
    </Shell>
  );
};

/** What changes while one looks, by the id of its place. */
export const overviewParts = (view: OverviewView) => ({
  figures: <OverviewFigures view={view} />,
  "needs-card": <Needs needs={view.needs} />,
  "queue-card": <Queue now={view.now} limit={view.queueLimit} />,
  "nodes-card": <Nodes nodes={view.nodes} nowMs={view.nowMs} />,
  "coordinators-card": <Coordinators all={view.coordinators} nowMs={view.nowMs} />,
  "recent-card": <Recent jobs={view.jobs} nowMs={view.nowMs} billing={view.billing} />,
});

/** The newest point that is complete, as the chart takes it; null where there is none, or the range has coarser ones. */
export function chartRow({ range, points }: OverviewView): number[] | null {
  const newest = range === "1h" ? points.at(-1) : undefined;
  return newest === undefined ? null : rowOf(newest);
}
const rowOf = ({ atS, spanS, completionTokens, promptTokens }: LoadPoint): number[] => [
  atS,
  Math.round((completionTokens / spanS) * 10) / 10,
  Math.round((promptTokens / spanS) * 10) / 10,
];

function Chart({ view: { range, points } }: { view: OverviewView }): Markup {
  const rows = points.map(rowOf);
  const outputs = rows.map(([, output = 0]) => output);
  const words = RANGES.find(([one]) => one === range)?.[2] ?? "";
  const says =
    rows.length === 0
      ? `Tokens per second over ${words}: nothing yet.`
      : `Tokens per second over ${words}. Output between ${number(Math.min(...outputs))} and ${number(Math.max(...outputs))}.`;
  return (
    <Card
      id="tps"
      title="Tokens per second"
      aside={
        <Legend
          series={[
            { name: "Output", tone: 1 },
            { name: "Prompt", tone: 2 },
          ]}
        />
      }
    >
      <Body>
        <TimeChart
          id={`tps-${range}`}
          says={says}
          series={["Output, tok/s", "Prompt, tok/s"]}
          rows={rows}
          {...(range === "1h" ? { event: "tick", keep: 60 } : {})}
        />
      </Body>
    </Card>
  );
}

const Needs = ({ needs }: { needs: readonly Need[] }): Markup => (
  <Card id="needs" title="Needs you" aside={needs.length > 0 && <span class="count">{number(needs.length)}</span>}>
    {needs.length === 0 ? (
      <Body>
        <p class="note">Nothing waits for you.</p>
      </Body>
    ) : (
      <List>
        {needs.map(({ tone, about, words, note, act }, i) => (
          <Item
            tone={tone}
            act={
              act && (
                <a class="button" id={`need-${i}`} href={act.href}>
                  {act.label}
                </a>
              )
            }
          >
            {about && (
              <a href={about.href}>
                <Name of={about.name} max={40} />
              </a>
            )}{" "}
            {words}
            {note !== null && <p class="note">{note}</p>}
          </Item>
        ))}
      </List>
    )}
  </Card>
);

const QUEUES = 6;
function Queue({ now: { models }, limit }: { now: LoadNow; limit: number }): Markup {
  const waiting = models.filter(({ queued }) => queued > 0).slice(0, QUEUES);
  const others = models.length - waiting.length;
  return (
    <Card id="queue" title="Queue by model">
      <Body>
        {waiting.map(({ model, queued }) => (
          <Score
            label={<Name of={model} />}
            value={`${number(queued)} of ${number(limit)}`}
            share={limit === 0 ? 0 : queued / limit}
            says={`${number(queued)} of ${number(limit)} waiting`}
            tone={queued * 2 >= limit ? "warn" : "wait"}
          />
        ))}
        {waiting.length === 0 ? (
          <p class="note">No job waits.</p>
        ) : (
          others > 0 && <Score label={plural(others, "other model")} value="0" share={0} says="None waiting" />
        )}
      </Body>
    </Card>
  );
}

const COUNTED = [
  ["serving", "serving"],
  ["full", "full"],
  ["idle", "idle"],
  ["elsewhere", "at another coordinator"],
  ["bare", "serving nothing"],
  ["suspect", "suspect"],
  ["paused", "paused"],
  ["offline", "offline"],
] as const;
function Nodes({ nodes: { tiles, counts, total }, nowMs }: { nodes: NodeTiles; nowMs: number }): Markup {
  const words = COUNTED.filter(([state]) => counts[state] > 0).map(
    ([state, word]) => `${number(counts[state])} ${word}`,
  );
  return (
    <Card
      id="nodes"
      title="Nodes"
      aside={
        <>
          <span class="note more">{words.join(", ")}</span>
          <a class="button" id="all-nodes" href="/admin/nodes">
            {total > tiles.length ? `All ${number(total)}` : "All nodes"}
          </a>
        </>
      }
    >
      {tiles.length === 0 ? (
        <Empty
          icon="node"
          title="No node has come yet"
          act={
            <a class="button act" href="/my/join-tokens">
              Make a join token
            </a>
          }
        >
          Nodes run the models. One joins with a token that you make, from any machine with a GPU.
        </Empty>
      ) : (
        <div class="tiles">
          {tiles.map((tile) => (
            <Tile tile={tile} nowMs={nowMs} />
          ))}
        </div>
      )}
    </Card>
  );
}

const STATE_WORD = {
  serving: "Serving",
  full: "Full",
  idle: "Idle",
  elsewhere: "Online",
  bare: "Serves nothing",
  suspect: "Suspect",
  paused: "Paused",
  offline: "Offline",
} as const;
function Tile({ tile, nowMs }: { tile: NodeTile; nowMs: number }): Markup {
  const { pubkey, name, device, state, load, loadOf, outputPerS, running, slots, lastSeenMs } = tile;
  const tone = STATE_TONE[state];
  const percent = Math.round(load * 100);
  const figure =
    state === "offline"
      ? ago(nowMs - lastSeenMs)
      : state === "elsewhere"
        ? NONE
        : outputPerS >= 0.5
          ? `${number(outputPerS)} tok/s`
          : `${number(running)}/${number(slots)}`;
  return (
    <a class={`tile ${tone}`} id={`tile-${pubkey.slice(0, 16)}`} href={`/nodes/${encodeURIComponent(pubkey)}`}>
      <b>
        <Icon name={tone} />
        <Name of={name} max={24} />
      </b>
      <span>{device === "" ? NONE : <Name of={device} max={28} />}</span>
      <Meter share={load} label={`${loadOf === "gpu" ? "GPU load" : "Slots in use"} ${percent} percent`} tone={tone} />
      <span class="pair">
        <span>{STATE_WORD[state]}</span>
        <span class="num">{figure}</span>
      </span>
    </a>
  );
}

/** Where several share the database. */
const Coordinators = ({ all, nowMs }: { all: readonly CoordinatorLine[]; nowMs: number }): Markup =>
  all.length === 0 ? (
    <div id="coordinators-card" hidden />
  ) : (
    <Card id="coordinators" title="Coordinators" aside={<span class="count">{number(all.length)}</span>}>
      <Table
        name="Table of coordinators"
        head={
          <>
            <Th>Coordinator</Th>
            <Th>State</Th>
            <Th>Version</Th>
            <Th n>Up for</Th>
            <Th n>Nodes</Th>
            <Th n>Running</Th>
          </>
        }
      >
        {all.map(({ id, version, startedMs, silentSinceMs, nodes, running }) => (
          <tr id={`coordinator-${id || "own"}`}>
            <td>{id === "" ? "This one" : <span class="key">{id.slice(0, 8)}</span>}</td>
            <td class="end">
              {silentSinceMs === null ? (
                <Status tone="ok">Online</Status>
              ) : (
                <Status tone="bad">
                  Silent, seen <Ago ms={silentSinceMs} nowMs={nowMs} />
                </Status>
              )}
            </td>
            <td>
              <Name of={version} max={32} />
            </td>
            <td class="n" data-label="up for">
              {silentSinceMs === null ? minutesOf(nowMs - startedMs) : NONE}
            </td>
            <td class="n" data-label="nodes">
              {silentSinceMs !== null ? NONE : number(nodes)}
            </td>
            <td class="n end" data-label="running">
              {running === null || silentSinceMs !== null ? NONE : number(running)}
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  );
/** To the minute: it is no stopwatch. */
const minutesOf = (ms: number): string => (ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min` : duration(ms));

const Recent = ({ jobs, nowMs, billing }: { jobs: readonly RecentJob[]; nowMs: number; billing: boolean }): Markup => (
  <Card
    id="recent"
    title="Recent jobs"
    aside={
      <a class="button" id="all-jobs" href="/admin/jobs">
        All jobs
      </a>
    }
  >
    {jobs.length === 0 ? (
      <Empty
        icon="jobs"
        title="Nothing was asked yet"
        act={
          <a class="button act" href="/playground">
            Open the playground
          </a>
        }
      >
        Every chat and every asynchronous job shows here with its route, its times and what it cost.
      </Empty>
    ) : (
      <Table
        name="Table of recent jobs"
        head={
          <>
            <Th>Job</Th>
            <Th n>Started</Th>
            <Th>Model</Th>
            <Th>State</Th>
            <Th>Account</Th>
            <Th>Node</Th>
            <Th n>Tries</Th>
            <Th n>First token</Th>
            <Th n>Tokens out</Th>
            <Th n>Tok/s</Th>
            {billing && <Th n>Cost</Th>}
          </>
        }
      >
        {jobs.map((job) => (
          <JobRow job={job} nowMs={nowMs} billing={billing} />
        ))}
      </Table>
    )}
  </Card>
);

const JobRow = ({ job, nowMs, billing }: { job: RecentJob; nowMs: number; billing: boolean }): Markup => (
  <tr id={`job-${job.id}`}>
    <td>
      <JobLink id={job.id} />
    </td>
    <td class="n end">
      <Ago ms={job.createdMs} nowMs={nowMs} />
    </td>
    <td>
      <a href={modelHref(job.model)}>
        <Name of={job.model} max={40} />
      </a>
    </td>
    <td class="end">
      <JobState state={job.state} />
    </td>
    <td class="more">
      <a href={`/admin/jobs?account=${encodeURIComponent(job.account.id)}`}>
        <Name of={job.account.name} max={32} />
      </a>
    </td>
    <td>{job.node ? <NodeLink {...job.node} /> : <span class="note">no node yet</span>}</td>
    <td class="n more">{job.tries > 1 ? <Tag>{plural(job.tries, "try", "tries")}</Tag> : number(job.tries)}</td>
    <td class="n more">{job.firstTokenMs === null ? NONE : duration(job.firstTokenMs)}</td>
    <td class="n more">{job.outputTokens === null ? NONE : number(job.outputTokens)}</td>
    <td class="n more">{job.tokensPerS === null ? NONE : number(job.tokensPerS)}</td>
    {billing && (
      <td class="n end">
        {job.charged !== null ? dollars(job.charged) : job.held !== null ? `held ${dollars(job.held)}` : NONE}
      </td>
    )}
  </tr>
);
