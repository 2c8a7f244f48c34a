// Reporter: how far a command is, told at most four times a second, the newest always in the end.
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { CommandProgress } from "../../protocol/commands.ts";

export type Reporter = {
  report(progress: CommandProgress): void;
  /** Says again what was said last, to one who has just come. */
  repeat(): void;
  /** Says what is left to say, and nothing afterwards. */
  stop(): void;
};

const EVERY_MS = 250;
const PHASE_CHARS = 256;

export function reporter(clock: Clock, say: (progress: CommandProgress) => void): Reporter {
  let last: CommandProgress | null = null;
  let unsaid = false;
  let saidMs = Number.NEGATIVE_INFINITY;
  let cancel: Cancel | null = null;
  let stopped = false;
  const speak = () => {
    cancel?.();
    cancel = null;
    if (!last || !unsaid) return;
    unsaid = false;
    saidMs = clock.nowMs();
    say(last);
  };
  return {
    report({ phase, completed, total }) {
      if (stopped) return;
      last = { phase: phase.slice(0, PHASE_CHARS), completed: bytes(completed), total: bytes(total) };
      unsaid = true;
      const dueMs = saidMs + EVERY_MS - clock.nowMs();
      if (dueMs <= 0) speak();
      else cancel ??= clock.after(dueMs, speak);
    },
    repeat() {
      if (last) unsaid = true;
      if (!stopped) speak();
    },
    stop() {
      if (!stopped) speak();
      stopped = true;
    },
  };
}

const bytes = (count: number | null): number | null =>
  count !== null && Number.isFinite(count) && count >= 0 ? Math.min(Math.floor(count), Number.MAX_SAFE_INTEGER) : null;
