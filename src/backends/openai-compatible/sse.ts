// SSE: splits a server-sent event stream into events (WHATWG HTML §9.2.6). Text comes in pieces of any size; what is
// not yet a whole event waits for the next piece. The one deviation: at the end of the stream an event that lacks its
// blank line is still given, because servers forget it.

/** Longest event, in UTF-16 units; a server that sends more is broken. */
export const MAX_EVENT_CHARS = 16 * 1024 * 1024;

export type SseHandler = {
  /** Reads whole events from `pos` on by a shortcut and returns the position after them, or -1. */
  take(buffer: string, pos: number): number;
  /**
   * One event. `raw` is its exact source, blank line included, where it was a single `data` line, else "".
   * `type` is the `event` field, "" where there was none.
   */
  event(data: string, type: string, raw: string): void;
};

export class SseParser {
  private readonly handler: SseHandler;
  /** Text without a line end that waits for more; joined only when one comes. */
  private waiting: string[] = [];
  private waitingChars = 0;
  private data: string | null = null;
  private type = "";
  private afterCr = false;
  private atStart = true;
  private fieldsInEvent = 0;

  constructor(handler: SseHandler) {
    this.handler = handler;
  }

  /** Takes the next piece. Throws RangeError when an event is too long. */
  push(piece: string): void {
    let text = piece;
    if (this.afterCr && text !== "") {
      this.afterCr = false;
      if (text.charCodeAt(0) === 10) text = text.slice(1);
    }
    if (text === "") return;
    if (this.waiting.length > 0) {
      if (!text.includes("\n") && !text.includes("\r")) {
        this.wait(text);
        return;
      }
      text = this.waiting.join("") + text;
      this.waiting = [];
      this.waitingChars = 0;
    }
    if (this.atStart) {
      this.atStart = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    const rest = this.parse(text);
    if (rest < text.length) this.wait(text.slice(rest));
  }

  /** The stream is over. */
  end(): void {
    if (this.waiting.length > 0) {
      const line = this.waiting.join("");
      this.waiting = [];
      this.field(line, 0, line.length);
    }
    this.dispatch("");
  }

  private wait(text: string): void {
    this.waitingChars += text.length;
    if (this.waitingChars > MAX_EVENT_CHARS) throw new RangeError("event too long");
    this.waiting.push(text);
  }

  /** Reads all whole lines of `text`; returns where the unfinished one begins. */
  private parse(text: string): number {
    let pos = 0;
    let eventStart = 0;
    /** Where the next carriage return is, -1 for none; looked for when first needed. */
    let nextCr = -2;
    while (pos < text.length) {
      if (this.fieldsInEvent === 0) {
        const after = this.handler.take(text, pos);
        if (after >= 0) {
          pos = after;
          eventStart = after;
          continue;
        }
      }
      if (nextCr === -2 || (nextCr >= 0 && nextCr < pos)) nextCr = text.indexOf("\r", pos);
      let end = text.indexOf("\n", pos);
      let next = end + 1;
      if (nextCr >= 0 && (end < 0 || nextCr < end)) {
        end = nextCr;
        next = text.charCodeAt(end + 1) === 10 ? end + 2 : end + 1;
        if (next === text.length && next === end + 1) this.afterCr = true;
      }
      if (end < 0) return pos;
      if (end > pos) {
        if (this.fieldsInEvent === 0) eventStart = pos;
        this.field(text, pos, end);
      } else {
        this.dispatch(this.fieldsInEvent === 1 && eventStart >= 0 ? text.slice(eventStart, next) : "");
      }
      pos = next;
      if (this.fieldsInEvent === 0) eventStart = pos;
    }
    // An event that goes on in the next piece has no source in one part.
    if (this.fieldsInEvent > 0) this.fieldsInEvent = 2;
    return pos;
  }

  private field(text: string, start: number, end: number): void {
    this.fieldsInEvent++;
    const colon = text.indexOf(":", start);
    const nameEnd = colon < 0 || colon > end ? end : colon;
    if (nameEnd === start) return; // A comment.
    const name = text.slice(start, nameEnd);
    let from = Math.min(nameEnd + 1, end);
    if (text.charCodeAt(from) === 32 && from < end) from++;
    const value = text.slice(from, end);
    // llama.cpp's server once sent its errors as a field of that name.
    if (name === "data" || name === "error") this.addData(value);
    else if (name === "event") this.type = value;
  }

  private addData(value: string): void {
    this.data = this.data === null ? value : `${this.data}\n${value}`;
    if (this.data.length > MAX_EVENT_CHARS) throw new RangeError("event too long");
  }

  private dispatch(raw: string): void {
    const { data, type } = this;
    this.data = null;
    this.type = "";
    this.fieldsInEvent = 0;
    if (data !== null) this.handler.event(data, type, raw);
  }
}
