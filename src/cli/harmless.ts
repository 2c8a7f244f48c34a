// Harmless: makes text from strangers (names, models, answers) safe for a terminal. Control characters, ANSI escapes,
// direction overrides and invisible signs are shown as escapes instead of being obeyed.

/** Unicode categories a terminal may act on or hide: controls, format signs, separators, private use, lone surrogates. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;
/** Letters written from right to left, which would reorder what stands beside them in a row. */
const RIGHT_TO_LEFT = /\p{Script=Hebrew}|\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}/u;
/** More marks on one letter than any language needs: they would paint over the lines above. */
const MARK_PILE = /(\p{M}{4})\p{M}+/gu;
/** Joiners that Persian, Indic scripts and emoji need within running text. */
const JOINERS = new Set(["\u200c", "\u200d"]);
const FIRST_STRONG_ISOLATE = "\u2068";
const POP_ISOLATE = "\u2069";

const asEscape = (sign: string): string => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`;

/** One line of at most `maxChars`, for a cell, a name or an error message. */
export function harmless(text: string, maxChars = 256): string {
  const line = text.replace(UNSAFE, asEscape).replace(MARK_PILE, "$1");
  const signs = Array.from(line);
  const short = signs.length > maxChars ? `${signs.slice(0, maxChars - 1).join("")}…` : line;
  return RIGHT_TO_LEFT.test(short) ? `${FIRST_STRONG_ISOLATE}${short}${POP_ISOLATE}` : short;
}

/** Running text, such as a model's answer: line feeds and tabs stay, as do joiners and every script. */
export function harmlessText(text: string): string {
  return text
    .replace(/\r\n/g, "\n")
    .replace(UNSAFE, (sign) => (sign === "\n" || sign === "\t" || JOINERS.has(sign) ? sign : asEscape(sign)))
    .replace(MARK_PILE, "$1");
}

/** JSON for a terminal or a pipe: the same value, with every sign escaped that a terminal could act on. */
export function harmlessJson(value: unknown, indent = 2): string {
  const utf16 = (sign: string) =>
    Array.from({ length: sign.length }, (_, i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");
  return JSON.stringify(value, null, indent).replace(UNSAFE, (sign) => (sign === "\n" ? sign : utf16(sign)));
}
