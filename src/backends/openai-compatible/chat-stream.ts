// Chat stream: reads the events of a streamed chat completion, or of a plain completion, into an answer. The hot path
// of a node: one call of `push` for each network read, most events by the plain template, the rest by JSON.parse.
import { Answer, type AnswerOptions } from "../answer.ts";
import type { BackendError, Emit, GenerateEnd } from "../backend.ts";
import { completionLogprobs } from "../completion-logprobs.ts";
import { errorInStream } from "../http-errors.ts";
import { PlainTemplate } from "../plain-template.ts";
import { isRecord } from "../record.ts";
import { type SseHandler, SseParser } from "./sse.ts";

type TextKey = "content" | "reasoning_content";
type Plain = { key: TextKey; text: string };

export type ChatStreamOptions = AnswerOptions & {
  /** Choices asked for (`n`). */
  choices?: number;
  /** A plain completion: log probabilities go on in its older form, whichever the server uses. */
  completion?: boolean;
};

export class ChatStream implements SseHandler {
  /** Set when the server reported an error; nothing after it counts. */
  error: BackendError | null = null;
  /** `[DONE]` was seen. */
  done = false;
  /** The server's own name for this answer, for the servers that cancel by it; null until it said one. */
  id: string | null = null;
  private sawEvent = false;
  private readonly choices: number;
  private readonly completion: boolean;
  /** Characters of each choice so far. */
  private readonly lengths: number[] = [];
  private readonly answer: Answer;
  private readonly sse: SseParser;
  private readonly plain = new PlainTemplate();
  private plainKey: TextKey = "content";

  constructor(emit: Emit, { choices = 1, completion = false, ...options }: ChatStreamOptions = {}) {
    this.choices = choices;
    this.completion = completion;
    this.answer = new Answer(emit, options);
    this.sse = new SseParser(this);
  }

  /**
   * Takes what one read gave and emits it. Returns a promise while the reader is behind. Throws RangeError and
   * SyntaxError for nonsense.
   */
  push(text: string): Promise<void> | undefined {
    this.sse.push(text);
    return this.answer.queue.flush();
  }

  /** The body is over. */
  end(): Promise<void> | undefined {
    if (!this.done) this.sse.end();
    return this.answer.queue.flush(true);
  }

  /** The answer's end, or null where the stream broke off: without `[DONE]` every choice needs its finish reason. */
  result(): GenerateEnd | null {
    const { finished, begun } = this.answer;
    const isWhole = this.done || finished >= Math.max(this.choices, begun);
    return this.sawEvent && isWhole ? this.answer.end() : null;
  }

  take(buffer: string, pos: number): number {
    if (this.done || this.error !== null) return -1;
    const after = this.plain.take(buffer, pos);
    if (after >= 0 && this.plain.text !== "") {
      this.answer.queue.text(0, this.plainKey, this.plain.text, this.plain.pieces);
      if (this.completion) this.lengths[0] = (this.lengths[0] ?? 0) + this.plain.text.length;
    }
    return after;
  }

  event(data: string, type: string, raw: string): void {
    if (this.done || this.error !== null || data === "") return;
    if (data === "[DONE]") {
      this.done = true;
      return;
    }
    const event: unknown = JSON.parse(data);
    if (!isRecord(event)) throw new SyntaxError("an event is not an object");
    if (isError(event, type)) {
      this.error = errorInStream(event);
      return;
    }
    this.sawEvent = true;
    this.chunk(event);
    if (raw === "") return;
    const plain = plainText(event);
    if (plain === null) return;
    const at = raw.indexOf(data);
    const { key } = plain;
    if (at < 0) return;
    const source = {
      head: raw.slice(0, at),
      json: data,
      tail: raw.slice(at + data.length),
      text: plain.text,
      ignored: "",
    };
    this.plain.learn(source, (parsed, text) => {
      const found = isRecord(parsed) ? plainText(parsed) : null;
      if (found?.key !== key || found.text !== text) return false;
      this.plainKey = key;
      return true;
    });
  }

  /** One `chat.completion.chunk`, or a whole `chat.completion`, whose `message` stands for `delta`. */
  chunk(event: Record<string, unknown>): void {
    this.sawEvent = true;
    const { usage, choices } = event;
    if (this.id === null && typeof event.id === "string" && event.id !== "") this.id = event.id;
    this.usage(usage);
    if (!Array.isArray(choices)) return;
    for (const choice of choices) if (isRecord(choice)) this.choice(choice);
  }

  private usage(usage: unknown): void {
    if (isRecord(usage)) this.answer.setUsage(usage.prompt_tokens, usage.completion_tokens);
  }

  private choice(choice: Record<string, unknown>): void {
    const index = typeof choice.index === "number" ? choice.index : 0;
    const { answer } = this;
    answer.choice(index);
    // Exo has room for it here too.
    this.usage(choice.usage);
    const found = choice.delta ?? choice.message;
    const delta = isRecord(found) ? found : {};
    const reasoning = reasoningOf(delta);
    if (typeof reasoning === "string" && reasoning !== "") answer.queue.text(index, "reasoning_content", reasoning);
    // A plain completion has its text right in the choice.
    const content = contentText(delta.content ?? choice.text);
    const { logprobs } = choice;
    if (logprobs !== undefined && logprobs !== null) {
      answer.queue.withLogprobs(index, content, this.logprobs(index, logprobs));
    } else if (content !== "") answer.queue.text(index, "content", content);
    this.lengths[index] = (this.lengths[index] ?? 0) + content.length;
    if (typeof delta.refusal === "string" && delta.refusal !== "") {
      answer.queue.text(index, "refusal", delta.refusal);
    }
    if (Array.isArray(delta.tool_calls)) answer.toolCalls(index, delta.tool_calls);
    // OpenAI's older form of a single call.
    if (isRecord(delta.function_call)) answer.toolCalls(index, [{ index: 0, function: delta.function_call }]);
    const reason = finishText(choice.finish_reason);
    if (reason !== null) this.finish(index, reason);
  }

  /** llama.cpp answers completions with the form of chats. */
  private logprobs(index: number, logprobs: unknown): unknown {
    const content = this.completion && isRecord(logprobs) ? logprobs.content : null;
    return Array.isArray(content) ? completionLogprobs(content, this.lengths[index] ?? 0) : logprobs;
  }

  private finish(index: number, reason: string): void {
    if (GIVEN_UP.has(reason)) {
      this.error = { code: "backend_failed", message: `the backend gave up the answer (finish_reason "${reason}")` };
    } else this.answer.finish(index, reason);
  }
}

/** Reasons that mean that the answer is not whole. */
const GIVEN_UP = new Set(["error", "abort", "aborted", "cancelled", "canceled"]);

/** A reason as text, or SGLang's native form, an object with its type. */
function finishText(reason: unknown): string | null {
  const text = isRecord(reason) ? reason.type : reason;
  return typeof text === "string" && text !== "" ? text : null;
}

/** `reasoning_content` of llama.cpp, SGLang, Exo and DeepSeek; `reasoning` of newer vLLM. */
const reasoningOf = (delta: Record<string, unknown>): unknown =>
  isEmpty(delta.reasoning_content) ? delta.reasoning : delta.reasoning_content;

const isError = (event: Record<string, unknown>, type: string): boolean =>
  (event.error !== undefined && event.error !== null) ||
  event.object === "error" ||
  (type === "error" && event.choices === undefined);

/** Text, or the text parts of OpenAI's list form. */
function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (isRecord(part) && typeof part.text === "string" ? part.text : "")).join("");
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

/** The text of an event that means nothing but text (or reasoning) of choice 0; null for every other event. */
function plainText(event: Record<string, unknown>): Plain | null {
  const { choices } = event;
  if (!Array.isArray(choices) || choices.length !== 1 || isRecord(event.usage) || isError(event, "")) return null;
  const choice: unknown = choices[0];
  if (!isRecord(choice)) return null;
  const { index = 0, delta = {}, logprobs, text, usage } = choice;
  if (index !== 0 || !isRecord(delta) || isRecord(usage) || finishText(choice.finish_reason) !== null) return null;
  if ((logprobs !== undefined && logprobs !== null) || choice.message !== undefined) return null;
  if (!isEmpty(delta.tool_calls) || !isEmpty(delta.refusal) || !isEmpty(delta.function_call)) return null;
  const reasoning = reasoningOf(delta);
  const content = delta.content ?? text;
  if (typeof content === "string" && content !== "" && isEmpty(reasoning)) return { key: "content", text: content };
  if (typeof reasoning === "string" && isEmpty(content)) return { key: "reasoning_content", text: reasoning };
  return null;
}
