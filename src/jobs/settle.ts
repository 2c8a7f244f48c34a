// Settle: how a job reaches its end state, once. Asynchronous jobs, and all that is charged for, end in the database
// first and are told after.

import type { Board } from "./board.ts";
import type { AttemptRecord, Job, JobError } from "./job.ts";
import { noteDelivery, type Share, sharesOf, usageOf } from "./metering.ts";
import { isEnd, type JobState, moveTo } from "./states.ts";

/** How a job ends, and what of its answer is whose. */
export type JobEnd = { state: EndState; shares: readonly Share[] };
export type EndState = Extract<JobState, "completed" | "failed" | "cancelled" | "expired">;

/** Lets go of the attempt under way, if any, and of its slot. The node is told to stop where it may still be at it. */
export function endRun(
  board: Board,
  job: Job,
  outcome: NonNullable<AttemptRecord["outcome"]>,
  error: JobError | null,
): void {
  const run = job.run;
  if (!run) return;
  const nowMs = board.clock.nowMs();
  run.record.ended_ms = nowMs;
  run.record.outcome = outcome;
  run.record.error = error;
  board.runs.delete(run.id);
  job.run = null;
  noteDelivery(job, run);
  const node = run.offer?.node;
  if (!node) return;
  if (node.channel && (outcome === "cancelled" || outcome === "timed_out")) {
    node.channel.send(`{"type":"cancel","attempt":"${run.id}"}`);
    board.stopping.set(run.id, { node, sinceMs: nowMs });
    return;
  }
  node.running = Math.max(0, node.running - 1);
  board.freed(node);
}

/** The node has stopped what was cancelled, or never will say so. */
export function endStopping(board: Board, attempt: string): boolean {
  const stopping = board.stopping.get(attempt);
  if (!stopping) return false;
  board.stopping.delete(attempt);
  stopping.node.running = Math.max(0, stopping.node.running - 1);
  board.freed(stopping.node);
  return true;
}

/** Ends the job. A second call for the same job does nothing. */
export function finish(board: Board, job: Job, state: EndState, error: JobError | null, then?: () => void): void {
  if (isEnd(job.state) || board.live.get(job.id) !== job) return;
  if (!job.run) board.queues.get(job.model)?.remove(job);
  endRun(board, job, state === "completed" ? "completed" : state === "failed" ? "failed" : "cancelled", error);
  board.live.delete(job.id);
  job.error = error;
  job.endedMs = board.clock.nowMs();
  // What nobody was shown is nobody's to pay for, unless they left before it was there; nor to be read then.
  const counts = state === "completed" || state === "cancelled" || !job.output.canRestart();
  if (!counts && job.held !== null) job.output.restart();
  const shares = counts ? sharesOf(job) : [];
  if (shares.length > 0) job.usage = usageOf(shares);
  const tell = () => {
    moveTo(job, state);
    job.onStarted?.();
    job.onOver?.();
    job.output.end(job);
    board.ended(job);
    then?.();
  };
  if (job.kind === "chat" && job.held === null) {
    tell();
    board.records.touch(job);
    return;
  }
  board.ending.add(job);
  storeEnd(board, job, { state, shares }, () => {
    board.ending.delete(job);
    tell();
  });
}

/** Waits between tries to store an end: full disks are mended by people. */
const STORE_RETRY_MS = 1_000;

function storeEnd(board: Board, job: Job, end: JobEnd, tell: () => void): void {
  board.records.end(job, end).then(tell, (error: unknown) => {
    board.log.error("a job's end could not be stored; trying again", { job: job.id, err: error });
    board.clock.after(STORE_RETRY_MS, () => storeEnd(board, job, end, tell));
  });
}
