// Output log: the answer of an asynchronous job while it runs, for any number of readers, each at its own pace, from the
// start or from where it left off. A reader never holds up the node.
import type { Delta } from "../protocol/generation.ts";
import { answer, type Choice } from "./answer.ts";
import type { Job, JobError, Output } from "./job.ts";

/** One piece of text. `<attempt>:<offset>` is its name in the stream (the SSE field `id`). */
export type Piece = { attempt: number; offset: number; text: string };

/** How the job ended, as it is kept and as readers of the stream learn it. */
export type StoredOutput = {
  pieces: [attempt: number, offset: number, text: string][];
  choices: Choice[];
};

export type LogReader = {
  /**
   * The next pieces in order, or null after the last. Waits when there is nothing yet. `restarted`: the job started over
   * since this reader's position, so that what it has and what comes do not belong together.
   */
  next(): Promise<Piece[] | "restarted" | null>;
  close(): void;
};

export type OutputLog = Output & {
  /** Reads on after `<attempt>:<offset>`, or from the start. */
  read(after: PiecePosition | null): LogReader;
  /** Set once the job has ended. */
  readonly failure: JobError | null;
  stored(job: Job): string;
};

export type PiecePosition = { attempt: number; offset: number };

/** Parses the SSE header `Last-Event-ID`; null for anything that is not one of ours. */
export function piecePosition(lastEventId: string | null): PiecePosition | null {
  const match = /^([1-9]\d{0,4}):(\d{1,9})$/.exec(lastEventId ?? "");
  return match ? { attempt: Number(match[1]), offset: Number(match[2]) } : null;
}

const isAfter = (piece: Piece, position: PiecePosition): boolean =>
  piece.attempt > position.attempt || (piece.attempt === position.attempt && piece.offset > position.offset);

/** Index of the first piece after `position`. Pieces are in order, and there may be very many. */
function firstAfter(pieces: readonly Piece[], position: PiecePosition): number {
  let from = 0;
  let to = pieces.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const piece = pieces[middle];
    if (piece && !isAfter(piece, position)) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The text of a delta as readers of a job's stream see it: the first choice's content. */
const textOf = (delta: Delta): string => ((delta.index ?? 0) === 0 ? (delta.content ?? "") : "");

export function outputLog(): OutputLog {
  let pieces: Piece[] = [];
  /** The attempt that the answer as it stands began with; later ones took it over. */
  let firstAttempt = 0;
  const folded = answer();
  let ended = false;
  let failure: JobError | null = null;
  /** Somebody was given a piece that can not be taken back. */
  let shown = false;
  let wake = Promise.withResolvers<void>();
  const notify = () => {
    wake.resolve();
    wake = Promise.withResolvers();
  };

  return {
    get failure() {
      return failure;
    },
    deltas(attempt, offset, deltas) {
      folded.add(deltas);
      firstAttempt ||= attempt;
      deltas.forEach((delta, i) => {
        const text = textOf(delta);
        if (text) pieces.push({ attempt, offset: offset + i, text });
      });
      notify();
      return undefined;
    },
    canRestart: () => !shown,
    restart() {
      pieces = [];
      firstAttempt = 0;
      folded.clear();
    },
    end(job) {
      ended = true;
      failure = job.error;
      notify();
    },
    read(after) {
      let position = after;
      let closed = false;
      return {
        async next() {
          for (;;) {
            if (closed) return null;
            const from = position;
            const found = from === null ? pieces.slice() : pieces.slice(firstAfter(pieces, from));
            const last = found.at(-1);
            if (from !== null && from.attempt < firstAttempt) return "restarted";
            if (last) {
              position = { attempt: last.attempt, offset: last.offset };
              shown = true;
              return found;
            }
            if (ended) return null;
            await wake.promise;
          }
        },
        close() {
          closed = true;
          notify();
        },
      };
    },
    stored: (job) =>
      JSON.stringify({
        pieces: pieces.map((piece) => [piece.attempt, piece.offset, piece.text]),
        choices: folded.choices(job.finish),
      } satisfies StoredOutput),
  };
}
