// Timeouts: what happens to jobs when nothing happens. One look at all live jobs a few times a second, instead of
// timers set and cleared for every request.

import { attemptFailed, runLost } from "./attempts.ts";
import type { Board } from "./board.ts";
import type { Job, JobError } from "./job.ts";
import { endStopping, finish } from "./settle.ts";

export const TICK_MS = 250;
/** A node that was told to stop and says nothing is taken to have stopped. */
const STOPPING_MS = 10_000;

const error = (code: JobError["code"], message: string): JobError => ({ code, message });

export function tick(board: Board): void {
  const nowMs = board.clock.nowMs();
  for (const job of [...board.live.values()]) look(board, job, nowMs);
  for (const [attempt, { sinceMs }] of [...board.stopping]) {
    if (nowMs - sinceMs > STOPPING_MS) endStopping(board, attempt);
  }
}

function look(board: Board, job: Job, nowMs: number): void {
  if (job.state === "queued") return lookAtQueued(board, job, nowMs);
  const { run } = job;
  const { limits } = board;
  if (!run || run.settling) return;
  if (run.returnByMs !== null) {
    if (nowMs >= run.returnByMs) runLost(board, job);
    return;
  }
  const silentMs = nowMs - run.lastProgressMs;
  if (run.blocked > 0) {
    if (nowMs - run.blockedSinceMs > limits.stalledReaderTimeoutMs) {
      finish(board, job, "cancelled", error("reader_stalled", "the client read nothing for too long"));
    }
  } else if (job.state === "running") {
    if (silentMs > limits.betweenTokensTimeoutMs) timedOut(board, job, "stream_timeout", "the node stopped sending");
  } else if (!run.accepted && silentMs > limits.connectTimeoutMs) {
    timedOut(board, job, "node_lost", "the node gave no sign of having the job");
  } else if (silentMs > limits.firstTokenTimeoutMs) {
    timedOut(board, job, "first_token_timeout", "no node began to answer in time");
  }
}

function timedOut(board: Board, job: Job, code: JobError["code"], message: string): void {
  const node = job.run?.offer?.node;
  if (node) board.registry.blame(node);
  attemptFailed(board, job, "timed_out", error(code, message));
}

function lookAtQueued(board: Board, job: Job, nowMs: number): void {
  if (nowMs - job.queuedMs > board.limits.queueTimeoutMs) {
    finish(board, job, "expired", error("queue_timeout", "no node was free in time; try again later"));
    return;
  }
  const served = board.registry.lastServedMs(job.model);
  // Asynchronous jobs wait out an absence for as long as the queue lets them.
  if (job.kind === "chat" && (served === undefined || nowMs - served > board.limits.resumeGraceMs)) {
    finish(board, job, "failed", error("no_nodes_online", `all nodes that serve ${job.model} are offline`));
  }
}
