// Timeouts: what happens to jobs when nothing happens. One look at all live jobs a few times a second, instead of
// timers set and cleared for every request.

import { mayUse } from "../scheduler/wishes.ts";
import { attemptFailed, runLost } from "./attempts.ts";
import type { Board } from "./board.ts";
import { canBeTakenOver, giveUp, isOutOfWays, offersFor } from "./dispatch.ts";
import type { Job, JobError } from "./job.ts";
import { mayServe, refusal } from "./refusals.ts";
import { endStopping, finish } from "./settle.ts";

export const TICK_MS = 250;
/** Time that no tick saw, or that passed backwards, is more than a busy moment: this process stood still, or the clock was set. */
const JUMP_MS = 2_000;
/** A node that was told to stop and says nothing is taken to have stopped. */
const STOPPING_MS = 10_000;

/** A node whose link broke is given so long even where another could go on with its work. */
const RETURN_MS = 1_000;

const error = (code: JobError["code"], message: string): JobError => ({ code, message });

export function tick(board: Board): void {
  const nowMs = board.clock.nowMs();
  const unseenMs = nowMs - board.tickedMs - TICK_MS;
  board.tickedMs = nowMs;
  if (Math.abs(unseenMs) > JUMP_MS) leaveOut(board, unseenMs);
  for (const job of [...board.live.values()]) look(board, job, nowMs);
  for (const [attempt, { sinceMs }] of [...board.stopping]) {
    if (nowMs - sinceMs > STOPPING_MS) endStopping(board, attempt);
  }
}

/** Nobody waited during this time: what nodes said in it has yet to be read. */
function leaveOut(board: Board, ms: number): void {
  board.leaseFromMs += ms;
  for (const stopping of board.stopping.values()) stopping.sinceMs += ms;
  for (const job of board.live.values()) {
    job.queuedMs += ms;
    job.againMs += ms;
    if (job.unservedMs !== null) job.unservedMs += ms;
    const { run } = job;
    if (!run) continue;
    run.dispatchedMs += ms;
    run.lastProgressMs += ms;
    run.blockedSinceMs += ms;
    if (run.returnByMs !== null) run.returnByMs += ms;
  }
}

function look(board: Board, job: Job, nowMs: number): void {
  const { run } = job;
  const { limits } = board;
  if (!run) return lookAtQueued(board, job, nowMs);
  if (run.settling) return;
  if (run.returnByMs !== null) {
    // It is waited for while nobody else could go on, and always for a moment: most broken links are back at once.
    const isTime = nowMs >= run.returnByMs - limits.resumeGraceMs + RETURN_MS;
    const isOver = nowMs >= run.returnByMs || (isTime && job.state === "running" && canBeTakenOver(board, job));
    if (isOver) runLost(board, job);
    return;
  }
  const silentMs = nowMs - run.lastProgressMs;
  if (run.blocked > 0) {
    if (nowMs - run.blockedSinceMs > limits.stalledReaderTimeoutMs) {
      finish(board, job, "cancelled", error("reader_stalled", "the client read nothing for too long"));
    }
  } else if (run.record.first_delta_ms !== null) {
    if (silentMs > limits.betweenTokensTimeoutMs) timedOut(board, job, "stream_timeout", "the node stopped sending");
  } else if (!run.accepted && silentMs > limits.connectTimeoutMs) {
    timedOut(board, job, "node_lost", "the node gave no sign of having the job");
  } else if (silentMs > limits.firstTokenTimeoutMs) {
    timedOut(board, job, "first_token_timeout", "no node began to answer in time");
  }
}

function timedOut(board: Board, job: Job, code: JobError["code"], message: string): void {
  const offer = job.run?.offer;
  // Where it gave no sign at all it is the node; where it has the job, it is the model.
  if (offer && code === "node_lost") board.registry.blame(offer.node);
  else if (offer) board.registry.fault(offer);
  attemptFailed(board, job, "timed_out", error(code, message));
}

/** Somebody who could go on with the answer is there, or was a moment ago. */
const isWorthWaiting = (board: Board, job: Job, nowMs: number): boolean =>
  nowMs - job.queuedMs <= board.limits.resumeGraceMs || canBeTakenOver(board, job);

function lookAtQueued(board: Board, job: Job, nowMs: number): void {
  if (job.state === "running") {
    const canWait = nowMs - job.queuedMs <= board.limits.queueTimeoutMs && isWorthWaiting(board, job, nowMs);
    if (!canWait)
      finish(board, job, "failed", error("node_lost", "no node was there in time to go on with the answer"));
    return;
  }
  if (nowMs - job.queuedMs > board.limits.queueTimeoutMs) {
    finish(board, job, "expired", error("queue_timeout", "no node was free in time; try again later"));
    return;
  }
  const mayBeUsed = (pool: string) => mayUse(job.wishes, pool);
  const served = isOutOfWays(board, job) ? undefined : board.registry.lastServedMs(job.model, mayBeUsed);
  // Asynchronous jobs wait out an absence for as long as the queue lets them.
  if (job.kind !== "chat") return;
  if (served === undefined || nowMs - served > board.limits.resumeGraceMs)
    return giveUp(board, job, error("no_nodes_online", `all nodes that serve ${job.model} are offline`));
  if (job.demands.length > 0) lookForWished(board, job, nowMs);
}

/** The nodes that a job's wishes leave it may go while it waits, though others serve the model still. */
function lookForWished(board: Board, job: Job, nowMs: number): void {
  if (offersFor(board, job).some((offer) => mayServe(job, offer))) {
    job.unservedMs = null;
    return;
  }
  job.unservedMs ??= nowMs;
  if (nowMs - job.unservedMs <= board.limits.resumeGraceMs) return;
  const gone = error("no_nodes_online", "the nodes that this request may go to are offline");
  giveUp(board, job, refusal(board, job, job.model) ?? gone);
}
