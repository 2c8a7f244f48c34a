// Wait for: waiting for something to become true, bounded by a deadline, with what was seen so far in the error.

/**
 * Generous, since test machines are shared: a deadline is for what never comes, not for what is slow. Below the limit of a
 * test (package.json), so that it is the deadline that says what did not come.
 */
export const DEADLINE_MS = 60_000;
const POLL_MS = 10;

export type WaitOptions = {
  deadlineMs?: number;
  /** Added to the error: a process's output, say. */
  detail?: () => string;
};

/**
 * Asks `attempt` until it gives something other than null, undefined or false, and returns that. A throw counts as
 * "not yet" and is quoted in the error. Use it where nothing announces the change; else await the event.
 */
export async function waitFor<T>(
  what: string,
  attempt: () => T | Promise<T>,
  { deadlineMs = DEADLINE_MS, detail }: WaitOptions = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + deadlineMs;
  let problem = "";
  for (;;) {
    try {
      const value = await attempt();
      if (value !== null && value !== undefined && value !== false) return value as NonNullable<Exclude<T, false>>;
      problem = "";
    } catch (error) {
      problem = `\nlast error: ${error instanceof Error ? error.message : error}`;
    }
    if (performance.now() > deadline)
      throw new Error(`waited ${deadlineMs} ms for ${what}${problem}${detail ? `\n${detail()}` : ""}`);
    await Bun.sleep(POLL_MS);
  }
}

/** Bounds a promise that may never settle. */
export async function within<T>(what: string, promise: Promise<T>, options: WaitOptions = {}): Promise<T> {
  const { deadlineMs = DEADLINE_MS, detail } = options;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`waited ${deadlineMs} ms for ${what}${detail ? `\n${detail()}` : ""}`)),
    deadlineMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
