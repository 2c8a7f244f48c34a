// History: what a node earned, the jobs it had, and what it was asked to do.
import type { NodeInner, NodeJob, NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import { Act } from "../../parts/act.tsx";
import { Bars } from "../../parts/bars.tsx";
import { CommandRows } from "../../parts/command-rows.tsx";
import { JobLink, JobState } from "../../parts/job-state.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Empty, Table, Th } from "../../parts/parts.tsx";
import { Ago, dollars, duration, Name, NONE, number, shortDay, shortId } from "../../parts/text.tsx";

const DAYS = 14;
const DAY_MS = 86_400_000;

export function EarningsCard({ inner }: { inner: NodeInner }): Markup {
  const days = inner.days.slice(-DAYS);
  const all = days.reduce((sum, { earned }) => sum + earned, 0);
  return (
    <Card
      id="earnings-h"
      title={`Earnings, ${DAYS} days`}
      aside={<span class="num">{dollars(all)}</span>}
      footer={
        <>
          <span>After the fee, by receipts</span>
          <a href={`/my/receipts?node=${inner.row.pubkey}`}>Receipts</a>
        </>
      }
    >
      {all === 0 ? (
        <Empty icon="coin" title="Nothing earned yet">
          Each job that is paid for shows here, on its day.
        </Empty>
      ) : (
        <Body>
          <Bars
            says={`Earnings a day over ${DAYS} days, ${dollars(all)} in all`}
            bars={days.map(({ day, earned }) => ({
              label: shortDay(day * DAY_MS),
              value: earned,
            }))}
            format={(value) => dollars(Math.round(value))}
          />
        </Body>
      )}
    </Card>
  );
}

export const JobsCard = ({ node, inner }: { node: NodeShown; inner: NodeInner }): Markup => (
  <Card
    id="jobs-h"
    title="Jobs"
    aside={
      node.right === "admin" && (
        <a class="button" href={`/admin/jobs?node=${node.pubkey}`}>
          All its jobs
        </a>
      )
    }
  >
    <div id="node-jobs">
      {inner.jobs.length === 0 ? (
        <Empty icon="jobs" title="No jobs yet">
          Those it has, or had last, show here.
        </Empty>
      ) : (
        <Table
          name="Newest jobs of this node"
          head={
            <>
              <Th>Job</Th>
              <Th>State</Th>
              <Th>Model</Th>
              <Th n>Tokens in / out</Th>
              <Th n>Took</Th>
              <Th n>Came</Th>
            </>
          }
        >
          {inner.jobs.map((job) => (
            <JobLine job={job} nowMs={node.nowMs} />
          ))}
        </Table>
      )}
    </div>
  </Card>
);

const JobLine = ({ job, nowMs }: { job: NodeJob; nowMs: number }): Markup => (
  <tr>
    <td>{job.mine ? <JobLink id={job.id} /> : <span class="key">{shortId(job.id)}</span>}</td>
    <td class="end">
      <JobState state={job.state} />
    </td>
    <td class="whole">
      <Name of={job.model} max={40} />
    </td>
    <td class="n" data-label="tokens">
      {job.completionTokens === null
        ? NONE
        : `${job.promptTokens === null ? NONE : number(job.promptTokens)} / ${number(job.completionTokens)}`}
    </td>
    <td class="n more">{job.tookMs === null ? NONE : duration(job.tookMs)}</td>
    <td class="n end">
      <Ago ms={job.createdMs} nowMs={nowMs} />
    </td>
  </tr>
);

type HistoryProps = { node: NodeShown; inner: NodeInner; acts: boolean; csrf: string | null };
const SHOWN = 8;

export const HistoryCard = ({ node, inner, acts, csrf }: HistoryProps): Markup => (
  <Card
    id="commands-h"
    title="Commands"
    aside={
      node.right === "admin" && (
        <a class="button" href={`/admin/nodes/commands?node=${node.pubkey}`}>
          All its commands
        </a>
      )
    }
  >
    <div id="node-commands">
      {inner.commands.length === 0 ? (
        <Empty icon="log" title="Nothing was asked of it">
          Installs, drains and restarts show here, with how each ended. The node has the last word on each.
        </Empty>
      ) : (
        <CommandRows
          name="Newest commands of this node"
          rows={inner.commands.slice(0, SHOWN)}
          nowMs={node.nowMs}
          act={(row) =>
            acts &&
            row.ended_ms === null && (
              <Act
                to={`/nodes/${node.pubkey}/commands/${row.id}/cancel`}
                csrf={csrf}
                look="plain"
                label={`Cancel command ${shortId(row.id)}`}
                id={`c-${row.id}`}
              >
                Cancel
              </Act>
            )
          }
        />
      )}
    </div>
  </Card>
);
