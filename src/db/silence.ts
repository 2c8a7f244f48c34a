// Silence: for how long a database has answered nothing although it was asked: what tells one that hangs from one that is
// slow, and from one that has nothing to do.

type Silence = {
  /** Runs `ask`, which waits for the database. */
  during<T>(ask: () => Promise<T>): Promise<T>;
  /** Milliseconds since the last answer, or since the question where there was none after it; 0 where nothing waits. */
  ms(): number;
};

/** `monotonicMs`: of a clock that never goes back. What fails is no answer: a time-out breaks no silence. */
export function createSilence(monotonicMs: () => number = () => performance.now()): Silence {
  let waiting = 0;
  let sinceMs = 0;
  return {
    async during(ask) {
      if (waiting === 0) sinceMs = monotonicMs();
      waiting += 1;
      try {
        const answer = await ask();
        sinceMs = monotonicMs();
        return answer;
      } finally {
        waiting -= 1;
      }
    },
    ms: () => (waiting === 0 ? 0 : monotonicMs() - sinceMs),
  };
}
