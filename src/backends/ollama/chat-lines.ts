// Chat lines: reads the NDJSON of Ollama's `/api/chat` into an answer. Most lines differ in text and time only and are
// read by the plain template.
import { randomHex } from "../../lib/hex.ts";
import { Answer } from "../answer.ts";
import type { BackendError, Emit, GenerateEnd } from "../backend.ts";
import { errorInStream } from "../http-errors.ts";
import { PlainTemplate } from "../plain-template.ts";
import { isRecord } from "../record.ts";

const MAX_LINE_CHARS = 16 * 1024 * 1024;

type TextKey = "content" | "reasoning_content";

export class ChatLines {
  /** Set when the server reported an error; nothing after it counts. */
  error: BackendError | null = null;
  /** The line with `done: true` was seen. */
  done = false;
  private readonly answer: Answer;
  private readonly plain = new PlainTemplate();
  private plainKey: TextKey = "content";
  /** A line without its end, in the pieces it came in. */
  private waiting: string[] = [];
  private waitingChars = 0;

  constructor(emit: Emit) {
    this.answer = new Answer(emit);
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
    return this.answer.queue.flush(true);
  }

  /** The answer's end, or null where the stream broke off. */
  result(): GenerateEnd | null {
    return this.done ? this.answer.end() : null;
  }

  private wait(text: string): void {
    this.waitingChars += text.length;
    if (this.waitingChars > MAX_LINE_CHARS) throw new RangeError("line too long");
    this.waiting.push(text);
  }

  private take(text: string, pos: number): number {
    if (this.done || this.error !== null) return -1;
    const after = this.plain.take(text, pos);
    if (after >= 0 && this.plain.text !== "") this.answer.queue.text(0, this.plainKey, this.plain.text);
    return after;
  }

  private line(source: string): void {
    if (this.done || this.error !== null || source.trim() === "") return;
    const line: unknown = JSON.parse(source);
    if (!isRecord(line)) throw new SyntaxError("a line is not an object");
    if (line.error !== undefined && line.error !== null) {
      this.error = errorInStream(line);
      return;
    }
    this.message(line);
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

  private message(line: Record<string, unknown>): void {
    const { answer } = this;
    answer.choice(0);
    const message = isRecord(line.message) ? line.message : {};
    const { thinking, tool_calls: calls } = message;
    const content = typeof message.content === "string" ? message.content : "";
    if (typeof thinking === "string" && thinking !== "") answer.queue.text(0, "reasoning_content", thinking);
    if (Array.isArray(line.logprobs) && line.logprobs.length > 0) {
      answer.queue.withLogprobs(0, content, { content: line.logprobs });
    } else if (content !== "") answer.queue.text(0, "content", content);
    // Each call comes whole, without index; an id of our own keeps calls apart where there is none.
    if (Array.isArray(calls)) {
      answer.toolCalls(
        0,
        calls.filter(isRecord).map((call) => ({ id: `call_${randomHex(12)}`, ...withoutIndex(call) })),
      );
    }
  }

  private finish(line: Record<string, unknown>): void {
    this.done = true;
    const reason = line.done_reason;
    this.answer.finish(0, typeof reason === "string" ? reason : "stop");
    // Ollama leaves out what is 0.
    this.answer.setUsage(line.prompt_eval_count ?? 0, line.eval_count ?? 0);
  }
}

function withoutIndex(call: Record<string, unknown>): Record<string, unknown> {
  const { index: _, ...rest } = call;
  return rest;
}

/** The text of a line that means nothing but text (or thinking); null for every other line. */
function plainText(line: Record<string, unknown>): { key: TextKey; text: string } | null {
  const { message, done, error, logprobs } = line;
  if (done === true || !isRecord(message) || (error !== undefined && error !== null)) return null;
  if ((logprobs !== undefined && logprobs !== null) || message.tool_calls !== undefined) return null;
  const { content, thinking } = message;
  if (typeof content === "string" && content !== "" && (thinking === undefined || thinking === "")) {
    return { key: "content", text: content };
  }
  const isThinking = typeof thinking === "string" && (content === undefined || content === "");
  return isThinking ? { key: "reasoning_content", text: thinking } : null;
}
