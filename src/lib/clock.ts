// Clock: the only source of time for everything that decides by time, so that tests never wait.

export type Cancel = () => void;

export type Clock = {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Calls `fn` once, `delayMs` from now, unless cancelled. Does not keep the process alive. */
  after(delayMs: number, fn: () => void): Cancel;
  /** Calls `fn` every `periodMs` until cancelled. Does not keep the process alive. */
  every(periodMs: number, fn: () => void): Cancel;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(periodMs, fn) {
    const timer = setInterval(fn, periodMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

export type ManualClock = Clock & {
  /** Moves time forward and runs, in order, what falls due on the way. */
  advance(ms: number): void;
};

/** A clock that stands still until told to move. */
export function manualClock(startMs = 1_760_000_000_000): ManualClock {
  type Timer = { atMs: number; order: number; periodMs: number | null; fn: () => void };
  let nowMs = startMs;
  let order = 0;
  const timers = new Set<Timer>();
  const add = (delayMs: number, periodMs: number | null, fn: () => void): Cancel => {
    const timer: Timer = { atMs: nowMs + delayMs, order: order++, periodMs, fn };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  const nextDue = (untilMs: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (timer.atMs > untilMs) continue;
      if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer;
    }
    return next;
  };
  return {
    nowMs: () => nowMs,
    after: (delayMs, fn) => add(delayMs, null, fn),
    every: (periodMs, fn) => add(periodMs, periodMs, fn),
    advance(ms) {
      const untilMs = nowMs + ms;
      for (let timer = nextDue(untilMs); timer; timer = nextDue(untilMs)) {
        nowMs = timer.atMs;
        if (timer.periodMs === null) timers.delete(timer);
        else timer.atMs += timer.periodMs;
        timer.fn();
      }
      nowMs = untilMs;
    },
  };
}
