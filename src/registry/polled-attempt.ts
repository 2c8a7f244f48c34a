// Polled attempt: one attempt of a node that asks for its work, and what it said of it so far, counted as a link counts
// its deltas, so that the jobs behind cannot tell the two apart.
import type { DispatchFrame, EndFrame } from "../protocol/frames.ts";
import { ATTEMPT_CREDIT_BYTES } from "../protocol/frames.ts";
import {
  type Delta,
  deltaCost,
  type FinishReason,
  isPlain,
  MAX_DELTA_CHARS,
  type Usage,
} from "../protocol/generation.ts";

export type AttemptError = NonNullable<EndFrame["error"]>;

export type PolledAttempt = {
  readonly id: string;
  readonly model: string;
  /** What the prompt may cost, where its node counts only what it wrote. */
  readonly promptTokens: number;
  /** Deltas taken so far: the offset of the next. */
  offset: number;
  /** Pieces the node gave, about one a token. */
  pieces: number;
  /** Text of the first choice so far. */
  text: string;
  /** Cost of the deltas taken, and how much of it may be under way. */
  spent: number;
  granted: number;
  /** What the node said it wrote, at the end of its stream. */
  whole: string | null;
  reason: FinishReason | null;
  /** What the node said went wrong, before its end. */
  error: AttemptError | null;
  /** Waiting for credit. */
  readonly waiting: Set<() => void>;
  /** Resolves once the end is kept here. */
  readonly kept: PromiseWithResolvers<void>;
};

export function polledAttempt({ attempt, model, body }: DispatchFrame): PolledAttempt {
  return {
    id: attempt,
    model,
    promptTokens: Math.ceil(JSON.stringify(body).length / 4),
    offset: 0,
    pieces: 0,
    text: "",
    spent: 0,
    granted: ATTEMPT_CREDIT_BYTES,
    whole: null,
    reason: null,
    error: null,
    waiting: new Set(),
    kept: Promise.withResolvers<void>(),
  };
}

/** Counts deltas that are about to be handed on; their offset. */
export function count(attempt: PolledAttempt, deltas: readonly Delta[], pieces: number): number {
  const { offset } = attempt;
  attempt.offset += deltas.length;
  attempt.pieces += pieces;
  for (const delta of deltas) {
    attempt.spent += deltaCost(delta);
    if (isPlain(delta)) attempt.text += delta.content;
    else if ((delta.index ?? 0) === 0) attempt.text += delta.content ?? "";
  }
  return offset;
}

/** The reader took so much: whoever waits to send may go on. */
export function grant(attempt: PolledAttempt, bytes: number): void {
  attempt.granted += bytes;
  if (isBehind(attempt)) return;
  for (const go of attempt.waiting) go();
  attempt.waiting.clear();
}

/** The reader has yet to take what was sent. */
export const isBehind = ({ spent, granted }: PolledAttempt): boolean => spent > granted;

/** Text as deltas of the size that one may have. No character is cut in two. */
export function deltasOf(text: string): Delta[] {
  const deltas: Delta[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + MAX_DELTA_CHARS);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
    deltas.push({ content: text.slice(at, end) });
    at = end;
  }
  return deltas;
}
const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/**
 * What of the whole text has not come yet. Null: what came is no beginning of it, so pieces were lost on the way. Nodes
 * trim what they hand in at the end, and leave out what a model only thought: a shorter text says nothing.
 */
export function missing({ text }: PolledAttempt, whole: string | null): string | null {
  if (whole === null || whole.length <= text.length) return "";
  return whole.startsWith(text) ? whole.slice(text.length) : null;
}

/** A node's own words for why it stopped, in OpenAI's. */
export function finishReasonOf(reason: unknown): FinishReason | null {
  if (typeof reason !== "string") return null;
  return REASONS.get(reason.toLowerCase()) ?? null;
}
const REASONS = new Map<string, FinishReason>([
  ["stop", "stop"],
  ["eos", "stop"],
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["max_length", "length"],
  ["tool_calls", "tool_calls"],
  ["tool_use", "tool_calls"],
  ["content_filter", "content_filter"],
]);

export type PolledEnd = {
  outcome: EndFrame["outcome"];
  reason?: FinishReason | null;
  usage?: Usage | null;
  error?: AttemptError;
};

/** The end as a link would bring it: `deltas` are the last ones, counted already. */
export function endFrame(
  { id, reason, pieces }: PolledAttempt,
  offset: number,
  deltas: Delta[],
  end: PolledEnd,
): EndFrame {
  const completed = end.outcome === "completed";
  return {
    type: "end",
    attempt: id,
    offset,
    deltas,
    pieces,
    outcome: end.outcome,
    finish: completed ? [{ index: 0, reason: end.reason ?? reason ?? "stop" }] : [],
    usage: end.usage ?? null,
    ...(end.error ? { error: end.error } : {}),
  };
}
