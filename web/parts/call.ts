// Call: examples of calls to paste, right whatever a stranger called a model.

/** What turns text around or hides it, and controls beyond those that JSON escapes anyway. */
const INVISIBLE = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;
const escaped = (sign: string): string =>
  Array.from({ length: sign.length }, (_, i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");

/** Characters of a line of JSON; what fits stands on one. */
const LINE_CHARS = 72;

/** JSON in which nothing is invisible; a string of it is one in Python and TypeScript as well. */
export const visibleJson = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(INVISIBLE, escaped);

/** The same, over lines as people write them: two signs of indent, short lists and objects on one line. */
export function writtenJson(value: unknown, indent = ""): string {
  const isList = Array.isArray(value);
  if (!isList && (typeof value !== "object" || value === null)) return visibleJson(value);
  const inner = `${indent}  `;
  const parts = (indentOf: string): string[] =>
    isList
      ? value.map((one) => writtenJson(one, indentOf))
      : Object.entries(value).map(([name, one]) => `${visibleJson(name)}: ${writtenJson(one, indentOf)}`);
  const [open, close] = isList ? ["[", "]"] : ["{ ", " }"];
  const line = `${open}${parts("").join(", ")}${close}`;
  if (!line.includes("\n") && indent.length + line.length <= LINE_CHARS) return line;
  return `${open.trim()}\n${inner}${parts(inner).join(`,\n${inner}`)}\n${indent}${close.trim()}`;
}

/** One word of a POSIX shell. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

type More = { flags?: string; headers?: readonly string[] };
/** A call to paste into a POSIX shell. */
export const curlCall = (url: string, path: string, body: object | null, { flags, headers = [] }: More = {}): string =>
  [
    flags === undefined ? `curl ${url}${path}` : `curl ${flags} ${url}${path}`,
    ...headers.map((header) => `-H ${shellWord(header)}`),
    '-H "Authorization: Bearer $INFERNET_API_KEY"',
    ...(body === null ? [] : ["-H 'Content-Type: application/json'", `-d ${shellWord(writtenJson(body, "  "))}`]),
  ].join(" \\\n  ");
