// Plain template: the shortcut around JSON.parse for streamed text. Servers send thousands of events that differ in
// one string only. After one such event was parsed in full, what stands before and after its text is remembered; a
// following event with the same surroundings is read by comparing them. What is skipped is proved equal: a JSON string
// in the place of a value can be exchanged for another without changing the rest of the document.

/** Learning costs more than parsing, so a server whose events all differ is left alone after this many lessons. */
const MAX_LESSONS_WITHOUT_USE = 8;
/** Occurrences of the text in its event that are tried as its place. */
const MAX_CANDIDATES = 4;
const PROBE = "\u2205infernet probe\u2205";

const QUOTE = 34;
const BACKSLASH = 92;

/** Says whether the event's whole meaning is its text: parsed, it must give exactly `text` and nothing else new. */
export type IsPlain = (parsed: unknown, text: string) => boolean;

export class PlainTemplate {
  /** The text that the last successful `take` found. */
  text = "";
  private prefix = "";
  private suffix = "";
  private lessons = 0;

  /**
   * Reads one event at `pos` of `buffer`. Returns the position after it, or -1 where it is not of the known form
   * (then nothing is consumed and the caller parses it in full).
   */
  take(buffer: string, pos: number): number {
    const prefix = this.prefix;
    if (prefix === "" || !buffer.startsWith(prefix, pos)) return -1;
    const start = pos + prefix.length;
    const length = buffer.length;
    let escaped = false;
    let end = start;
    for (; end < length; end++) {
      const code = buffer.charCodeAt(end);
      if (code === QUOTE) break;
      if (code < 32) return -1;
      if (code !== BACKSLASH) continue;
      escaped = true;
      end++;
    }
    if (!buffer.startsWith(this.suffix, end)) return -1;
    const text = escaped ? parseLiteral(buffer.slice(start - 1, end + 1)) : buffer.slice(start, end);
    if (text === null) return -1;
    this.text = text;
    this.lessons = 0;
    return end + this.suffix.length;
  }

  /**
   * Learns from an event that was parsed in full and meant nothing but `text`. `head` and `tail` are what stands around
   * the JSON document `json` (`data: ` and the line ends, say).
   */
  learn(head: string, json: string, tail: string, text: string, isPlain: IsPlain): void {
    if (text === "" || this.lessons >= MAX_LESSONS_WITHOUT_USE) return;
    this.lessons++;
    const literal = `"${text}"`;
    let at = json.indexOf(literal);
    for (let tries = 0; at >= 0 && tries < MAX_CANDIDATES; tries++) {
      const before = json.slice(0, at + 1);
      const after = json.slice(at + literal.length - 1);
      if (isPlainWith(before, after, isPlain)) {
        this.prefix = head + before;
        this.suffix = after + tail;
        return;
      }
      at = json.indexOf(literal, at + 1);
    }
  }
}

function isPlainWith(before: string, after: string, isPlain: IsPlain): boolean {
  try {
    return isPlain(JSON.parse(`${before}${PROBE}${after}`), PROBE);
  } catch {
    return false; // The place was not a string of the document.
  }
}

/** The value of a JSON string literal, quotes included; null where it is none. */
function parseLiteral(literal: string): string | null {
  try {
    const value: unknown = JSON.parse(literal);
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}
