// Once: what many ask for at the same time is computed once, and kept for a moment.
import type { Clock } from "../lib/clock.ts";

/** `make`, at most once in `keepMs`; who asks meanwhile gets the same. What failed is not kept. */
export function once<T>(clock: Pick<Clock, "nowMs">, keepMs: number, make: () => T | Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined;
  let madeMs = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (kept && Math.abs(nowMs - madeMs) < keepMs) return kept;
    madeMs = nowMs;
    const made = Promise.resolve(make());
    kept = made;
    made.catch(() => {
      if (kept === made) kept = undefined;
    });
    return made;
  };
}
