// Watch: keeps looking at schedule and load, and holds the node while either is against its serving.
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { isOpen, nextOpening, type Span, weekMinute } from "../../protocol/schedule.ts";
import { foreignLoad, type Reading } from "./foreign-load.ts";
import { afterSample, IDLE, type IdleRules, type LoadSample } from "./idle.ts";
import type { Meter } from "./reading.ts";
import type { Gate } from "./standing.ts";

export type WatchDeps = {
  clock: Clock;
  log: Log;
  gate: Pick<Gate, "hold" | "release">;
  schedule: readonly Span[];
  /** Null where others may use the machine as they like. */
  idle: { rules: Omit<IdleRules, "gapMs">; meter: Meter } | null;
  /** How many jobs run here now. */
  running: () => number;
};

export type Watch = {
  /** The last load of others that was seen; null before the first, or where nobody looks. */
  load(): LoadSample | null;
  /** One look, as the clock asks for; resolves when it has been acted on. */
  look(): Promise<void>;
  stop(): void;
};

const SLOWEST_MS = 5_000;
const FASTEST_MS = 500;

/** Often enough that a load is seen twice in the time it must last. */
export const periodMs = (busyMs: number): number => Math.min(SLOWEST_MS, Math.max(FASTEST_MS, Math.floor(busyMs / 3)));

export function watch(deps: WatchDeps): Watch {
  const { clock, log, gate, schedule, idle, running } = deps;
  const everyMs = idle ? periodMs(idle.rules.busyMs) : SLOWEST_MS;
  const rules = idle && { ...idle.rules, gapMs: Math.max(4 * everyMs, 15_000) };
  let state = IDLE;
  let before: Reading | null = null;
  let last: LoadSample | null = null;
  let wasWorking = false;
  let looking = false;

  const lookAtLoad = async (): Promise<void> => {
    if (!idle || !rules) return;
    const [reading, own] = await Promise.all([idle.meter.read(), idle.meter.own()]);
    const isWorking = running() > 0;
    if (reading && before) {
      last = foreignLoad(before, reading, { ...own, working: wasWorking || isWorking });
      state = afterSample(rules, state, last);
    }
    before = reading;
    wasWorking = isWorking;
  };
  const decide = () => {
    const closed = closedReason(schedule, new Date(clock.nowMs()));
    const reason = closed ?? state.busy;
    if (reason !== null) gate.hold("care", reason);
    else gate.release("care");
  };
  const look = async () => {
    // A driver that is slow to answer is not asked again meanwhile.
    if (looking) return;
    looking = true;
    try {
      await lookAtLoad();
    } catch (error) {
      log.warn("looking at this machine's load failed", { err: error });
    } finally {
      looking = false;
    }
    decide();
  };
  const cancel: Cancel = schedule.length > 0 || idle ? clock.every(everyMs, () => void look()) : () => {};
  decide();
  return { load: () => last, look, stop: cancel };
}

/** Why the schedule is against serving now; null where it is not. */
export function closedReason(schedule: readonly Span[], now: Date): string | null {
  const minute = weekMinute(now);
  if (isOpen(schedule, minute)) return null;
  return `outside of its schedule until ${nextOpening(schedule, minute)}`;
}
