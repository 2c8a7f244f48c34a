// Jobs: what the rest of the program can do with jobs. Made once; the rules are in the files beside this one.

import type { HoldRow } from "../ledger/schema.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { JobId } from "../protocol/primitives.ts";
import type { LinkListener } from "../registry/links.ts";
import type { Registry } from "../registry/registry.ts";
import type { AffinityIndex } from "./affinity.ts";
import { linkListener } from "./attempts.ts";
import { type Board, type JobLimits, queueOf } from "./board.ts";
import { dispatch, pick, pump, pumpNode } from "./dispatch.ts";
import { boundOf, heldBefore, heldFor, notCreated, takeHeld } from "./holding.ts";
import { type AttemptRecord, type Job, type JobError, type JobSpec, newJob, type Output, resumableRun } from "./job.ts";
import { beginLater, undoLater } from "./lost-answers.ts";
import type { JobRecords, NewAsyncJob, NotCreated } from "./records.ts";
import { chooseModel, modelsOf, type SubmitError } from "./refusals.ts";
import type { JobRow } from "./schema.ts";
import { endRun, finish } from "./settle.ts";
import { isEnd, moveTo } from "./states.ts";
import type { Till } from "./till.ts";
import { TICK_MS, tick } from "./timeouts.ts";

export type JobsDeps = {
  clock: Clock;
  log: Log;
  random: () => number;
  newId: () => JobId;
  limits: JobLimits;
  registry: Registry;
  records: JobRecords;
  affinity: AffinityIndex;
  /** Null where nothing is charged. */
  till: Till | null;
  /** Asked before an account is refused for lack of credit, whether it has more than the ledger knows. */
  replenish?: (accountId: string) => Promise<boolean>;
  /** Told of every job that ended, for metrics. */
  onEnd?: (job: Job) => void;
};

export type { SubmitError } from "./refusals.ts";

export type Jobs = ReturnType<typeof createJobs>;

export function createJobs(deps: JobsDeps) {
  const board: Board = {
    ...deps,
    replenish: deps.replenish ?? (async () => false),
    live: new Map(),
    runs: new Map(),
    stopping: new Map(),
    tickedMs: deps.clock.nowMs(),
    queues: new Map(),
    holding: new Set(),
    unsure: new Set(),
    ending: new Set(),
    leaseFromMs: 0,
    draining: false,
    freed: (node) => pumpNode(board, node),
    ended(job) {
      job.reserved?.settle(tokensOf(job));
      deps.onEnd?.(job);
      if (isEmpty()) for (const resolve of drained.splice(0)) resolve();
    },
  };
  const isEmpty = () => board.live.size === 0 && board.ending.size === 0;
  const drained: (() => void)[] = [];
  /** Resolves when all jobs have ended and were told of it, or after `limitMs`. */
  const emptied = async (limitMs: number): Promise<void> => {
    if (isEmpty()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    drained.push(resolve);
    const cancelTimer = board.clock.after(limitMs, resolve);
    await promise;
    cancelTimer();
  };
  const stopTicking = deps.clock.every(TICK_MS, () => tick(board));

  return {
    /** What links report to. */
    listener: linkListener(board) satisfies LinkListener,
    live: board.live as ReadonlyMap<JobId, Job>,
    /** Over, and not told of yet: their ends are being stored. */
    ending: board.ending as ReadonlySet<Job>,
    newId: board.newId,
    /** Resolves when what is known of chats is in the database. */
    recorded: (): Promise<void> => board.records.flush(),
    queued: (): number => [...board.queues.values()].reduce((sum, queue) => sum + queue.length, 0),

    /** Takes a job on, for the caller to read from `output`, or says why not. */
    submit(spec: JobSpec, output: Output, id: JobId = board.newId()): Result<Job, SubmitError> {
      const job = newJob(id, spec, output, board.clock.nowMs());
      const refused = chooseModel(board, job);
      if (refused) return err(refused);
      const full = enter(board, job);
      return full ? err(full) : ok(job);
    },

    /** What such a job may cost at most, µ$, as things are now; or why it would not be taken on. */
    quote(spec: JobSpec): Result<bigint, SubmitError> {
      const job = newJob(board.newId(), spec, NO_OUTPUT, board.clock.nowMs());
      const refused = chooseModel(board, job);
      if (refused) return err(refused);
      if (!board.till) return ok(0n);
      const amount = boundOf(board, job);
      if (amount !== null) return ok(amount);
      return err({ code: "no_nodes_online", message: `no node that serves ${job.model} is online` });
    },

    /** The same, once what it may cost is held; at once where nothing is charged. */
    take(
      spec: JobSpec,
      output: Output,
      id: JobId = board.newId(),
    ): Result<Job, SubmitError> | Promise<Result<Job, SubmitError>> {
      if (!board.till) return this.submit(spec, output, id);
      return takeHeld(board, board.till, newJob(id, spec, output, board.clock.nowMs()), enter);
    },

    /** Stores an asynchronous job, then queues it. With an idempotency key in use: the job that has it. */
    async submitAsync(
      spec: JobSpec,
      output: Output,
      extra: NewAsyncJob,
      /** Called with the id before anything can happen to the job. */
      stored: (id: JobId) => void,
    ): Promise<Result<Job, SubmitError | { code: "idempotency_key_used"; row: JobRow }>> {
      const job = newJob(board.newId(), spec, output, board.clock.nowMs());
      const refused = chooseModel(board, job) ?? (hasRoomFor(board, job) ? undefined : queueFull(board, job.model));
      if (refused) {
        // A request that was taken on before is answered as before, however things stand now.
        const key = extra.idempotencyKey;
        const row = key === null ? undefined : await board.records.withKey(spec.accountId, key);
        return err(row ? { code: "idempotency_key_used", row } : refused);
      }
      if (board.till) job.held = heldFor(board, board.till, job);
      let created = await store(board, job, extra);
      const isShort = created !== "storage_failed" && !created.ok && created.error.code === "insufficient_credit";
      if (isShort && (await board.replenish(job.accountId))) created = await store(board, job, extra);
      const begin = (): SubmitError | undefined => {
        stored(job.id);
        const displaced = enter(board, job);
        if (!displaced) return undefined;
        // Stored already: it ends as failed, and whoever asks is told.
        board.live.set(job.id, job);
        finish(board, job, "failed", displaced);
        return displaced;
      };
      if (created === "storage_failed") {
        if (extra.idempotencyKey === null) undoLater(board, job);
        else beginLater(board, job, extra.idempotencyKey, begin);
        return err({ code: created, message: "the job cannot be stored now; try again" });
      }
      if (!created.ok) return err(notCreated(created.error, job));
      const displaced = begin();
      return displaced ? err(displaced) : ok(job);
    },

    /** Takes up a job that a former process left unfinished. */
    recover(row: JobRow, spec: JobSpec, output: Output, hold: HoldRow | null): Job {
      // Its bound is the one that it was taken on with, whatever the default is now.
      const { model, maxTokens } = row;
      const bounded = { ...spec, model, maxTokens: maxTokens ?? spec.maxTokens };
      const job = newJob(row.id as JobId, bounded, output, row.createdMs);
      const models = modelsOf(board, spec);
      job.rest = models.slice(models.indexOf(row.model) + 1);
      job.attempt = row.attempt;
      job.attempts = row.attempts as AttemptRecord[];
      job.queuedMs = board.clock.nowMs();
      job.dispatchedMs = row.dispatchedMs;
      if (board.till) job.held = heldBefore(row, hold);
      board.live.set(job.id, job);
      const record = job.attempts.at(-1);
      if (record?.ended_ms === null && record.resumable === false) {
        record.ended_ms = job.queuedMs;
        record.outcome = "lost";
      }
      if (row.state === "queued" || !record || record.ended_ms !== null) queueOf(board, job.model).putBack(job);
      else awaitNode(board, job, record);
      return job;
    },

    cancel(job: Job, error: JobError): void {
      finish(board, job, "cancelled", error);
    },

    /** Resolves when the cancellation is stored, or when the job had ended already. */
    async cancelAndWait(job: Job, error: JobError): Promise<void> {
      await new Promise<void>((resolve) => {
        const earlier = job.onOver;
        job.onOver = () => {
          earlier?.();
          resolve();
        };
        if (isEnd(job.state)) resolve();
        else finish(board, job, "cancelled", error);
      });
    },

    /** Takes no more jobs; resolves when those there are have ended, or after `limitMs`, when the rest is cancelled. */
    async drain(limitMs: number): Promise<void> {
      board.draining = true;
      if (board.holding.size > 0) await Promise.all(board.holding);
      // Asynchronous jobs that have not begun are stored as they are: the next process takes them up.
      for (const job of [...board.live.values()]) {
        if (job.kind !== "async" || job.state !== "queued") continue;
        queueOf(board, job.model).remove(job);
        board.live.delete(job.id);
      }
      await emptied(limitMs);
      const error: JobError = { code: "draining", message: "the coordinator is shutting down; try again" };
      // Asynchronous jobs that run still are left as they are too.
      for (const job of [...board.live.values()]) {
        if (job.kind !== "chat") continue;
        endRun(board, job, "cancelled", error);
        finish(board, job, "failed", error);
      }
      board.live.clear();
      board.runs.clear();
      await emptied(STORE_ENDS_MS);
      stopTicking();
    },
  };
}

/** At the end of a drain: an end that the storage does not take by then is not waited for. */
const STORE_ENDS_MS = 5_000;

/**
 * What an ended job used; of one whose usage nobody knows, what it gave, and where its client left it, also what a node
 * was given to read: else whoever leaves at once could have any amount read.
 */
const tokensOf = ({ usage, attempts, state, cost, maxTokens, choices }: Job): number => {
  if (usage) return usage.prompt_tokens + usage.completion_tokens;
  const read = state === "cancelled" && attempts.length > 0 ? Math.max(0, cost - maxTokens * choices) : 0;
  return attempts.reduce((tokens, { pieces }) => tokens + pieces, read);
};

/** Of a job that is only asked about. */
const NO_OUTPUT: Output = { deltas: () => undefined, canRestart: () => true, restart: () => {}, end: () => {} };

function hasRoomFor(board: Board, job: Job): boolean {
  const queue = board.queues.get(job.model);
  const room = queue ? !queue.refuses(job) : board.limits.queueLimit > 0;
  return room || pick(board, job) !== undefined;
}

async function store(board: Board, job: Job, extra: NewAsyncJob): Promise<Result<void, NotCreated> | "storage_failed"> {
  try {
    return await board.records.create(job, extra);
  } catch (error) {
    board.log.error("a job could not be stored", { err: error });
    return "storage_failed";
  }
}

/** Starts the job, or queues it; the error is the job's own refusal. Somebody else's goes to its own output. */
function enter(board: Board, job: Job): SubmitError | undefined {
  const waiting = (board.queues.get(job.model)?.length ?? 0) > 0;
  const choice = pick(board, job);
  if (choice && !waiting) {
    board.live.set(job.id, job);
    dispatch(board, job, choice);
    return undefined;
  }
  const displaced = queueOf(board, job.model).add(job);
  const error = queueFull(board, job.model);
  if (displaced === job) return error;
  board.live.set(job.id, job);
  if (displaced) finish(board, displaced, "failed", error);
  board.records.touch(job);
  // There is room that those before it cannot use (too small a context, say): it is given out by fair shares.
  if (choice) pump(board, job.model);
  return undefined;
}

const queueFull = (board: Board, model: string) => ({
  code: "queue_full" as const,
  message: `${board.limits.queueLimit} requests wait for ${model} already; try again in a moment`,
});

/** After a restart: the node may still be at it, and comes back to say so. */
function awaitNode(board: Board, job: Job, record: AttemptRecord): void {
  const nowMs = board.clock.nowMs();
  moveTo(job, "dispatched");
  const run = resumableRun(job, record, nowMs);
  run.accepted = true;
  run.returnByMs = nowMs + board.limits.resumeGraceMs;
  // It is sent again from its first delta on, and counted then.
  record.pieces = record.bytes = 0;
  // What was given out while nothing was charged has no price, and no receipt.
  run.hasher = run.price === null ? null : (board.till?.hasherOf(job.id) ?? null);
  job.run = run;
  board.runs.set(run.id, job);
}
