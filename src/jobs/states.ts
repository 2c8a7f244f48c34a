// States: the life of a job as a table. Every change of state in memory goes through `moveTo`, and those in the database
// follow it.

export const JOB_STATES = ["queued", "dispatched", "running", "completed", "failed", "cancelled", "expired"] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Where each state may go. End states go nowhere: they are reached once. */
export const JOB_TRANSITIONS: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ["dispatched", "cancelled", "expired", "failed"],
  dispatched: ["running", "queued", "failed", "completed", "cancelled", "expired"],
  // Back to `queued` only where the attempt's output was thrown away and the job starts over.
  running: ["completed", "failed", "cancelled", "queued"],
  completed: [],
  failed: [],
  cancelled: [],
  expired: [],
};

export const isEnd = (state: JobState): boolean => JOB_TRANSITIONS[state].length === 0;

export const canMove = (from: JobState, to: JobState): boolean => JOB_TRANSITIONS[from].includes(to);

/** The only way a job changes its state. A move that is not in the table is a fault of this program: it throws. */
export function moveTo(job: { readonly id: string; state: JobState }, to: JobState): void {
  if (!canMove(job.state, to)) throw new Error(`job ${job.id} cannot go from ${job.state} to ${to}`);
  job.state = to;
}

/** States of jobs that still want something; the rows a start has to look at. */
export const LIVE_STATES = ["queued", "dispatched", "running"] as const satisfies readonly JobState[];
