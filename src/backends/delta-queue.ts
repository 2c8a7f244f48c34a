// Delta queue: the last step of every adapter. Joins the text of one network read into one delta for each choice,
// cuts what is too long, and keeps halves of a surrogate pair together, so that each delta is whole text.
import { type Delta, MAX_DELTA_CHARS, type ToolCallDelta } from "../protocol/generation.ts";
import type { Emit } from "./backend.ts";

type TextKey = "content" | "reasoning_content" | "refusal";
/** Text of one choice that may still grow. `held` is the first half of a surrogate pair, given with what follows. */
type Open = { index: number; key: TextKey; delta: Delta | null; held: string };

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;

export class DeltaQueue {
  private readonly emit: Emit;
  private queue: Delta[] = [];
  private readonly open: Open[] = [];
  /** Pieces of text that were added to the one before, since the last flush. */
  private joined = 0;

  constructor(emit: Emit) {
    this.emit = emit;
  }

  /** Adds text to choice `index`; `pieces`: how many of the server's are joined in it already. */
  text(index: number, key: TextKey, text: string, pieces = 1): void {
    this.joined += pieces - 1;
    let open = this.open[index];
    if (open === undefined) {
      open = { index, key, delta: null, held: "" };
      this.open[index] = open;
    } else if (open.key !== key) {
      this.close(open);
      open.key = key;
    }
    let rest = text;
    if (open.held !== "") {
      rest = open.held + text;
      open.held = "";
    }
    if (isHighSurrogate(rest.charCodeAt(rest.length - 1))) {
      open.held = rest.slice(-1);
      rest = rest.slice(0, -1);
    }
    const grown = open.delta === null ? rest.length : (open.delta[key]?.length ?? 0) + rest.length;
    if (grown > MAX_DELTA_CHARS) this.cut(open, rest);
    else if (open.delta !== null) {
      open.delta[key] += rest;
      this.joined++;
    } else if (rest !== "") open.delta = this.add(index, { [key]: rest });
  }

  /** Adds fragments of tool calls to choice `index`. Arguments longer than a delta may be are cut into several. */
  toolCalls(index: number, calls: ToolCallDelta[]): void {
    this.closeChoice(index);
    const fits = calls.every((call) => (call.function?.arguments?.length ?? 0) <= MAX_DELTA_CHARS);
    if (fits) {
      this.add(index, { tool_calls: calls });
      return;
    }
    for (const call of calls) {
      const [first = "", ...rest] = pieces(call.function?.arguments ?? "");
      this.add(index, { tool_calls: [{ ...call, function: { ...call.function, arguments: first } }] });
      for (const more of rest) this.add(index, { tool_calls: [{ index: call.index, function: { arguments: more } }] });
    }
  }

  /** Adds text together with its `logprobs` (OpenAI's `choices[].logprobs`), which belong to just this piece. */
  withLogprobs(index: number, content: string, logprobs: unknown): void {
    this.closeChoice(index);
    const [first = "", ...rest] = pieces(content);
    this.add(index, first === "" ? { logprobs } : { content: first, logprobs });
    for (const more of rest) this.add(index, { content: more });
  }

  /**
   * Gives away what is queued, in order. Returns a promise when the reader is behind: nothing more should be read
   * before it resolves. With `last`, half a surrogate pair is given too: nothing will complete it.
   */
  flush(last = false): Promise<void> | undefined {
    for (const open of this.open) {
      if (open === undefined) continue;
      if (last) this.close(open);
      open.delta = null;
    }
    if (this.queue.length === 0) return undefined;
    const queue = this.queue;
    this.queue = [];
    const pieces = 1 + this.joined;
    this.joined = 0;
    for (let i = 0; i < queue.length; i++) {
      const waits = this.emit(queue[i] as Delta, i === 0 ? pieces : 1);
      if (waits !== undefined) return this.emitRest(waits, queue, i + 1);
    }
    return undefined;
  }

  private async emitRest(waits: Promise<void>, queue: Delta[], from: number): Promise<void> {
    await waits;
    for (const delta of queue.slice(from)) await this.emit(delta);
  }

  private add(index: number, delta: Delta): Delta {
    if (index !== 0) delta.index = index;
    this.queue.push(delta);
    return delta;
  }

  private closeChoice(index: number): void {
    const open = this.open[index];
    if (open !== undefined) this.close(open);
  }

  private close(open: Open): void {
    // A lone half is not text: it becomes U+FFFD, as in any UTF-8 encoder.
    const { held } = open;
    open.held = "";
    if (held !== "") {
      if (open.delta !== null && (open.delta[open.key]?.length ?? 0) < MAX_DELTA_CHARS)
        open.delta[open.key] += "\ufffd";
      else this.add(open.index, { [open.key]: "\ufffd" });
    }
    open.delta = null;
  }

  private cut(open: Open, text: string): void {
    const parts = pieces(text);
    for (const part of parts) open.delta = this.add(open.index, { [open.key]: part });
    // Each is given as a piece of its own, and the server's own pieces are in them.
    this.joined -= Math.min(this.joined, parts.length - 1);
  }
}

/** Cuts text into pieces of at most MAX_DELTA_CHARS, never inside a surrogate pair. Empty text gives no pieces. */
function pieces(text: string): string[] {
  if (text.length === 0) return [];
  if (text.length <= MAX_DELTA_CHARS) return [text];
  const all: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + MAX_DELTA_CHARS, text.length);
    if (to < text.length && isHighSurrogate(text.charCodeAt(to - 1))) to--;
    all.push(text.slice(from, to));
    from = to;
  }
  return all;
}
