// Load answer: decides whether one reply is complete and right. Works on bytes held as latin1 text (one character a
// byte), which costs the client least. Every reply needs the exact text for the tokens asked for, a finish reason and,
// streamed, `[DONE]`; anything else has a reason.
import { replyText } from "./tokens.ts";

export type Mode = "unary" | "stream";

type OpenaiReply = {
  error?: unknown;
  choices?: { delta?: { content?: string }; message?: { content?: string }; finish_reason?: string | null }[];
  usage?: { completion_tokens?: number } | null;
};

const DATA = 100; // "d", the first letter of an SSE data line
const CONTENT_KEY = '"content":"';
const toBytes = (text: string) => Buffer.from(text, "utf8").toString("latin1");
const fromBytes = (text: string) => Buffer.from(text, "latin1").toString("utf8");

/** Checks the replies of one connection, one after another: `begin`, `feed` for each piece of body, `verdict`. */
export class AnswerCheck {
  /** When the current reply's first content came (performance.now()); 0 before. */
  firstTokenAt = 0;
  /** SSE data events over all replies. */
  events = 0;
  /** The reply carried `usage`. */
  usageSeen = false;

  readonly #mode: Mode;
  readonly #tokens: number;
  readonly #text: string;
  readonly #bytes: string;
  #status = 0;
  #parseAll = false;
  #body = "";
  #line = "";
  #matched = 0;
  #done = false;
  #finished = false;
  #wrong = "";

  constructor(mode: Mode, tokens: number) {
    this.#mode = mode;
    this.#tokens = tokens;
    this.#text = replyText(tokens);
    this.#bytes = toBytes(this.#text);
  }

  /** Starts a new reply. With `parseAll` each event is parsed as JSON instead of being searched for its content. */
  begin(parseAll: boolean): void {
    this.firstTokenAt = 0;
    this.usageSeen = false;
    this.#parseAll = parseAll;
    this.#status = 0;
    this.#body = "";
    this.#line = "";
    this.#matched = 0;
    this.#done = false;
    this.#finished = false;
    this.#wrong = "";
  }

  /** The status line has been read. */
  status(code: number): void {
    this.#status = code;
  }

  /** The body so far where it is not read as a stream: an error's text, or a whole reply. */
  get body(): string {
    return this.#body;
  }

  feed(piece: string): void {
    if (this.#mode === "unary" || this.#status !== 200) {
      this.#body += piece;
      return;
    }
    const text = this.#line ? this.#line + piece : piece;
    let from = 0;
    for (let to = text.indexOf("\n"); to >= 0; to = text.indexOf("\n", from)) {
      if (to > from + 1 && text.charCodeAt(from) === DATA) this.#event(text, from, to);
      from = to + 1;
    }
    this.#line = from < text.length ? text.slice(from) : "";
  }

  /** Null for a right reply, else why it is wrong. */
  verdict(): string | null {
    if (this.#status !== 200) return `status-${this.#status}`;
    return this.#mode === "stream" ? this.#streamVerdict() : this.#unaryVerdict();
  }

  #take(content: string): void {
    if (!content) return;
    if (!this.firstTokenAt) this.firstTokenAt = performance.now();
    if (!this.#bytes.startsWith(content, this.#matched)) this.#wrong ||= "wrong-text";
    this.#matched += content.length;
  }

  #event(text: string, from: number, to: number): void {
    if (!text.startsWith("data:", from)) return;
    this.events++;
    if (text.startsWith("[DONE]", from + 6) || text.startsWith("[DONE]", from + 5)) {
      this.#done = true;
      return;
    }
    if (this.#done) {
      this.#wrong ||= "after-done";
      return;
    }
    if (!this.#parseAll && this.#plainEvent(text, from, to)) return;
    this.#parsedEvent(text.slice(from + 5, to));
  }

  /** Takes an event's content without parsing it; false where it holds none or an escape. */
  #plainEvent(text: string, from: number, to: number): boolean {
    const key = text.indexOf(CONTENT_KEY, from);
    if (key < 0 || key >= to) return false;
    const start = key + CONTENT_KEY.length;
    const end = text.indexOf('"', start);
    if (end <= 0 || end >= to || text.lastIndexOf("\\", end) >= key) return false;
    this.#take(text.slice(start, end));
    if (text.slice(end, to).includes('"finish_reason":"')) this.#finished = true;
    return end > start;
  }

  #parsedEvent(json: string): void {
    const event = parsed(json);
    if (!event) {
      this.#wrong ||= "bad-json";
      return;
    }
    if (event.error) {
      this.#wrong ||= "error-event";
      return;
    }
    const choice = event.choices?.[0];
    if (choice?.delta?.content) this.#take(toBytes(choice.delta.content));
    if (choice?.finish_reason) this.#finished = true;
    this.#usage(event);
  }

  #usage(reply: OpenaiReply): void {
    if (!reply.usage) return;
    this.usageSeen = true;
    if (reply.usage.completion_tokens !== this.#tokens) this.#wrong ||= "wrong-usage";
  }

  #streamVerdict(): string | null {
    if (this.#wrong && this.#wrong !== "wrong-usage") return this.#wrong;
    if (this.#matched !== this.#bytes.length)
      return this.#matched < this.#bytes.length ? "missing-tokens" : "extra-tokens";
    if (!this.#done) return "no-DONE";
    if (!this.#finished) return "no-finish-reason";
    return this.#wrong || null;
  }

  #unaryVerdict(): string | null {
    const reply = parsed(this.#body);
    if (!reply) return "bad-json";
    const choice = reply.choices?.[0];
    if (choice?.message?.content !== this.#text) return "wrong-text";
    if (!choice.finish_reason) return "no-finish-reason";
    this.#usage(reply);
    return this.#wrong || null;
  }
}

function parsed(bytes: string): OpenaiReply | null {
  try {
    const value: unknown = JSON.parse(fromBytes(bytes));
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
