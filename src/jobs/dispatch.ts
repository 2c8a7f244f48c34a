// Dispatch: from the queue to a node.
import type { Price } from "../ledger/holds.ts";
import { priceAt } from "../registry/offers.ts";
import type { Node, Offer } from "../registry/registry.ts";
import { type Affinity, type Choice, choose } from "../scheduler/choose.ts";
import { type Board, queueOf } from "./board.ts";
import { cut, isNothing, nothingShown, seam, type TakeOver, waysToTakeOver } from "./continuation.ts";
import { type Held, type Job, type JobError, newRun, type Run } from "./job.ts";
import { mayServe, refusal } from "./refusals.ts";
import { endRun, finish } from "./settle.ts";
import { moveTo } from "./states.ts";

/** Gives out what waits for `model` for as long as a node can take something. */
export function pump(board: Board, model: string): void {
  const queue = board.queues.get(model);
  while (queue && queue.length > 0 && hasRoom(board, model)) {
    const choices = new Map<Job, Choice<Offer>>();
    const fits = (job: Job): boolean => {
      const choice = pick(board, job);
      if (choice) choices.set(job, choice);
      return choice !== undefined;
    };
    const returns = (job: Job): boolean => (choices.get(job)?.why.affinity ?? "passed_over") !== "passed_over";
    const nowMs = board.clock.nowMs();
    const job = queue.take(
      fits,
      (later, first) => nowMs - first.queuedMs < OVERTAKE_MS && !returns(first) && hasHome(board, later, nowMs),
    );
    if (!job) break;
    const choice = choices.get(job);
    if (choice) dispatch(board, job, choice);
    else queue.putBack(job);
  }
  if (queue?.length === 0) board.queues.delete(model);
}

/**
 * With all slots taken, the next to be free is rarely the one that knows the account's next job. So one behind it that it
 * knows may overtake it, until that has waited so long: else a full network forgets what is in its caches, which makes it
 * fuller still.
 */
const OVERTAKE_MS = 5_000;

/** A node that knows the conversation has room. */
const hasHome = (board: Board, job: Job, nowMs: number): boolean =>
  affinityOf(board, job, nowMs)?.candidates.some(({ node }) => node.accepting && node.running < node.slots) === true;

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
  const nowMs = board.clock.nowMs();
  if (job.kind === "async" && nowMs < board.leaseFromMs) return undefined;
  const all = offersFor(board, job);
  const offers = nowMs < job.againMs ? all.filter(({ node }) => !hasFailedAt(job, node)) : all;
  if (job.ways === null) return pickAmong(board, job, offers);
  const continuing = job.ways.includes("continue")
    ? pickAmong(
        board,
        job,
        offers.filter((offer) => continuesAt(job, offer)),
      )
    : undefined;
  return continuing ?? (job.ways.includes("replay") ? pickAmong(board, job, offers) : undefined);
}

/** A node that was lost and is back is as good as new. */
const hasFailedAt = ({ attempts, before }: Job, { pubkey }: Node): boolean =>
  attempts.slice(before).some(({ node, outcome }) => node === pubkey && outcome !== "lost");

/**
 * Who may serve the job. What came from another coordinator is passed on once at most: were each on the way to try
 * several, one request that fails at its far end would become very many.
 */
export function offersFor({ registry }: Board, { model, trail, attempts, held }: Job): readonly Offer[] {
  const near = registry.offersFor(model, trail);
  const offers = held === null ? near : near.filter((offer) => isWithin(held, offer));
  if (trail === undefined || attempts.every(({ through }) => through === undefined)) return offers;
  return offers.filter(({ path }) => path.length === 0);
}

/** A node is held to what it asked for when the job was taken on; one that came later asks for what it asks. */
const priceFor = ({ atMs }: Held, offer: Offer): Price =>
  priceAt(offer, atMs) ?? { input: offer.priceInput, output: offer.priceOutput };

/** Not dearer than what the job holds for. */
function isWithin(held: Held, offer: Offer): boolean {
  const { input, output } = priceFor(held, offer);
  return input <= held.price.input && output <= held.price.output;
}

function pickAmong(board: Board, job: Job, offers: readonly Offer[]): Choice<Offer> | undefined {
  const nowMs = board.clock.nowMs();
  const { task, wishes, demands, minContext, wantContext } = job;
  const tried = job.attempts.slice(job.before).map((attempt) => attempt.node);
  const ask = { task, wishes, demands, minContext, wantContext, tried, affinity: affinityOf(board, job, nowMs) };
  return choose(offers, ask, nowMs, board.random);
}

/** Where the conversation was served. What a node held before it ceased to offer the model is gone from its cache. */
function affinityOf({ affinity, registry }: Board, job: Job, nowMs: number): Affinity<Offer> | null {
  if (job.affinity === null) return null;
  const known = affinity.find(job.affinity, job.model, nowMs, (pubkey, atMs) =>
    registry.nodes.get(pubkey)?.offers.find((offer) => offer.model === job.model && offer.sinceMs <= atMs),
  );
  return known && { by: known.by, candidates: known.found };
}

/** A completion is continued by a longer prompt, wherever it is. */
const continuesAt = (job: Job, offer: Offer): boolean => offer.continues || job.task === "completion";

/** Starts the next attempt. The job is in no queue any more. */
export function dispatch(board: Board, job: Job, { candidate: offer, why }: Choice<Offer>): void {
  const nowMs = board.clock.nowMs();
  job.attempt++;
  const run = newRun(job, offer, why, nowMs);
  job.attempts.push(run.record);
  job.run = run;
  if (job.state !== "running") moveTo(job, "dispatched");
  job.dispatchedMs ??= nowMs;
  job.carried = 0;
  if (job.held) bill(board, job, run, offer);
  if (job.ways && job.shown) {
    const how: TakeOver = job.ways.includes("continue") && continuesAt(job, offer) ? "continue" : "replay";
    run.record.took_over = how;
    run.seam = seam(how, job.shown);
    if (how === "continue") {
      job.carried = run.carried = job.shown.pieces;
      run.record.resumable = false;
    }
  }
  board.runs.set(run.id, job);
  offer.node.running++;
  board.registry.tried(offer);
  if (job.affinity !== null) board.affinity.note(job.affinity, job.model, offer.node.pubkey, nowMs);
  if (job.kind === "chat") {
    board.records.touch(job);
    send(job, offer);
    return;
  }
  void lease(board, job, offer);
}

/** What its tokens are charged at, and what its receipt is made of. */
function bill({ till }: Board, { id, held }: Job, run: Run, offer: Offer): void {
  if (!till || !held) return;
  run.price = priceFor(held, offer);
  run.record.price = run.price;
  run.hasher = till.hasherOf(id);
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
  if (job.state !== "running") moveTo(job, "queued");
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
  const { run } = job;
  if (!run) return;
  const answered = run.record.took_over === "continue" && job.shown ? cut(job.shown.text).answered : "";
  offer.node.channel?.send(
    `{"type":"dispatch","attempt":"${run.id}","model":${JSON.stringify(offer.info.name)}${task(job)}${limit(job, offer)}${trailOf(job, offer)}${
      answered === "" ? "" : `,"answered":${JSON.stringify(answered)}`
    },"body":${job.bodyJson}}`,
  );
}

const task = (job: Job): string => (job.task === "chat" ? "" : `,"task":"${job.task}"`);

/** Where it came from, for a node that passes it on. */
const trailOf = ({ trail }: Job, { path }: Offer): string =>
  trail === undefined || path.length === 0 ? "" : `,"hops":${trail.hops},"via":${JSON.stringify(trail.via)}`;

/** The bound that the request's own text does not tell the node. */
function limit({ defaultMaxTokens, maxTokens, carried, bodyJson }: Job, { contextLength }: Offer): string {
  const fits = contextLength === null || contextLength >= maxTokens + bodyJson.length;
  return (defaultMaxTokens && fits) || carried > 0 ? `,"max_tokens":${Math.max(1, maxTokens - carried)}` : "";
}

/**
 * The attempt came to nothing and none of its output counts: the job goes back to the head of its account's lane, or
 * fails with `error` when it had all its attempts, or `isOver` says that no more of this model can help. A model that the
 * client named to fall back to has attempts of its own.
 */
export function retry(
  board: Board,
  job: Job,
  outcome: "failed" | "refused" | "lost" | "timed_out",
  error: JobError,
  isOver = false,
): void {
  endRun(board, job, outcome, error);
  const isLast = isOver || isOutOfAttempts(board, job) || isOutOfWays(board, job);
  if (isLast && !fallBack(board, job)) return finish(board, job, "failed", error);
  if (job.state === "running") job.output.restart();
  job.deliveries = [];
  if (job.shown) job.shown = nothingShown();
  job.ways = null;
  moveTo(job, "queued");
  next(board, job);
}

/** Nodes that hand an answer back may do so this often, or one that does nothing else would keep a job for ever. */
const MOST_HANDED_BACK = 16;

/** Nodes that handed back what they had begun cost no attempt. */
function isOutOfAttempts({ limits }: Board, { attempts, before }: Job): boolean {
  const mine = attempts.slice(before);
  const handedBack = mine.filter(({ outcome, pieces }) => outcome === "refused" && pieces > 0).length;
  return mine.length - handedBack >= limits.maxAttempts || handedBack > MOST_HANDED_BACK;
}

/** All who are there now would pass the job on, over a way that is closed to it: there is nothing to wait for. */
export const isOutOfWays = (board: Board, job: Job): boolean =>
  job.trail !== undefined && board.registry.offersOf(job.model).length > 0 && offersFor(board, job).length === 0;

/**
 * Another model's turn, where the client named one and nothing of this one's answer counts. The job is in no queue and at
 * no node; true where there is one to go on with.
 */
function fallBack(board: Board, job: Job): boolean {
  if (!job.wishes.allowFallbacks) return false;
  const at = job.rest.findIndex((model) => refusal(board, job, model) === undefined);
  const model = job.rest[at];
  if (model === undefined) return false;
  job.model = model;
  job.rest = job.rest.slice(at + 1);
  job.before = job.attempts.length;
  return true;
}

/** Nobody will come for a job that waits: another model's turn, or its end. */
export function giveUp(board: Board, job: Job, error: JobError): void {
  board.queues.get(job.model)?.remove(job);
  if (fallBack(board, job)) next(board, job);
  else finish(board, job, "failed", error);
}

/** Wait before nodes that failed the job, or refused it, have it again; doubled by each attempt, up to the last. */
const AGAIN_MS = 250;
const AGAIN_MAX_MS = 8_000;

/** Gives the job to a node now, or puts it at the head of its account's lane. */
function next(board: Board, job: Job): void {
  const failed = job.attempts.slice(job.before).filter(({ outcome }) => outcome !== "lost").length;
  if (failed > 0) {
    const waitMs = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** (failed - 1));
    job.againMs = board.clock.nowMs() + waitMs;
    board.clock.after(waitMs, () => pump(board, job.model));
  }
  const choice = pick(board, job);
  if (choice) return dispatch(board, job, choice);
  // The queue's time-out is for waiting, not for what came before.
  job.queuedMs = board.clock.nowMs();
  queueOf(board, job.model).putBack(job);
  board.records.touch(job);
}

/** How the answer could be taken over; none where it has to begin anew, or ends. */
function waysOf(board: Board, job: Job): readonly TakeOver[] {
  if (!job.shown || (job.kind === "chat" && !job.stream) || isOutOfAttempts(board, job)) return [];
  const ways = waysToTakeOver(job, job.shown);
  return typeof ways === "string" ? [] : ways;
}

/**
 * Whether it is worth waiting for a node to take the answer over: nodes of this kind can, and one may come back or recover
 * in a moment. Not where a moment was waited already.
 */
export function mayBeTakenOver(board: Board, job: Job): boolean {
  const { run } = job;
  if (!run || run.returnByMs !== null) return false;
  const ways = waysOf(board, job);
  const isContinued = ways.includes("continue") && run.offer !== null && continuesAt(job, run.offer);
  return isContinued || ways.includes("replay");
}

/** Whether a node that is there now could take the answer over, had it room. */
export function canBeTakenOver(board: Board, job: Job): boolean {
  const ways = waysOf(board, job);
  if (ways.length === 0) return false;
  const takes = (offer: Offer) => ways.includes("replay") || continuesAt(job, offer);
  return offersFor(board, job).some((offer) => takes(offer) && mayServe(job, offer));
}

/**
 * The node is gone or failed in the middle of the answer: another one takes it over. Nothing is taken back, and readers
 * see one answer.
 */
export function takeOver(
  board: Board,
  job: Job,
  outcome: "failed" | "refused" | "lost" | "timed_out",
  error: JobError,
): void {
  const { run, shown } = job;
  if (!run || !shown) throw new Error(`job ${job.id} has no answer to take over`);
  const { pieces, took_over: how } = run.record;
  // A tool call is made again from its beginning, so what was spent on it is not spent of the next one's bound.
  const left = pieces - Math.min(pieces, run.called);
  shown.pieces = how === "replay" ? Math.max(shown.pieces, left) : job.carried + left;
  const ways = waysToTakeOver(job, shown);
  // What the client would be told of a lost answer is not true of one that goes on.
  endRun(board, job, outcome, error.code === "node_lost" ? { ...error, message: "the node is gone" } : error);
  if (typeof ways === "string" || isOutOfAttempts(board, job)) return finish(board, job, "failed", error);
  job.ways = isNothing(shown) ? null : ways;
  if (shown.pieces >= job.maxTokens && shown.calls.size === 0) return endAtBound(board, job);
  next(board, job);
}

/** All that was asked for is there; only its end was lost. */
function endAtBound(board: Board, job: Job): void {
  job.carried = job.shown?.pieces ?? 0;
  job.finish = [{ index: 0, reason: "length" }];
  finish(board, job, "completed", null);
}
