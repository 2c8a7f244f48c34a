// Jobs: those that live above, in place; those that ended below, filtered and paged.
import type { JobLine, NowShown } from "../../src/dashboard/jobs/lines.ts";
import type { JobsAsked } from "../../src/dashboard/jobs/query.ts";
import { JOBS_SCRIPT } from "../parts/assets.ts";
import { JobLink, JobState, NodeLink } from "../parts/job-state.tsx";
import type { Markup } from "../parts/markup.ts";
import { Card, Empty, Filters, Pager, Search, Select, Status, Table, Tag, Th } from "../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../parts/shell.tsx";
import { Ago, dollars, duration, Name, NONE, number } from "../parts/text.tsx";

type PageProps = {
  viewer: Viewer;
  path: "/jobs" | "/admin/jobs";
  asked: JobsAsked;
  models: readonly string[];
  lines: readonly JobLine[];
  /** Addresses. */
  older: string | null;
  newer: string | null;
  looked: number | null;
  unknown: boolean;
  /** Nothing newer was left out. */
  first: boolean;
  /** Null where the list is filtered. */
  now: NowShown | null;
  nowMs: number;
  live: string;
};

const STATES = [
  ["", "Any"],
  ["live", "Not ended"],
  ["queued", "Queued"],
  ["running", "Running"],
  ["completed", "Done"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
] as const;
const KINDS = [
  ["", "Any"],
  ["chat", "Chat"],
  ["async", "Asynchronous"],
] as const;
const TIMES = [
  ["", "Any time"],
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
] as const;

export function JobsPage(props: PageProps): Markup {
  const { viewer, path, asked, models, now, nowMs, live } = props;
  const all = path === "/admin/jobs";
  return (
    <Shell viewer={viewer} title="Jobs" live={live} scripts={[JOBS_SCRIPT]}>
      <Head
        title="Jobs"
        note={all ? "Of everybody. What was asked and answered is for the accounts that asked." : undefined}
      >
        <LiveState />
        {all && (
          <a class="button" href="/admin/usage">
            Usage
          </a>
        )}
      </Head>
      <Filters list="jobs-list-card" action={path}>
        <Search label="Search" value={asked.q} placeholder={all ? "Job id, account or node" : "Job id or node"} />
        <Select name="state" label="State" value={asked.state} options={STATES} />
        <Select name="model" label="Model" value={asked.model} options={modelOptions(models, asked.model)} />
        <Select name="kind" label="Kind" value={asked.kind} options={KINDS} />
        <Select name="since" label="Started" value={asked.since} options={TIMES} />
        <Kept name="node" value={asked.node} />
        <Kept name="key" value={asked.key} />
        <Kept name="account" value={asked.account} />
      </Filters>
      {now ? <NowCard now={now} all={all} nowMs={nowMs} /> : <section id="now-card" hidden></section>}
      <JobsList {...props} all={all} />
    </Shell>
  );
}

const modelOptions = (models: readonly string[], asked: string): (readonly [string, string])[] => [
  ["", "Any"],
  ...[...new Set(asked === "" ? models : [asked, ...models])].map((model) => [model, model] as const),
];
/** Given by a link, and kept over other choices. */
const Kept = ({ name, value }: { name: string; value: string }): Markup | null =>
  value === "" ? null : <input type="hidden" name={name} value={value} />;

function JobsList(props: PageProps & { all: boolean }): Markup {
  const { path, asked, lines, older, newer, looked, all, nowMs, first } = props;
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== "")).toString();
  const href = (to: string) => (query === "" ? to : `${to}?${query}`);
  return (
    <Card
      id="jobs-list"
      title={titleOf(props)}
      aside={
        <>
          <News href={href(path)} />
          {query !== "" && (
            <a class="button plain" href={path}>
              All jobs
            </a>
          )}
          <a class="button" href={href(`${path}.csv`)} download="jobs.csv">
            Export CSV
          </a>
        </>
      }
      footer={
        <>
          <span>
            {looked === null ? (first ? "The newest first" : "Older ones") : `Looked through ${number(looked)} jobs`}
          </span>
          <Pager list="jobs-list-card" newer={newer} older={older} />
        </>
      }
    >
      {lines.length === 0 ? (
        <NoJobs {...props} isFiltered={query !== ""} />
      ) : (
        <Lines id="rows" name="Table of jobs" lines={lines} all={all} nowMs={nowMs} />
      )}
    </Card>
  );
}

const titleOf = ({ asked, now }: PageProps): string =>
  now !== null ? "Ended jobs" : Object.values(asked).some((value) => value !== "") ? "Jobs that fit" : "Jobs";

/** Appears where jobs ended since the page was loaded. */
const News = ({ href }: { href: string }): Markup => (
  <a
    class="button act"
    id="news"
    hidden
    href={href}
    hx-get={href}
    hx-target="#jobs-list-card"
    hx-select="#jobs-list-card"
    hx-swap="outerHTML"
    hx-indicator="#jobs-list-card"
  >
    New jobs
  </a>
);

function NoJobs({ isFiltered, looked, unknown, asked, path, older }: PageProps & { isFiltered: boolean }): Markup {
  if (unknown) {
    return (
      <Empty icon="jobs" title="Nothing is called that">
        No job, node or account is called <Name of={asked.q} />. A job is found by its id or how that begins.
      </Empty>
    );
  }
  if (isFiltered || older !== null) {
    return (
      <Empty icon="jobs" title={looked === null ? "No job fits" : "None of these fits"}>
        {looked === null ? "Choose less, or look at all jobs." : "Older ones may: go on with Older."}
      </Empty>
    );
  }
  return (
    <Empty
      icon="jobs"
      title="No job has ended yet"
      act={
        path === "/jobs" ? (
          <a class="button act" href="/playground">
            Open the playground
          </a>
        ) : undefined
      }
    >
      Every chat and asynchronous job is listed here: when it came, which node answered, how fast, and what it cost.
    </Empty>
  );
}

export function NowCard({ now, all, nowMs }: { now: NowShown; all: boolean; nowMs: number }): Markup {
  const { running, waiting, lines } = now;
  if (lines.length === 0) return <section id="now-card" hidden></section>;
  const more = running + waiting - lines.length;
  return (
    <Card
      id="now"
      title="Now"
      aside={
        <>
          <Status tone="live">{`${number(running)} running`}</Status>
          {waiting > 0 && <Status tone="wait">{`${number(waiting)} waiting`}</Status>}
        </>
      }
      {...(more > 0 ? { footer: <span>{`and ${number(more)} more`}</span> } : {})}
    >
      <Lines id="now-rows" name="Jobs that run or wait" lines={lines} all={all} nowMs={nowMs} />
    </Card>
  );
}

type LinesProps = { id: string; name: string; lines: readonly JobLine[]; all: boolean; nowMs: number };
const Lines = ({ id, name, lines, all, nowMs }: LinesProps): Markup => (
  <Table
    id={id}
    name={name}
    head={
      <>
        <Th>Job</Th>
        <Th n>Started</Th>
        <Th>Model</Th>
        <Th>State</Th>
        {all && <Th>Account</Th>}
        <Th>Node</Th>
        <Th n>Tries</Th>
        <Th n>First token</Th>
        <Th n>Tokens out</Th>
        <Th n>Tok/s</Th>
        <Th n>Cost</Th>
      </>
    }
  >
    {lines.map((line) => (
      <Line line={line} all={all} nowMs={nowMs} />
    ))}
  </Table>
);

const Line = ({ line, all, nowMs }: { line: JobLine; all: boolean; nowMs: number }): Markup => (
  <tr id={`job-${line.id}`}>
    <td>
      <JobLink id={line.id} />
    </td>
    <td class="n end">
      <Ago ms={line.createdMs} nowMs={nowMs} />
    </td>
    <td>
      <Name of={line.model} max={36} />
    </td>
    <td class="end">
      <JobState state={line.state} />
    </td>
    {all && (
      <td class="more">
        <a href={`/admin/jobs?account=${encodeURIComponent(line.accountId)}`}>
          <Name of={line.account ?? line.accountId} max={28} />
        </a>
      </td>
    )}
    <td>
      {line.node ? <NodeLink pubkey={line.node.pubkey} name={line.node.name} /> : <span class="note">no node yet</span>}
    </td>
    <td class="n more">{line.tries > 1 ? <Tag>{`${number(line.tries)} tries`}</Tag> : number(line.tries)}</td>
    <td class="n more">{line.firstTokenMs === null ? NONE : duration(line.firstTokenMs)}</td>
    <td class="n more">{line.tokensOut === null ? NONE : number(line.tokensOut)}</td>
    <td class="n more">{line.tokensPerS === null ? NONE : number(line.tokensPerS, line.tokensPerS < 10 ? 1 : 0)}</td>
    <td class="n end">{costOf(line)}</td>
  </tr>
);

const costOf = ({ charged, held }: JobLine): string =>
  charged !== null ? dollars(charged) : held !== null ? `held ${dollars(held)}` : NONE;
