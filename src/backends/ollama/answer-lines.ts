// Answer lines: reads the NDJSON of Ollama's `/api/chat` and `/api/generate` into an answer. Most lines differ in text
// and time only and are read by the plain template.
import { randomHex } from "../../lib/hex.ts";
import type { Usage } from "../../protocol/generation.ts";
import type { Answer } from "../answer.ts";
import type { BackendError } from "../backend.ts";
import { completionLogprobs } from "../completion-logprobs.ts";
import { errorInStream } from "../http-errors.ts";
import { PlainTemplate } from "../plain-template.ts";
import { isRecord } from "../record.ts";
import { isLoop, LOOP_TAIL_CHARS } from "./loop.ts";

const MAX_LINE_CHARS = 16 * 1024 * 1024;

type TextKey = "content" | "reasoning_content";

export type AnswerLinesOptions = {
  /** The choice that is read. */
  index?: number;
  /** `/v1/completions` has a form of logprobs of its own. */
  completion?: boolean;
};

export class AnswerLines {
  /** Set when the server reported an error; nothing after it counts. */
  error: BackendError | null = null;
  /** The line with `done: true` was seen. */
  done = false;
  /** Set with `done`; null where the server ended without a count. */
  usage: Usage | null = null;
  private readonly answer: Answer;
  private readonly index: number;
  private readonly completion: boolean;
  private readonly plain = new PlainTemplate();
  private plainKey: TextKey = "content";
  /** A line without its end, in the pieces it came in. */
  private waiting: string[] = [];
  private waitingChars = 0;
  /** Content so far, counted where logprobs need it. */
  private contentChars = 0;
  private tail = "";

  constructor(answer: Answer, { index = 0, completion = false }: AnswerLinesOptions = {}) {
    this.answer = answer;
    this.index = index;
    this.completion = completion;
  }

  /**
   * Takes what one read gave and emits it. Returns a promise while the reader is behind. Throws RangeError and
   * SyntaxError for nonsense.
   */
  push(piece: string): Promise<void> | undefined {
    if (!piece.includes("\n")) {
      this.wait(piece);
      return undefined;
    }
    const text = this.waiting.length === 0 ? piece : this.waiting.join("") + piece;
    this.waiting = [];
    this.waitingChars = 0;
    let pos = 0;
    while (pos < text.length) {
      const after = this.take(text, pos);
      if (after >= 0) {
        pos = after;
        continue;
      }
      const end = text.indexOf("\n", pos);
      if (end < 0) break;
      this.line(text.slice(pos, end));
      pos = end + 1;
    }
    if (pos < text.length) this.wait(text.slice(pos));
    return this.answer.queue.flush();
  }

  /** The body is over; a last line may lack its end. */
  end(): Promise<void> | undefined {
    const rest = this.waiting.join("");
    this.waiting = [];
    this.line(rest);
    if (!this.done && this.error === null && isLoop(this.tail)) this.finish({ done_reason: "length" });
    return this.answer.queue.flush(true);
  }

  private wait(text: string): void {
    this.waitingChars += text.length;
    if (this.waitingChars > MAX_LINE_CHARS) throw new RangeError("line too long");
    this.waiting.push(text);
  }

  private take(text: string, pos: number): number {
    if (this.done || this.error !== null) return -1;
    const after = this.plain.take(text, pos);
    if (after >= 0 && this.plain.text !== "") this.text(this.plainKey, this.plain.text, this.plain.pieces);
    return after;
  }

  private text(key: TextKey, text: string, pieces = 1): void {
    this.tail = (this.tail + text).slice(-LOOP_TAIL_CHARS);
    this.answer.queue.text(this.index, key, text, pieces);
  }

  private line(source: string): void {
    if (this.done || this.error !== null || source.trim() === "") return;
    const line: unknown = JSON.parse(source);
    if (!isRecord(line)) throw new SyntaxError("a line is not an object");
    if (line.error !== undefined && line.error !== null) {
      this.error = errorInStream(line);
      return;
    }
    this.message(line, messageOf(line));
    if (line.done === true) this.finish(line);
    const plain = plainText(line);
    if (plain === null) return;
    const ignored = typeof line.created_at === "string" ? line.created_at : "";
    this.plain.learn({ head: "", json: source, tail: "\n", text: plain.text, ignored }, (parsed, text, stamp) => {
      const found = isRecord(parsed) ? plainText(parsed) : null;
      if (!isRecord(parsed) || found?.key !== plain.key || found.text !== text) return false;
      if (stamp !== "" && parsed.created_at !== stamp) return false;
      this.plainKey = plain.key;
      return true;
    });
  }

  private message(line: Record<string, unknown>, { content, thinking, tool_calls: calls }: Message): void {
    const { answer, index } = this;
    answer.choice(index);
    if (thinking !== "") this.text("reasoning_content", thinking);
    if (Array.isArray(line.logprobs) && line.logprobs.length > 0) this.logprobs(content, line.logprobs);
    else if (content !== "") this.text("content", content);
    // Each call comes whole, without index; an id of our own keeps calls apart where there is none.
    if (Array.isArray(calls)) {
      answer.toolCalls(
        index,
        calls.filter(isRecord).map((call) => ({ id: `call_${randomHex(12)}`, ...withoutIndex(call) })),
      );
    }
  }

  private logprobs(content: string, list: unknown[]): void {
    const logprobs = this.completion ? completionLogprobs(list, this.contentChars) : { content: list };
    this.contentChars += content.length;
    this.tail = (this.tail + content).slice(-LOOP_TAIL_CHARS);
    this.answer.queue.withLogprobs(this.index, content, logprobs);
  }

  private finish(line: Record<string, unknown>): void {
    this.done = true;
    const reason = line.done_reason;
    this.answer.finish(this.index, typeof reason === "string" ? reason : "stop");
    if (line.done !== true) return;
    // Ollama leaves out what is 0.
    this.usage = { prompt_tokens: count(line.prompt_eval_count), completion_tokens: count(line.eval_count) };
  }
}

const count = (value: unknown): number =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31 ? value : 0;

type Message = { content: string; thinking: string; tool_calls: unknown };

/** What a line says: `message` of a chat, or `response` and `thinking` of a completion. */
function messageOf(line: Record<string, unknown>): Message {
  const message = isRecord(line.message)
    ? line.message
    : { content: line.response, thinking: line.thinking, tool_calls: line.tool_calls };
  const { content, thinking, tool_calls } = message;
  return {
    content: typeof content === "string" ? content : "",
    thinking: typeof thinking === "string" ? thinking : "",
    tool_calls,
  };
}

function withoutIndex(call: Record<string, unknown>): Record<string, unknown> {
  const { function: fn } = call;
  const { index: _, ...rest } = call;
  if (!isRecord(fn)) return rest;
  const { index: __, ...named } = fn;
  return { ...rest, function: named };
}

/** The text of a line that means nothing but text (or thinking); null for every other line. */
function plainText(line: Record<string, unknown>): { key: TextKey; text: string } | null {
  const { done, error, logprobs } = line;
  if (done === true || (error !== undefined && error !== null)) return null;
  if (logprobs !== undefined && logprobs !== null) return null;
  const { content, thinking, tool_calls: calls } = messageOf(line);
  if (calls !== undefined && calls !== null) return null;
  if (content !== "") return thinking === "" ? { key: "content", text: content } : null;
  return thinking === "" ? null : { key: "reasoning_content", text: thinking };
}
