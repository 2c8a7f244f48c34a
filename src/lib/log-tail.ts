// Log tail: the last lines of the program's log, for a page to show. They are what the log itself writes: no secrets, no
// control characters.

/** One event as pino writes it. */
export type LogLine = { time: string; level: string; msg: string; fields: Record<string, unknown> };

export type LogTail = {
  add(json: string): void;
  /** The newest last. */
  lines(): LogLine[];
  /** Grows with every line. */
  readonly seen: number;
};

const MAX_LINES = 300;
/** A longer line is not kept. */
const MAX_CHARS = 4_096;

export function createLogTail(): LogTail {
  const kept: string[] = [];
  let seen = 0;
  return {
    get seen() {
      return seen;
    },
    add(json) {
      seen++;
      if (json.length > MAX_CHARS) return;
      kept.push(json);
      if (kept.length > MAX_LINES) kept.shift();
    },
    lines: () => kept.flatMap(parsed),
  };
}

function parsed(json: string): LogLine[] {
  try {
    const { time, level, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
    return [{ time: String(time), level: String(level), msg: String(msg), fields }];
  } catch {
    // A message that was cut off on its way; the log itself has it.
    return [];
  }
}
