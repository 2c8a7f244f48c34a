// Loop: Ollama stops a model that says the same token more than 30 times, spaces aside (llm/server.go, "token repeat
// limit"). It then ends the stream without its last line, as if it had broken off.

const REPEATS = 31;
const MAX_TOKEN_CHARS = 64;
/** Enough of a text's end to see a loop in it. */
export const LOOP_TAIL_CHARS = REPEATS * MAX_TOKEN_CHARS;

/** The text ends in a loop that Ollama stops. */
export function isLoop(tail: string): boolean {
  if (tail.length >= REPEATS && tail.slice(-REPEATS).trim() === "") return true;
  const dense = tail.replace(/\s+/g, "");
  for (let length = 1; length <= MAX_TOKEN_CHARS && length * REPEATS <= dense.length; length++) {
    if (dense.endsWith(dense.slice(-length).repeat(REPEATS))) return true;
  }
  return false;
}
