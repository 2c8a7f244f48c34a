// Attempts: what nodes say about the jobs they were given, and what follows from it.

import { ATTEMPT_CREDIT_BYTES, type DeltaFrame, type EndFrame, type ReadyFrame } from "../protocol/frames.ts";
import { type Delta, deltaCost, isPlain } from "../protocol/generation.ts";
import { hashDelta } from "../protocol/receipts.ts";
import type { LinkListener } from "../registry/links.ts";
import type { Node, Offer } from "../registry/registry.ts";
import type { Board } from "./board.ts";
import { noteShown } from "./continuation.ts";
import { canBeTakenOver, mayBeTakenOver, offersFor, pumpNode, retry, takeOver } from "./dispatch.ts";
import { type Job, type JobError, type JobErrorCode, NODE_ERRORS, type Run } from "./job.ts";
import { outputBound } from "./metering.ts";
import { mayServe } from "./refusals.ts";
import { endRun, endStopping, finish } from "./settle.ts";
import { moveTo } from "./states.ts";

/** Credit is given back in portions of this size, not delta by delta. */
const CREDIT_PORTION_BYTES = ATTEMPT_CREDIT_BYTES / 4;
/** A node that sends this much more than it was granted breaks the protocol: one oversized delta is forgiven. */
const CREDIT_SLACK_BYTES = 1024 * 1024;
/** More answer than any real one, by the cost of its deltas. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

export function linkListener(board: Board): LinkListener {
  return {
    ready: (node, kept) => takeBack(board, node, kept),
    accepted(node, attempt) {
      const run = runOf(board, node, attempt)?.run;
      if (run) run.accepted = true;
    },
    delta(node, frame) {
      const job = runOf(board, node, frame.attempt);
      if (job?.run) return takeDeltas(board, job, job.run, frame);
      if (!board.stopping.has(frame.attempt)) node.channel?.send(`{"type":"cancel","attempt":"${frame.attempt}"}`);
      return undefined;
    },
    end(node, frame) {
      const job = runOf(board, node, frame.attempt);
      if (!job?.run) {
        endStopping(board, frame.attempt);
        acknowledge(node, frame.attempt);
        return undefined;
      }
      if (job.run.settling) return undefined;
      const run = job.run;
      const wrong = takeDeltas(board, job, run, frame);
      // Taking the last deltas may have ended the run: an overlong answer, or one that does not go on with what was shown.
      if (wrong !== undefined) return wrong;
      if (job.run === run) takeEnd(board, job, run, node, frame);
      else {
        endStopping(board, frame.attempt);
        acknowledge(node, frame.attempt);
      }
      return undefined;
    },
    capacity: (node) => pumpNode(board, node),
    lost: (node) => nodeLost(board, node),
  };
}

/** The job whose attempt under way this is, on this very node. Anything else is fenced off. */
function runOf(board: Board, node: Node, attempt: string): Job | undefined {
  const job = board.runs.get(attempt);
  return job?.run?.pubkey === node.pubkey ? job : undefined;
}

const acknowledge = (node: Node, attempt: string) => node.channel?.acknowledge(attempt);

type Pieces = Pick<DeltaFrame, "offset" | "deltas" | "pieces">;

function takeDeltas(board: Board, job: Job, run: Run, frame: Pieces): string | undefined {
  const { offset, deltas: sent } = frame;
  if (run.settling) return undefined;
  if (offset > run.offset) return `deltas ${run.offset} to ${offset - 1} of ${run.id} are missing`;
  const known = run.offset - offset;
  if (known >= sent.length) return undefined;
  const given = known === 0 ? sent : sent.slice(known);
  const kept = withinBound(job, run, given, frame.pieces ?? 0);
  const deltas = kept ?? given;
  if (!areAskedFor(deltas, job.choices)) {
    if (run.offer) board.registry.fault(run.offer);
    // It is at it still.
    run.offer?.node.channel?.send(`{"type":"cancel","attempt":"${run.id}"}`);
    const message = "the node answered a choice that was not asked for";
    attemptFailed(board, job, "failed", { code: "backend_failed", message });
    return undefined;
  }
  const first = run.offset;
  run.offset += given.length;
  const nowMs = board.clock.nowMs();
  run.accepted = true;
  run.lastProgressMs = nowMs;
  // After a restart the record may know a first delta that this process has not seen.
  if (job.state !== "running" || run.record.first_delta_ms === null) firstDelta(board, job, run, nowMs);
  for (const delta of deltas) {
    const cost = deltaCost(delta);
    run.owed += cost;
    run.taken += cost;
    const bytes = textBytes(delta);
    run.record.bytes += bytes;
    if (bytes === 0) run.empty++;
    if (delta.tool_calls) run.called++;
    if (run.hasher) hashDelta(run.hasher, delta);
  }
  if (run.owed > ATTEMPT_CREDIT_BYTES + CREDIT_SLACK_BYTES) return `${run.id} sends more than it was granted`;
  if (run.taken > MAX_OUTPUT_BYTES) {
    endRun(board, job, "cancelled", null);
    finish(board, job, "failed", { code: "output_too_large", message: "the answer grew past 32 MiB" });
    return undefined;
  }
  // Never more than can be true: they are counted against the answer's bound, and as what was used.
  run.record.pieces = Math.min(run.record.bytes, Math.max(frame.pieces ?? 0, run.offset) - run.empty);
  const joined = run.seam ? run.seam.join(deltas) : deltas;
  if (typeof joined === "string") {
    endRun(board, job, "cancelled", null);
    finish(board, job, "failed", { code: "node_lost", message: `${lostError.message} (${joined})` });
    return undefined;
  }
  if (job.shown) noteShown(job.shown, joined);
  if (kept) return cutOff(board, job, run, first, joined);
  const behind = job.output.deltas(job.attempt, first, joined);
  if (behind !== undefined) waitForReader(board, job, run, behind, nowMs);
  else if (run.blocked === 0 && run.owed >= CREDIT_PORTION_BYTES) grant(run);
  return undefined;
}

/**
 * What of these is within the answer's bound, where not all is: a node that does not stop there is stopped. `pieces`: all
 * of its backend's up to the last of these, by its own count.
 */
function withinBound(job: Job, run: Run, deltas: readonly Delta[], pieces: number): readonly Delta[] | undefined {
  const bound = outputBound(job) - run.carried;
  if (Math.max(pieces, run.offset + deltas.length) <= bound) return undefined;
  const before = Math.max(run.record.pieces, run.offset - run.empty);
  const written = deltas.filter((delta) => textBytes(delta) > 0).length;
  const bytes = deltas.reduce((sum, delta) => sum + textBytes(delta), 0);
  // Nodes count what is empty too.
  const claimed = pieces - run.empty - (deltas.length - written);
  const given = Math.max(written, Math.min(claimed, run.record.bytes + bytes) - before);
  const room = bound - before;
  if (given <= room) return undefined;
  return given === written ? firstOf(deltas, room) : shareOf(deltas, room / given);
}

/** So many deltas that have something in them. */
function firstOf(deltas: readonly Delta[], count: number): Delta[] {
  let left = count;
  return deltas.filter((delta) => textBytes(delta) === 0 || left-- > 0);
}

/** About this share of the text, from the beginning: deltas that hold several pieces do not say where each ends. */
function shareOf(deltas: readonly Delta[], share: number): Delta[] {
  let left = Math.floor(share * deltas.reduce((sum, delta) => sum + textBytes(delta), 0));
  const kept: Delta[] = [];
  for (const delta of deltas) {
    if (left <= 0) break;
    const bytes = textBytes(delta);
    if (bytes <= left) kept.push(delta);
    else if (isPlain(delta)) kept.push({ ...delta, content: firstBytes(delta.content, left) });
    left -= bytes;
  }
  return kept;
}

/** Whole characters within so many bytes of UTF-8. */
function firstBytes(text: string, bytes: number): string {
  const into = new Uint8Array(bytes);
  return text.slice(0, new TextEncoder().encodeInto(text, into).read);
}

/** All that was asked for is there. */
function cutOff(board: Board, job: Job, run: Run, first: number, deltas: readonly Delta[]): undefined {
  run.record.pieces = Math.min(run.record.pieces, outputBound(job) - run.carried);
  if (deltas.length > 0) void job.output.deltas(job.attempt, first, deltas);
  const lacking = job.output.lacking?.();
  if (lacking !== undefined) {
    run.offer?.node.channel?.send(`{"type":"cancel","attempt":"${run.id}"}`);
    return void notWhole(board, job, run, lacking);
  }
  endRun(board, job, "cancelled", null);
  job.finish = Array.from({ length: job.choices }, (_, index) => ({ index, reason: "length" as const }));
  finish(board, job, "completed", null);
}

function areAskedFor(deltas: readonly Delta[], choices: number): boolean {
  for (const { index } of deltas) if (index !== undefined && index >= choices) return false;
  return true;
}

/** UTF-8 bytes of what a model wrote, whatever the field. */
function textBytes(delta: Delta): number {
  if (isPlain(delta)) return Buffer.byteLength(delta.content);
  const { content = "", reasoning_content: reasoning = "", refusal = "", tool_calls: calls = [] } = delta;
  let bytes = Buffer.byteLength(content) + Buffer.byteLength(reasoning) + Buffer.byteLength(refusal);
  for (const { function: called } of calls) {
    bytes += Buffer.byteLength(called?.name ?? "") + Buffer.byteLength(called?.arguments ?? "");
  }
  return bytes;
}

function firstDelta(board: Board, job: Job, run: Run, nowMs: number): void {
  run.record.first_delta_ms ??= nowMs;
  job.firstDeltaMs ??= nowMs;
  if (job.state !== "running") moveTo(job, "running");
  job.displaceable = false;
  job.onStarted?.();
  board.records.touch(job);
}

function grant(run: Run): void {
  run.offer?.node.channel?.send(`{"type":"credit","attempt":"${run.id}","bytes":${run.owed}}`);
  run.owed = 0;
}

function waitForReader(board: Board, job: Job, run: Run, behind: Promise<void>, nowMs: number): void {
  if (run.blocked++ === 0) run.blockedSinceMs = nowMs;
  const done = () => {
    run.blockedSinceMs = board.clock.nowMs();
    if (--run.blocked > 0 || job.run !== run) return;
    run.lastProgressMs = board.clock.nowMs();
    if (run.owed > 0) grant(run);
  };
  // A reader that broke is told by its own cancellation.
  behind.then(done, done);
}

/** Errors that no other node would answer differently. */
const FINAL: readonly JobErrorCode[] = ["invalid_request", "output_too_large"];

function takeEnd(board: Board, job: Job, run: Run, node: Node, frame: EndFrame): void {
  if (frame.outcome === "completed") {
    const tooEarly = run.seam?.ends();
    if (tooEarly !== undefined) {
      acknowledge(node, frame.attempt);
      endRun(board, job, "failed", null);
      return finish(board, job, "failed", { code: "node_lost", message: `${lostError.message} (${tooEarly})` });
    }
    const lacking = job.output.lacking?.();
    if (lacking !== undefined) {
      acknowledge(node, frame.attempt);
      return notWhole(board, job, run, lacking);
    }
    const nowMs = board.clock.nowMs();
    job.finish = finishOf(job, frame);
    run.usage = frame.usage;
    const firstMs = run.record.first_delta_ms ?? nowMs;
    if (run.offer)
      board.registry.praise(run.offer, claimedTokens(job, run), nowMs - firstMs, firstMs - run.dispatchedMs);
    run.settling = true;
    finish(board, job, "completed", null, () => acknowledge(node, frame.attempt));
    return;
  }
  const code = NODE_ERRORS.find((known) => known === frame.error?.code) ?? "backend_failed";
  const error: JobError = { code, message: frame.error?.message ?? `the node ${frame.outcome} the job` };
  acknowledge(node, frame.attempt);
  if (frame.outcome === "failed" && code !== "context_length_exceeded" && !FINAL.includes(code) && run.offer)
    board.registry.fault(run.offer);
  attemptFailed(board, job, frame.outcome === "refused" ? "refused" : "failed", error);
}

/** Nothing of such an answer is of use, so it is nobody's to pay for. */
function notWhole(board: Board, job: Job, run: Run, message: string): void {
  if (run.offer) board.registry.fault(run.offer);
  attemptFailed(board, job, "failed", { code: "backend_failed", message });
}

/** One finish reason for each choice that was asked for. */
function finishOf({ choices }: Job, { finish }: EndFrame): Job["finish"] {
  if (finish.length === 1 && finish[0]?.index === 0) return finish;
  return finish.filter(({ index }, i) => index < choices && finish.findIndex((other) => other.index === index) === i);
}

/** For its speed: what it wrote by its own account, within what can be true. */
const claimedTokens = ({ carried }: Job, { record: { bytes }, usage }: Run): number =>
  carried + Math.min(usage?.completion_tokens ?? Math.ceil(bytes / 4), bytes);

/** Tries again where that can help and nothing was shown that would have to be taken back. */
export function attemptFailed(
  board: Board,
  job: Job,
  outcome: "failed" | "refused" | "lost" | "timed_out",
  error: JobError,
): void {
  if (FINAL.includes(error.code)) return finish(board, job, "failed", error);
  if (error.code === "context_length_exceeded") {
    const here = job.run?.offer?.contextLength ?? null;
    const larger = offersFor(board, job).some((offer) => hasMoreRoom(job, offer, here) && mayServe(job, offer));
    if (!larger) return tooLong(board, job, outcome, error);
    if (here !== null) job.minContext = here + 1;
  }
  const isTakenOver = canBeTakenOver(board, job) || (!job.output.canRestart() && mayBeTakenOver(board, job));
  if (job.state === "running" && isTakenOver) return takeOver(board, job, outcome, error);
  if (job.state === "running" && !job.output.canRestart()) {
    // Ended by its own name, so that a node that is still at it is told to stop.
    endRun(board, job, outcome, error);
    return finish(board, job, "failed", error);
  }
  retry(board, job, outcome, error);
}

/** Than the node that had too little: `here` tokens, or, where it had never said, others that are known to have room. */
function hasMoreRoom(job: Job, { node, contextLength }: Offer, here: number | null): boolean {
  if (contextLength === null) return false;
  if (here !== null) return contextLength > here;
  return contextLength >= job.wantContext && job.attempts.every((attempt) => attempt.node !== node.pubkey);
}

/** No node of this model has room for it: perhaps one of another that the client named has. */
function tooLong(board: Board, job: Job, outcome: "failed" | "refused" | "lost" | "timed_out", error: JobError): void {
  const hasBegun = job.state === "running" && !job.output.canRestart();
  if (hasBegun || job.rest.length === 0) return finish(board, job, "failed", error);
  retry(board, job, outcome, error, true);
}

const lostError: JobError = {
  code: "node_lost",
  message: "the node that was answering is gone and the answer had begun; send the request again",
};

/**
 * The link broke. What had not begun goes to another node at once, and so does what another node can take over, or may
 * start over; the rest waits for the node to come back and go on.
 */
function nodeLost(board: Board, node: Node): void {
  for (const [attempt, stopping] of [...board.stopping]) if (stopping.node === node) endStopping(board, attempt);
  const returnByMs = board.clock.nowMs() + board.limits.resumeGraceMs;
  board.registry.blame(node);
  for (const job of [...board.runs.values()]) {
    const run = job.run;
    if (run?.pubkey !== node.pubkey || run.settling) continue;
    const elsewhere = offersFor(board, job).some((offer) => mayServe(job, offer));
    if (job.state === "dispatched" || (elsewhere && job.output.canRestart()) || canBeTakenOver(board, job))
      attemptFailed(board, job, "lost", lostError);
    else if (run.record.resumable || run.record.took_over !== null) run.returnByMs = returnByMs;
    else attemptFailed(board, job, "lost", lostError);
  }
}

/** A node did not come back in time, or came back without the attempt. */
export const runLost = (board: Board, job: Job): void => attemptFailed(board, job, "lost", lostError);

/** A node is back: which attempts go on. Those it no longer has are lost. */
function takeBack(board: Board, node: Node, kept: ReadyFrame["attempts"]): { attempt: string; offset: number }[] {
  for (const [attempt, stopping] of board.stopping) if (stopping.node === node) board.stopping.delete(attempt);
  const offers = new Map(node.offers.map((offer) => [offer.model, offer]));
  const resume: { attempt: string; offset: number }[] = [];
  const goesOn = new Set<string>();
  for (const { attempt } of kept) {
    const job = runOf(board, node, attempt);
    if (!job?.run || job.run.settling || goesOn.has(attempt)) continue;
    const { run } = job;
    const offer = offers.get(job.model) ?? run.offer;
    // Taken up after a restart, and the node does not offer the model any more.
    if (!offer) continue;
    run.offer = offer;
    run.accepted = true;
    run.returnByMs = null;
    run.owed = 0;
    goesOn.add(attempt);
    resume.push({ attempt, offset: run.offset });
  }
  node.running = resume.length;
  for (const job of [...board.runs.values()]) {
    const run = job.run;
    if (run?.pubkey !== node.pubkey || run.settling || goesOn.has(run.id)) continue;
    // Its slot was not counted above.
    run.offer = null;
    runLost(board, job);
  }
  return resume;
}
