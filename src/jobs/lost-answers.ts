// Lost answers: a commit may be kept though its answer never came. Whoever asked was told that it failed, and what became
// of it is looked at once the storage answers again. Where this process ends before, its next start takes up what is there.
import type { Board } from "./board.ts";
import type { Job } from "./job.ts";

const LOOK_MS = 1_000;

/** Nobody knows of the job: neither it nor its hold is left. */
export function undoLater(board: Board, job: Job): void {
  later(board, job, () => board.records.undo(job));
}

/** Its client asks again with the same idempotency key and finds it, so it goes on. */
export function beginLater(board: Board, job: Job, idempotencyKey: string, begin: () => void): void {
  later(board, job, async () => {
    const found = await board.records.withKey(job.accountId, idempotencyKey);
    if (found?.id === job.id && found.state === "queued" && !board.draining) begin();
  });
}

function later(board: Board, job: Job, act: () => Promise<void>): void {
  board.clock.after(LOOK_MS, () => {
    act().catch((error: unknown) => {
      if (!board.draining) return later(board, job, act);
      board.log.error("a job that was refused may be stored all the same", { job: job.id, err: error });
    });
  });
}
