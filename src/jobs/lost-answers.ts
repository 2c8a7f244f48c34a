// Lost answers: a commit may be kept though its answer never came. Whoever asked was told that it failed, and what became
// of it is looked at once the storage answers again. Where this process ends before, its next start takes up what is there.
import type { JobId } from "../protocol/primitives.ts";
import type { Board } from "./board.ts";
import type { Job } from "./job.ts";

const LOOK_MS = 1_000;
/** Looked at at a time: while a disk is broken, every request is refused. */
const MOST_UNSURE = 1_000;

/** Nobody knows of the job: neither it nor its hold is left. */
export function undoLater(board: Board, { id, kind }: Job): void {
  later(board, id, () => board.records.undo({ id, kind }));
}

/** Its client asks again with the same idempotency key and finds it, so it goes on. */
export function beginLater(board: Board, { id, accountId }: Job, idempotencyKey: string, begin: () => void): void {
  later(board, id, async () => {
    const found = await board.records.withKey(accountId, idempotencyKey);
    if (found?.id === id && found.state === "queued" && !board.draining) begin();
  });
}

function later(board: Board, id: JobId, act: () => Promise<void>): void {
  if (board.unsure.size >= MOST_UNSURE && !board.unsure.has(id)) return;
  board.unsure.add(id);
  board.clock.after(LOOK_MS, () => {
    act().then(
      () => board.unsure.delete(id),
      (error: unknown) => {
        if (!board.draining) return later(board, id, act);
        board.log.error("a job that was refused may be stored all the same", { job: id, err: error });
      },
    );
  });
}
