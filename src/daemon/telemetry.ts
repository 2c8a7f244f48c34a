// Telemetry: keeps how busy this machine is at hand, for heartbeats to take along.
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { MachineLoad } from "../protocol/frames.ts";

export type TelemetryDeps = {
  clock: Clock;
  log: Log;
  read: () => Promise<MachineLoad>;
  /** Called after each look. */
  looked: () => void;
};
export type Telemetry = {
  /** Null before the first look, and where looking fails. */
  now(): MachineLoad | null;
  /** One look, as the clock asks for. */
  look(): Promise<void>;
  stop(): void;
};

const LOOK_MS = 10_000;
/** A change of so many points is worth a heartbeat before its time. */
const NOTABLE = 5;

export function telemetry({ clock, log, read, looked }: TelemetryDeps): Telemetry {
  let last: MachineLoad | null = null;
  let looking = false;
  let failing = false;
  const look = async (): Promise<void> => {
    // A driver that is slow to answer is not asked again meanwhile.
    if (looking) return;
    looking = true;
    try {
      last = await read();
      failing = false;
    } catch (error) {
      last = null;
      if (!failing) log.warn("this machine's load cannot be told", { err: error });
      failing = true;
    } finally {
      looking = false;
    }
    looked();
  };
  return { now: () => last, look, stop: clock.every(LOOK_MS, () => void look()) };
}

/** Whether it differs from what was told so much that it should be told now. */
export function isNotable(told: MachineLoad | null, now: MachineLoad | null): boolean {
  if (told === null || now === null) return told !== now;
  return (Object.keys(now) as (keyof MachineLoad)[]).some((field) => {
    const [before, after] = [told[field], now[field]];
    return before === null || after === null ? before !== after : Math.abs(after - before) >= NOTABLE;
  });
}
