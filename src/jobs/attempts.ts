// Attempts: what nodes say about the jobs they were given, and what follows from it.

import { ATTEMPT_CREDIT_BYTES, type DeltaFrame, type EndFrame, type ReadyFrame } from "../protocol/frames.ts";
import { type Delta, deltaCost, isPlain, type Usage } from "../protocol/generation.ts";
import type { LinkListener } from "../registry/links.ts";
import type { Node, Offer } from "../registry/registry.ts";
import type { Board } from "./board.ts";
import { noteShown } from "./continuation.ts";
import { canBeTakenOver, mayBeTakenOver, offersFor, pumpNode, retry, takeOver } from "./dispatch.ts";
import { type Job, type JobError, type JobErrorCode, NODE_ERRORS, type Run } from "./job.ts";
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
  const { offset, deltas: given } = frame;
  if (run.settling) return undefined;
  if (offset > run.offset) return `deltas ${run.offset} to ${offset - 1} of ${run.id} are missing`;
  const known = run.offset - offset;
  if (known >= given.length) return undefined;
  const deltas = known === 0 ? given : given.slice(known);
  if (!areAskedFor(deltas, job.choices)) {
    if (run.offer) board.registry.fault(run.offer);
    // It is at it still.
    run.offer?.node.channel?.send(`{"type":"cancel","attempt":"${run.id}"}`);
    const message = "the node answered a choice that was not asked for";
    attemptFailed(board, job, "failed", { code: "backend_failed", message });
    return undefined;
  }
  const first = run.offset;
  run.offset += deltas.length;
  const nowMs = board.clock.nowMs();
  run.accepted = true;
  run.lastProgressMs = nowMs;
  // After a restart the record may know a first delta that this process has not seen.
  if (job.state !== "running" || run.record.first_delta_ms === null) firstDelta(board, job, run, nowMs);
  for (const delta of deltas) {
    const cost = deltaCost(delta);
    run.owed += cost;
    run.taken += cost;
    run.record.bytes += textBytes(delta);
    if (delta.tool_calls) run.called++;
  }
  if (run.owed > ATTEMPT_CREDIT_BYTES + CREDIT_SLACK_BYTES) return `${run.id} sends more than it was granted`;
  if (run.taken > MAX_OUTPUT_BYTES) {
    endRun(board, job, "cancelled", null);
    finish(board, job, "failed", { code: "output_too_large", message: "the answer grew past 32 MiB" });
    return undefined;
  }
  // Never more than can be true: they are counted against the answer's bound, and as what was used.
  run.record.pieces = Math.min(run.record.bytes, Math.max(frame.pieces ?? 0, run.offset));
  const joined = run.seam ? run.seam.join(deltas) : deltas;
  if (typeof joined === "string") {
    endRun(board, job, "cancelled", null);
    finish(board, job, "failed", { code: "node_lost", message: `${lostError.message} (${joined})` });
    return undefined;
  }
  if (job.shown) noteShown(job.shown, joined);
  const behind = job.output.deltas(job.attempt, first, joined);
  if (behind !== undefined) waitForReader(board, job, run, behind, nowMs);
  else if (run.blocked === 0 && run.owed >= CREDIT_PORTION_BYTES) grant(run);
  return undefined;
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
    const nowMs = board.clock.nowMs();
    job.finish = finishOf(job, frame);
    job.usage = metered(job, run, frame);
    const firstMs = run.record.first_delta_ms ?? nowMs;
    if (run.offer)
      board.registry.praise(run.offer, job.usage.completion_tokens, nowMs - firstMs, firstMs - run.dispatchedMs);
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

/** One finish reason for each choice that was asked for. */
function finishOf({ choices }: Job, { finish }: EndFrame): Job["finish"] {
  if (finish.length === 1 && finish[0]?.index === 0) return finish;
  return finish.filter(({ index }, i) => index < choices && finish.findIndex((other) => other.index === index) === i);
}

/** What an attempt's prompt may cost beyond the bytes of the request: chat templates, images. */
const PROMPT_SLACK_TOKENS = 4096;

/** What is recorded as used: never more than can be true of the bytes that passed. */
function metered(
  { bodyJson, maxTokens, choices, carried }: Job,
  { record: { bytes } }: Run,
  { usage }: EndFrame,
): Usage {
  // The prompt of an attempt that continues an answer holds what it continues.
  const prompt = usage ? Math.max(0, usage.prompt_tokens - carried) : Math.ceil(bodyJson.length / 4);
  const completion = usage?.completion_tokens ?? Math.ceil(bytes / 4);
  return {
    prompt_tokens:
      prompt <= bodyJson.length ? prompt : Math.min(prompt, Buffer.byteLength(bodyJson) + PROMPT_SLACK_TOKENS),
    completion_tokens: Math.min(carried + Math.min(completion, bytes), maxTokens * choices),
  };
}

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
