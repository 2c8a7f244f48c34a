// Once: what many ask for at the same time is computed once, and kept for a moment.
import type { Clock } from "./clock.ts";

/**
 * `make`, at most once in `keepMs`; who asks meanwhile gets the same. For `staleMs` more they are given what is kept, at
 * once, while it is made anew. What failed is not kept.
 */
export function once<T>(
  clock: Pick<Clock, "nowMs">,
  keepMs: number,
  make: () => T | Promise<T>,
  { staleMs = 0 }: { staleMs?: number } = {},
): () => Promise<T> {
  let kept: Promise<T> | undefined;
  let madeMs = 0;
  let making = false;
  const anew = (nowMs: number): Promise<T> => {
    madeMs = nowMs;
    const made = Promise.resolve(make());
    kept = made;
    made.catch(() => {
      if (kept === made) kept = undefined;
    });
    return made;
  };
  /** What is kept stays until there is something newer. */
  const renew = (): void => {
    if (making) return;
    making = true;
    const atMs = clock.nowMs();
    setImmediate(() => {
      Promise.resolve()
        .then(make)
        .then(
          (value) => {
            kept = Promise.resolve(value);
            madeMs = atMs;
          },
          () => {
            // Whoever asks once it is too old tries again, and is told.
          },
        )
        .finally(() => {
          making = false;
        });
    });
  };
  return () => {
    const nowMs = clock.nowMs();
    const ageMs = Math.abs(nowMs - madeMs);
    if (kept && ageMs < keepMs) return kept;
    if (kept && ageMs < keepMs + staleMs) {
      renew();
      return kept;
    }
    return anew(nowMs);
  };
}
