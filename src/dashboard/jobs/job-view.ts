// Job view: what a job's page is made of, out of what is known of the job.
import type { JobView } from "../../../web/pages/job.tsx";
import { curlCall } from "../../../web/parts/call.ts";
import type { Lane } from "../../../web/parts/lanes.tsx";
import { duration, plainName } from "../../../web/parts/text.tsx";
import type { AttemptRecord } from "../../jobs/job.ts";
import type { JobShown } from "./shown.ts";
import { reason, story } from "./story.ts";

export function viewOfJob(job: JobShown): JobView {
  const last = job.attempts.at(-1);
  return { job, steps: story(job), lanes: lanesOf(job), reason: last ? reason(last) : null, curl: curlOf(job) };
}

/** A lane shorter than this is none to look at. */
const WAIT_MS = 20;

export function lanesOf({ attempts, createdMs, endedMs, nowMs }: JobShown): Lane[] {
  const endMs = endedMs ?? nowMs;
  const since = (ms: number) => Math.max(0, ms - createdMs);
  const queuedMs = since(attempts[0]?.dispatched_ms ?? endMs);
  const lanes: Lane[] = attempts.map((attempt) => laneOf(attempt, endMs, since));
  if (queuedMs < WAIT_MS && lanes.length > 0) return lanes;
  const says = `queued for ${duration(queuedMs)}`;
  return [{ label: "Queue", from: 0, begun: null, to: queuedMs, tone: "wait", broken: false, says }, ...lanes];
}

function laneOf(attempt: AttemptRecord, endMs: number, since: (ms: number) => number): Lane {
  const { n, node_name, dispatched_ms, first_delta_ms, ended_ms, outcome } = attempt;
  const broken = outcome !== null && outcome !== "completed" && outcome !== "cancelled";
  const from = since(dispatched_ms);
  const to = since(ended_ms ?? endMs);
  const begun = first_delta_ms === null ? null : since(first_delta_ms);
  const until = ended_ms === null ? "until now" : `to ${duration(to)}`;
  const says = `try ${n} on ${plainName(node_name, 24)} from ${duration(from)} ${until}${broken ? `, ${outcome}` : ""}`;
  return { label: node_name, from, begun, to, tone: broken && begun === null ? "bad" : "live", broken, says };
}

/** Longer requests are no good to paste. */
const MAX_PASTED = 8_000;

/** The same call again where its request is kept and to be seen; else the one that shows the job. */
function curlOf({ content, id, publicUrl }: JobShown): string {
  if (content.kind === "kept" && content.request.length <= MAX_PASTED) {
    const body: unknown = JSON.parse(content.request);
    if (typeof body === "object" && body !== null) return curlCall(publicUrl, "/api/v1/jobs", body);
  }
  return curlCall(publicUrl, `/api/v1/jobs/${id}`, null);
}
