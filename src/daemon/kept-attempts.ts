// Kept attempts: the output of each attempt on this node, from its first delta until the coordinator says that the end
// is stored. What was not sent is sent as credit allows; after a reconnect everything from the asked-for offset on is
// sent again.
import { ATTEMPT_CREDIT_BYTES, type EndFrame } from "../protocol/frames.ts";
import { type Delta, deltaCost, isPlain, MAX_DELTA_CHARS } from "../protocol/generation.ts";
import type { Outbox } from "../protocol/transport.ts";

export type AttemptEnd = Omit<EndFrame, "type" | "attempt" | "offset" | "deltas" | "pieces">;

/** An answer larger than this is none. */
export const MAX_KEPT_BYTES = 32 * 1024 * 1024;
/** A delta that costs more than this (whole lists of logprobs, say) would break the link again at every reconnect. */
const MAX_DELTA_BYTES = 1024 * 1024;
/** Deltas in one frame. */
const MAX_FRAME_DELTAS = 1024;

export type KeptAttempt = {
  readonly id: string;
  readonly abort: AbortController;
  readonly deltas: Delta[];
  /** When it was dispatched, and whether the coordinator was told that it is under way. */
  takenMs: number;
  accepted: boolean;
  /** How many of `deltas` were sent over the present link. */
  sent: number;
  /** How many were ever sent: these are as they are for good, since somebody may have read them. */
  everSent: number;
  /** Pieces that the backend gave, joined or not: about one a token. */
  pieces: number;
  /** Cost of all of `deltas`. */
  bytes: number;
  /** Cost of those not sent. */
  backlog: number;
  credit: number;
  end: AttemptEnd | null;
  endSent: boolean;
  /** Resolved when there is credit again. */
  room: PromiseWithResolvers<void> | null;
};

export const keptAttempt = (id: string): KeptAttempt => ({
  id,
  abort: new AbortController(),
  deltas: [],
  takenMs: 0,
  accepted: false,
  sent: 0,
  everSent: 0,
  pieces: 0,
  bytes: 0,
  backlog: 0,
  credit: ATTEMPT_CREDIT_BYTES,
  end: null,
  endSent: false,
  room: null,
});

/** Adds output. Returns a promise when the coordinator's credit is used up; undefined otherwise. */
export function keep(attempt: KeptAttempt, delta: Delta, pieces = 1): Promise<void> | undefined {
  // Nobody waits for what comes after the cancellation.
  if (attempt.abort.signal.aborted) return undefined;
  attempt.pieces += pieces;
  const last = attempt.deltas.length > attempt.everSent ? attempt.deltas.at(-1) : undefined;
  if (last && isPlain(last) && isPlain(delta) && last.content.length + delta.content.length <= MAX_DELTA_CHARS) {
    // Text of one turn of the event loop that has not left yet is one delta.
    attempt.deltas[attempt.deltas.length - 1] = { content: last.content + delta.content };
    attempt.bytes += delta.content.length;
    attempt.backlog += delta.content.length;
  } else {
    const cost = deltaCost(delta);
    if (cost > MAX_DELTA_BYTES) {
      // No frame could carry it: the attempt ends as one whose answer grew too large.
      attempt.bytes = MAX_KEPT_BYTES + 1;
      return undefined;
    }
    attempt.deltas.push(delta);
    attempt.bytes += cost;
    attempt.backlog += cost;
  }
  if (attempt.backlog < attempt.credit) return undefined;
  attempt.room ??= Promise.withResolvers();
  return attempt.room.promise;
}

/** Sends what may be sent: deltas as far as credit goes, and the end once nothing is left before it. */
export function sendKept(attempt: KeptAttempt, out: Pick<Outbox, "add">): void {
  const { deltas } = attempt;
  while (attempt.sent < deltas.length && attempt.credit > 0) {
    const from = attempt.sent;
    let to = from;
    while (to < deltas.length && attempt.credit > 0 && to - from < MAX_FRAME_DELTAS) {
      const cost = deltaCost(deltas[to] as Delta);
      attempt.credit -= cost;
      attempt.backlog -= cost;
      to++;
    }
    attempt.sent = to;
    attempt.everSent = Math.max(attempt.everSent, to);
    const json =
      to - from === 1
        ? `[${deltaJson(deltas[from] as Delta)}]`
        : `[${deltas.slice(from, to).map(deltaJson).join(",")}]`;
    if (to === deltas.length && attempt.end) return sendEnd(attempt, attempt.end, from, json, out);
    out.add(`{"type":"delta","attempt":"${attempt.id}","offset":${from},"deltas":${json}${piecesJson(attempt, to)}}`);
  }
  if (attempt.end && !attempt.endSent && attempt.sent === deltas.length)
    sendEnd(attempt, attempt.end, attempt.sent, "[]", out);
}

function sendEnd(
  attempt: KeptAttempt,
  end: AttemptEnd,
  offset: number,
  deltasJson: string,
  out: Pick<Outbox, "add">,
): void {
  attempt.endSent = true;
  const rest = JSON.stringify(end).slice(1);
  const pieces = piecesJson(attempt, attempt.sent);
  out.add(`{"type":"end","attempt":"${attempt.id}","offset":${offset},"deltas":${deltasJson}${pieces},${rest}`);
}

/** The count of pieces, where it is another than that of the deltas. Where not all goes out it is not known. */
const piecesJson = ({ deltas, pieces }: KeptAttempt, to: number): string =>
  to === deltas.length && pieces > to ? `,"pieces":${pieces}` : "";

const deltaJson = (delta: Delta): string =>
  isPlain(delta) ? `{"content":${JSON.stringify(delta.content)}}` : JSON.stringify(delta);

/** The coordinator took some: the backend may go on. */
export function addCredit(attempt: KeptAttempt, bytes: number): void {
  attempt.credit += bytes;
  wakeIfRoom(attempt);
}

/** Called after sending. */
export function wakeIfRoom(attempt: KeptAttempt): void {
  if (attempt.room === null || attempt.backlog >= attempt.credit) return;
  attempt.room.resolve();
  attempt.room = null;
}

/** A new link: everything from `offset` on is to be sent again. */
export function rewind(attempt: KeptAttempt, offset: number): void {
  attempt.sent = Math.min(offset, attempt.deltas.length);
  attempt.backlog = attempt.deltas.slice(attempt.sent).reduce((sum, delta) => sum + deltaCost(delta), 0);
  attempt.credit = ATTEMPT_CREDIT_BYTES;
  attempt.endSent = false;
}
