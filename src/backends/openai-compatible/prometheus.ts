// Prometheus: reads the text format in which inference servers give their metrics (exposition format 0.0.4 and
// OpenMetrics). Strict on each sample, tolerant of the page: a line that is no sample is left out.

/** One line: `name{labels} value`. */
export type Sample = { name: string; labels: Record<string, string>; value: number };

/** More than any server has; what is beyond is left out. */
const MAX_SAMPLES = 20_000;

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,?)/y;
/** The value, and perhaps a timestamp or an exemplar behind it. */
const VALUE = /\s*([+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|Inf(?:inity)?|NaN))(?:\s.*)?$/iy;

/** The page's samples, in order. */
export function parsePrometheus(page: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of page.split("\n")) {
    if (samples.length >= MAX_SAMPLES) break;
    const sample = parseLine(line.trim());
    if (sample !== null) samples.push(sample);
  }
  return samples;
}

function parseLine(line: string): Sample | null {
  if (line === "" || line.startsWith("#")) return null;
  NAME.lastIndex = 0;
  const name = NAME.exec(line)?.[0];
  if (name === undefined) return null;
  let at = name.length;
  let labels: Record<string, string> = {};
  if (line[at] === "{") {
    const read = readLabels(line, at + 1);
    if (read === null) return null;
    labels = read.labels;
    at = read.after;
  }
  VALUE.lastIndex = at;
  const value = VALUE.exec(line)?.[1];
  return value === undefined ? null : { name, labels, value: toNumber(value) };
}

function readLabels(line: string, from: number): { labels: Record<string, string>; after: number } | null {
  const labels: Record<string, string> = {};
  let at = from;
  for (let more = true; more && line[at] !== "}"; ) {
    LABEL.lastIndex = at;
    const label = LABEL.exec(line);
    if (label === null) return null;
    labels[label[1] as string] = unescaped(label[2] as string);
    at = LABEL.lastIndex;
    more = label[3] === ",";
  }
  while (line[at] === " ") at++;
  return line[at] === "}" ? { labels, after: at + 1 } : null;
}

const unescaped = (text: string): string => text.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));

function toNumber(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  return /inf/i.test(text) ? sign * Number.POSITIVE_INFINITY : Number(text);
}

/**
 * The sum of a gauge over its labels (engines, ranks), by the first of its names that is there; null where none is.
 * `pick` leaves samples out.
 */
export function sumOf(
  samples: readonly Sample[],
  names: readonly string[],
  pick: (sample: Sample) => boolean = () => true,
): number | null {
  return fold(samples, names, pick, (all) => all.reduce((sum, value) => sum + value, 0));
}

/** Likewise the largest. */
export function largestOf(samples: readonly Sample[], names: readonly string[]): number | null {
  return fold(
    samples,
    names,
    () => true,
    (all) => Math.max(...all),
  );
}

function fold(
  samples: readonly Sample[],
  names: readonly string[],
  pick: (sample: Sample) => boolean,
  join: (values: number[]) => number,
): number | null {
  for (const name of names) {
    const values = samples
      .filter((sample) => sample.name === name && Number.isFinite(sample.value) && pick(sample))
      .map(({ value }) => value);
    if (values.length > 0) return join(values);
  }
  return null;
}
