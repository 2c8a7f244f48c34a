// Call: examples of calls to paste, right whatever a stranger called a model.

/** What turns text around or hides it, and controls beyond those that JSON escapes anyway. */
const INVISIBLE = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;
const escaped = (sign: string): string =>
  Array.from({ length: sign.length }, (_, i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");

/** JSON in which nothing is invisible; a string of it is one in Python and TypeScript as well. */
export const visibleJson = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(INVISIBLE, escaped);

/** One word of a POSIX shell. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

type More = { flags?: string; headers?: readonly string[] };
/** A call to paste into a POSIX shell. */
export const curlCall = (url: string, path: string, body: object | null, { flags, headers = [] }: More = {}): string =>
  [
    flags === undefined ? `curl ${url}${path}` : `curl ${flags} ${url}${path}`,
    ...headers.map((header) => `-H ${shellWord(header)}`),
    '-H "Authorization: Bearer $INFERNET_API_KEY"',
    ...(body === null ? [] : ["-H 'Content-Type: application/json'", `-d ${shellWord(visibleJson(body, 2))}`]),
  ].join(" \\\n  ");
