// Dispatch: from the queue to a node.
import { attemptId } from "../protocol/primitives.ts";
import type { Node, Offer } from "../registry/registry.ts";
import { type Choice, choose } from "../scheduler/choose.ts";
import { type Board, queueOf } from "./board.ts";
import type { AttemptRecord, Job, JobError } from "./job.ts";
import { endRun, finish } from "./settle.ts";
import { moveTo } from "./states.ts";

/** Gives out what waits for `model` for as long as a node can take something. */
export function pump(board: Board, model: string): void {
  const queue = board.queues.get(model);
  while (queue && queue.length > 0 && hasRoom(board, model)) {
    let found: Choice<Offer> | undefined;
    let foundFor: Job | undefined;
    const job = queue.take((candidate) => {
      const choice = pick(board, candidate);
      if (choice && !found) {
        found = choice;
        foundFor = candidate;
      }
      return choice !== undefined;
    });
    if (!job) break;
    const choice = foundFor === job ? found : pick(board, job);
    if (choice) dispatch(board, job, choice);
    else queue.putBack(job);
  }
  if (queue?.length === 0) board.queues.delete(model);
}

/** Without it, nobody in the queue needs to be asked. */
const hasRoom = (board: Board, model: string): boolean =>
  board.registry.offersOf(model).some(({ node }) => node.accepting && node.running < node.slots);

/** Room appeared on a node: the model whose longest-waiting job is oldest goes first. */
export function pumpNode(board: Board, node: Node): void {
  if (board.queues.size === 0) return;
  const waiting = node.offers
    .map((offer) => ({ model: offer.model, queue: board.queues.get(offer.model) }))
    .filter((entry) => entry.queue && entry.queue.length > 0)
    .map(({ model, queue }) => ({ model, sinceMs: Math.min(...(queue?.all() ?? []).map((job) => job.queuedMs)) }))
    .sort((a, b) => a.sinceMs - b.sinceMs);
  for (const { model } of waiting) pump(board, model);
}

/** The node the job would go to now. */
export function pick(board: Board, job: Job): Choice<Offer> | undefined {
  if (job.kind === "async" && board.clock.nowMs() < board.leaseFromMs) return undefined;
  return choose(
    board.registry.offersOf(job.model),
    { strategy: job.strategy, minContext: job.minContext, tried: job.attempts.map((attempt) => attempt.node) },
    board.clock.nowMs(),
    board.random,
  );
}

/** Starts the next attempt. The job is in no queue any more. */
export function dispatch(board: Board, job: Job, { candidate: offer, why }: Choice<Offer>): void {
  const nowMs = board.clock.nowMs();
  job.attempt++;
  const record: AttemptRecord = {
    n: job.attempt,
    node: offer.node.pubkey,
    node_name: offer.node.name,
    why,
    dispatched_ms: nowMs,
    first_delta_ms: null,
    ended_ms: null,
    outcome: null,
    error: null,
  };
  job.attempts.push(record);
  moveTo(job, "dispatched");
  job.dispatchedMs ??= nowMs;
  job.relayedBytes = 0;
  job.run = {
    id: attemptId(job.id, job.attempt),
    record,
    pubkey: offer.node.pubkey,
    offer,
    offset: 0,
    accepted: false,
    dispatchedMs: nowMs,
    lastProgressMs: nowMs,
    owed: 0,
    taken: 0,
    blocked: 0,
    blockedSinceMs: 0,
    returnByMs: null,
    settling: false,
  };
  board.runs.set(job.run.id, job);
  offer.node.running++;
  if (job.kind === "chat") {
    board.records.touch(job);
    send(job, offer);
    return;
  }
  void lease(board, job, offer);
}

/** An asynchronous job is claimed in the database before a node hears of it, so that only one coordinator gives it out. */
async function lease(board: Board, job: Job, offer: Offer): Promise<void> {
  const run = job.run;
  try {
    const leased = await board.records.lease(job);
    if (job.run !== run) return;
    if (leased) send(job, offer);
    else forget(board, job);
  } catch (error) {
    board.log.error("a job could not be leased; it waits", { job: job.id, err: error });
    if (job.run === run) waitForStorage(board, job);
  }
}

/** Wait before asynchronous jobs are given out again after a lease could not be stored. */
const LEASE_RETRY_MS = 1_000;

/** The node has not heard of the job: this counts as no attempt, only its number is used up. */
function waitForStorage(board: Board, job: Job): void {
  board.leaseFromMs = board.clock.nowMs() + LEASE_RETRY_MS;
  endRun(board, job, "refused", null);
  job.attempts.pop();
  moveTo(job, "queued");
  queueOf(board, job.model).putBack(job);
  board.clock.after(LEASE_RETRY_MS, () => pump(board, job.model));
}

/** Another coordinator has it. */
function forget(board: Board, job: Job): void {
  endRun(board, job, "cancelled", null);
  board.live.delete(job.id);
  job.onOver?.();
}

function send(job: Job, offer: Offer): void {
  if (!job.run) return;
  const fits = offer.contextLength === null || offer.contextLength >= job.maxTokens + job.bodyJson.length;
  const limit = job.defaultMaxTokens && fits ? `,"max_tokens":${job.maxTokens}` : "";
  offer.node.channel?.send(
    `{"type":"dispatch","attempt":"${job.run.id}","model":${JSON.stringify(offer.info.name)}${limit},"body":${job.bodyJson}}`,
  );
}

/**
 * The attempt came to nothing and none of its output counts: the job goes back to the head of its account's lane, or
 * fails with `error` when it had all its attempts.
 */
export function retry(
  board: Board,
  job: Job,
  outcome: "failed" | "refused" | "lost" | "timed_out",
  error: JobError,
): void {
  endRun(board, job, outcome, error);
  if (job.attempts.length >= board.limits.maxAttempts) return finish(board, job, "failed", error);
  if (job.state === "running") job.output.restart();
  moveTo(job, "queued");
  const choice = pick(board, job);
  if (choice) return dispatch(board, job, choice);
  // The queue's time-out is for waiting, not for what came before.
  job.queuedMs = board.clock.nowMs();
  queueOf(board, job.model).putBack(job);
  board.records.touch(job);
}
