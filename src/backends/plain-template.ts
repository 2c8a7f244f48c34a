// Plain template: the shortcut around JSON.parse for streamed text. Servers send thousands of events that differ in
// one string only. After one such event was parsed in full, what stands before and after its text is remembered; a
// following event with the same surroundings is read by comparing them. What is skipped is proved equal: a JSON string
// in the place of a value can be exchanged for another without changing the rest of the document.

/** Learning costs more than parsing, so a server whose events all differ is left alone after this many lessons. */
const MAX_LESSONS_WITHOUT_USE = 8;
/** Occurrences of the text in its event that are tried as its place. */
const MAX_CANDIDATES = 4;
const PROBE = "\u2205text\u2205";
const IGNORED_PROBE = "\u2205ignored\u2205";

const QUOTE = 34;
const BACKSLASH = 92;

/** An event's source around its text. `ignored` is another string of it that changes and means nothing, "" for none. */
export type EventSource = { head: string; json: string; tail: string; text: string; ignored: string };

/** Says whether the event's whole meaning is `text`; `ignored` must be the string that means nothing. */
export type IsPlain = (parsed: unknown, text: string, ignored: string) => boolean;

export class PlainTemplate {
  /** The text that the last successful `take` found, of all its events together. */
  text = "";
  /** How many of those had any. */
  pieces = 0;
  /** Up to the ignored string where there is one, else up to the text. */
  private first = "";
  /** From the ignored string to the text; "" where there is none. */
  private middle = "";
  private suffix = "";
  /** What stands between one text and the next (or the next ignored string): the end of an event and a beginning. */
  private joint = "";
  private lessons = 0;

  /**
   * Reads as many events as follow one another at `pos` of `buffer`; their texts are joined. Returns the position after
   * them, or -1 where the first is not of the known form (then nothing is consumed and the caller parses it in full).
   */
  take(buffer: string, pos: number): number {
    const { first, middle, suffix } = this;
    if (first === "" || !buffer.startsWith(first, pos)) return -1;
    let text = "";
    let pieces = 0;
    let after = -1;
    for (let start = pos + first.length; ; start = after + first.length) {
      if (middle !== "") {
        const ignoredEnd = literalEnd(buffer, start);
        if (ignoredEnd < 0 || !buffer.startsWith(middle, ignoredEnd)) break;
        start = ignoredEnd + middle.length;
      }
      const plainEnd = literalEnd(buffer, start);
      const end = plainEnd >= 0 ? plainEnd : escapedEnd(buffer, start);
      if (end < 0) break;
      const goesOn = buffer.startsWith(this.joint, end);
      if (!goesOn && !buffer.startsWith(suffix, end)) break;
      const piece = plainEnd >= 0 ? buffer.slice(start, end) : parseLiteral(buffer.slice(start - 1, end + 1));
      if (piece === null) break;
      text += piece;
      if (piece !== "") pieces++;
      after = end + suffix.length;
      if (!goesOn) break;
    }
    if (after < 0) return -1;
    this.text = text;
    this.pieces = pieces;
    this.lessons = 0;
    return after;
  }

  /** Learns from an event that was parsed in full and meant nothing but its text. */
  learn({ head, json, tail, text, ignored }: EventSource, isPlain: IsPlain): void {
    if (text === "" || this.lessons >= MAX_LESSONS_WITHOUT_USE) return;
    this.lessons++;
    const literal = `"${text}"`;
    let at = json.indexOf(literal);
    for (let tries = 0; at >= 0 && tries < MAX_CANDIDATES; tries++) {
      const before = json.slice(0, at + 1);
      const after = json.slice(at + literal.length - 1);
      const [first, middle] = splitAt(before, ignored);
      if (isPlainWith(first, middle, after, isPlain)) {
        this.first = head + first;
        this.middle = middle;
        this.suffix = after + tail;
        this.joint = this.suffix + this.first;
        return;
      }
      at = json.indexOf(literal, at + 1);
    }
  }
}

/** Where the string literal that begins before `start` ends; -1 where it holds an escape or is broken. */
function literalEnd(buffer: string, start: number): number {
  const { length } = buffer;
  for (let at = start; at < length; at++) {
    const code = buffer.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code < 32 || code === BACKSLASH) return -1;
  }
  return -1;
}

/** The same for a literal with escapes, which are not checked here. */
function escapedEnd(buffer: string, start: number): number {
  const { length } = buffer;
  for (let at = start; at < length; at++) {
    const code = buffer.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code < 32) return -1;
    if (code === BACKSLASH) at++;
  }
  return -1;
}

/** Cuts the ignored string out of what stands before the text. */
function splitAt(before: string, ignored: string): [string, string] {
  const at = ignored === "" ? -1 : before.indexOf(`"${ignored}"`);
  return at < 0 ? [before, ""] : [before.slice(0, at + 1), before.slice(at + 1 + ignored.length)];
}

function isPlainWith(first: string, middle: string, after: string, isPlain: IsPlain): boolean {
  const before = middle === "" ? first : `${first}${IGNORED_PROBE}${middle}`;
  try {
    return isPlain(JSON.parse(`${before}${PROBE}${after}`), PROBE, middle === "" ? "" : IGNORED_PROBE);
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
