// Board: the jobs of this process, and what deciding about them needs. One object, made once, first argument of every
// function in this folder.
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { JobId } from "../protocol/primitives.ts";
import type { Node, Registry } from "../registry/registry.ts";
import type { AffinityIndex } from "./affinity.ts";
import { type FairQueue, fairQueue } from "./fair-queue.ts";
import type { Job } from "./job.ts";
import type { JobRecords } from "./records.ts";
import type { Till } from "./till.ts";

export type JobLimits = {
  /** Jobs waiting for one model. */
  queueLimit: number;
  queueTimeoutMs: number;
  /** From the dispatch to the node's first sign of having it. */
  connectTimeoutMs: number;
  firstTokenTimeoutMs: number;
  betweenTokensTimeoutMs: number;
  /** A reader that takes nothing for so long counts as gone. */
  stalledReaderTimeoutMs: number;
  maxAttempts: number;
  /** How long a vanished node may take to come back. */
  resumeGraceMs: number;
};

export type Board = {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly newId: () => JobId;
  readonly limits: JobLimits;
  readonly registry: Registry;
  readonly records: JobRecords;
  readonly affinity: AffinityIndex;
  /** Null where nothing is charged. */
  readonly till: Till | null;
  /** Looks whether an account has more to spend than the ledger knows; true where it may. */
  readonly replenish: (accountId: string) => Promise<boolean>;
  /** Every job that has not ended. */
  readonly live: Map<JobId, Job>;
  /** By attempt id: those a node is working on. */
  readonly runs: Map<string, Job>;
  /** By attempt id: cancelled here, still taking up a slot until the node says it has stopped. */
  readonly stopping: Map<string, { node: Node; sinceMs: number }>;
  /** When the time-outs were last looked at. */
  tickedMs: number;
  readonly queues: Map<string, FairQueue<Job>>;
  /** Chats whose hold is on its way to the database. */
  readonly holding: Set<Promise<unknown>>;
  /** Jobs that were refused since storing them failed, and may be stored all the same. */
  readonly unsure: Set<JobId>;
  /** Jobs whose end is on its way to the database; nobody was told of it yet. */
  readonly ending: Set<Job>;
  /** Asynchronous jobs are not given out before: a lease could not be stored a moment ago. */
  leaseFromMs: number;
  /** No new jobs are taken. */
  draining: boolean;
  /** Called when a node may have room. */
  freed: (node: Node) => void;
  /** Called when a job has ended, after its output was told. */
  ended: (job: Job) => void;
};

export function queueOf(board: Board, model: string): FairQueue<Job> {
  let queue = board.queues.get(model);
  if (!queue) {
    queue = fairQueue<Job>(() => board.limits.queueLimit);
    board.queues.set(model, queue);
  }
  return queue;
}
