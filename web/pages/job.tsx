// Job: one request from its beginning to its end: where the time went, what happened and why, what it cost, what was said.

import type { JobShown } from "../../src/dashboard/jobs/shown.ts";
import type { Step, Words } from "../../src/dashboard/jobs/story.ts";
import { Icon } from "../parts/icon.tsx";
import { Content, Money, Webhook, WhyNode } from "../parts/job-cards.tsx";
import { JOB_WORDS, NodeLink } from "../parts/job-state.tsx";
import { type Lane, Lanes } from "../parts/lanes.tsx";
import type { Markup } from "../parts/markup.ts";
import { modelHref } from "../parts/model-href.ts";
import { Body, Card, Csrf, Figure, Figures, Status } from "../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../parts/shell.tsx";
import { dollars, duration, Name, NONE, number, shortId, timed } from "../parts/text.tsx";

export type JobView = {
  job: JobShown;
  steps: readonly Step[];
  lanes: readonly Lane[];
  /** Why it went where it is, or was last. */
  reason: string | null;
  curl: string;
};
type PageProps = { viewer: Viewer; view: JobView; csrf: string };

export function JobPage({ viewer, view, csrf }: PageProps): Markup {
  const { job } = view;
  const admins = job.account !== null;
  return (
    <Shell
      viewer={viewer}
      title={`Job ${shortId(job.id)}`}
      {...(job.live ? { live: `/live/jobs/${job.id}`, ends: true } : {})}
    >
      <Head
        title={<span class="num">{shortId(job.id)}</span>}
        crumb={admins ? { href: "/admin/jobs", label: "Jobs" } : { href: "/jobs", label: "Jobs" }}
        note={<Note job={job} />}
      >
        {job.live && <LiveState />}
        <JobStatus job={job} />
        <button type="button" data-do="copy" data-text={view.curl}>
          Copy as curl
        </button>
        {job.mayCancel && <Cancel id={job.id} csrf={csrf} />}
      </Head>
      <JobFigures job={job} />
      <div class="cols">
        <div class="stack">
          <LanesCard view={view} />
          <Timeline steps={view.steps} />
          <Content job={job} />
        </div>
        <div class="stack">
          <WhyNode job={job} reason={view.reason} />
          <Money job={job} />
          <Webhook webhook={job.webhook} />
        </div>
      </div>
    </Shell>
  );
}

const Note = ({ job }: { job: JobShown }): Markup => (
  <>
    <a href={modelHref(job.model)}>
      <Name of={job.model} />
    </a>
    {`, ${KINDS[job.kind]}`}
    {job.account && (
      <>
        {", of "}
        <a href={`/admin/jobs?account=${encodeURIComponent(job.account.id)}`}>
          <Name of={job.account.name} />
        </a>
      </>
    )}
  </>
);
const KINDS = { chat: "chat", async: "asynchronous job" } as const;

/** What changes while the job lives: each part by its id. */
export const changing = (view: JobView): readonly (readonly [id: string, part: Markup])[] => [
  ["job-state", <JobStatus job={view.job} />],
  ["figures", <JobFigures job={view.job} />],
  ["lanes-card", <LanesCard view={view} />],
  ["timeline-card", <Timeline steps={view.steps} />],
  ["content-card", <Content job={view.job} />],
  ["why-card", <WhyNode job={view.job} reason={view.reason} />],
  ["money-card", <Money job={view.job} />],
  ["webhook-card", <Webhook webhook={view.job.webhook} />],
];

export function JobStatus({ job }: { job: JobShown }): Markup {
  const [tone, word] = JOB_WORDS[job.state];
  const tookMs = job.endedMs === null ? null : job.endedMs - job.createdMs;
  const after =
    tookMs === null ? "" : ` ${job.state === "completed" ? "in" : "after"} ${duration(Math.max(0, tookMs))}`;
  return (
    <Status tone={tone} id="job-state">
      {word + after}
    </Status>
  );
}

const Cancel = ({ id, csrf }: { id: string; csrf: string }): Markup => (
  <form
    id="cancel"
    method="post"
    action={`/jobs/${id}/cancel`}
    hx-post={`/jobs/${id}/cancel`}
    hx-swap="none"
    hx-confirm="Cancel this job?"
    data-what="Its node stops at once. What it has answered so far is charged as usual."
    data-act="Cancel job"
    data-keep="Let it run"
  >
    <Csrf token={csrf} />
    <button type="submit" class="danger">
      Cancel…
    </button>
  </form>
);

export function JobFigures({ job }: { job: JobShown }): Markup {
  const { createdMs, firstDeltaMs, endedMs, nowMs, outputTokens, promptTokens, attempts } = job;
  const waitMs = attempts[0] ? attempts[0].dispatched_ms - createdMs : (endedMs ?? nowMs) - createdMs;
  const writingMs = firstDeltaMs === null ? 0 : (endedMs ?? nowMs) - firstDeltaMs;
  const rate = outputTokens !== null && outputTokens > 1 && writingMs > 0 ? (outputTokens * 1000) / writingMs : null;
  return (
    <Figures id="figures">
      <Figure
        label="First token"
        {...timed(firstDeltaMs === null ? null : firstDeltaMs - createdMs)}
        note={`${duration(Math.max(0, waitMs))} in the queue`}
      />
      <Figure
        label="Output"
        value={outputTokens === null ? NONE : number(outputTokens)}
        {...(outputTokens === null ? {} : { unit: outputTokens === 1 ? "token" : "tokens" })}
        note={rate !== null && `${number(rate, rate < 10 ? 1 : 0)} tok/s`}
      />
      <Figure
        label="Prompt"
        value={promptTokens === null ? NONE : number(promptTokens)}
        {...(promptTokens === null ? {} : { unit: promptTokens === 1 ? "token" : "tokens" })}
        note={promptTokens === null && job.live ? "counted at the end" : undefined}
      />
      <Figure label="Tries" value={number(attempts.length)} note={triesNote(attempts)} />
      <Figure {...costFigure(job)} />
    </Figures>
  );
}

function triesNote(attempts: JobShown["attempts"]): string {
  const continued = attempts.filter(({ took_over }) => took_over !== null).length;
  const failed = attempts.filter(
    ({ outcome }) => outcome !== null && outcome !== "completed" && outcome !== "cancelled",
  ).length;
  const told = [failed > 0 ? `${failed} failed` : "", continued > 0 ? `${continued} continued` : ""].filter(Boolean);
  return told.length > 0 ? told.join(", ") : attempts.length === 0 ? "none yet" : "";
}

function costFigure({ billing, charged, held, live }: JobShown): { label: string; value: string; note: string } {
  if (charged !== null) return { label: "Cost", value: dollars(charged), note: "charged" };
  if (held !== null) return { label: "Cost", value: NONE, note: `${dollars(held)} held` };
  return { label: "Cost", value: NONE, note: billing && live ? "charged at the end" : "nothing is charged" };
}

function LanesCard({ view: { lanes, job } }: { view: JobView }): Markup {
  const totalMs = Math.max(1, ...lanes.map(({ to }) => to));
  const says = lanes.map((lane) => lane.says).join(", ");
  return (
    <Card id="lanes" title="Where the time went" aside={<span class="note">Pale: before the first token</span>}>
      <Body>
        {lanes.length === 0 ? (
          <p class="note">{NONE}</p>
        ) : (
          <Lanes lanes={lanes} totalMs={totalMs} says={says || job.id} />
        )}
      </Body>
    </Card>
  );
}

const Timeline = ({ steps }: { steps: readonly Step[] }): Markup => (
  <Card id="timeline" title="Timeline">
    <Body>
      <ol class="timeline">
        {steps.map(({ ms, tone, icon, title, words, code }, i) => (
          <li class={tone} id={`step-${i}`}>
            <time datetime={`PT${(ms / 1_000).toFixed(3)}S`}>{duration(ms)}</time>
            <Icon name={icon} />
            <div>
              <h3>
                <Told words={title} />
              </h3>
              <p>
                <Told words={words} />
                {code !== undefined && (
                  <>
                    {" "}
                    <code>{code}</code>
                  </>
                )}
              </p>
            </div>
          </li>
        ))}
      </ol>
    </Body>
  </Card>
);

/** Of what a backend complained. */
const MAX_QUOTE = 300;
const Told = ({ words }: { words: Words }): Markup => (
  <>
    {words.map((word) =>
      typeof word === "string" ? (
        word
      ) : "node" in word ? (
        <NodeLink pubkey={word.node} name={word.name} />
      ) : (
        <Name of={word.quote} max={MAX_QUOTE} />
      ),
    )}
  </>
);
