// Watching schedule and load: what is seen holds the node, and lets it go.
import { describe, expect, test } from "bun:test";
import { NO_LOG } from "../../jobs/testing/stage.ts";
import { manualClock } from "../../lib/clock.ts";
import { parseSpan } from "../../protocol/schedule.ts";
import type { Reading } from "./foreign-load.ts";
import type { Meter } from "./reading.ts";
import { closedReason, periodMs, watch } from "./watch.ts";

const rules = { gpuPercent: 20, cpuPercent: 50, busyMs: 6_000, resumeMs: 10_000 };
const STEP_MS = periodMs(rules.busyMs);

/** A machine whose load the test sets: percent of CPU used by others, or null where nothing can be read. */
function stage(schedule: string[] = [], startMs?: number) {
  const clock = manualClock(startMs);
  const held: (string | null)[] = [];
  const machine = { foreign: 0 as number | null };
  let busyMs = 0;
  let reads = 0;
  const meter: Meter = {
    async read(): Promise<Reading | null> {
      reads++;
      if (machine.foreign === null) return null;
      busyMs += (STEP_MS * machine.foreign) / 100;
      return { atMs: clock.nowMs(), cpuBusyMs: busyMs, cpuTotalMs: clock.nowMs(), processes: [], gpus: [] };
    },
    own: async () => ({ roots: new Set<number>(), names: new Set<string>() }),
  };
  const spans = schedule.map(parseSpan).flatMap((span) => (span.ok ? [span.value] : []));
  const watching = watch({
    clock,
    log: NO_LOG,
    gate: {
      hold: (_, reason) => void held.push(reason),
      release: () => {
        held.push(null);
        return true;
      },
    },
    schedule: spans,
    idle: { rules, meter },
    running: () => 0,
  });
  const steps = async (count: number) => {
    for (let i = 0; i < count; i++) {
      clock.advance(STEP_MS);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  };
  return { clock, held, machine, watching, steps, reads: () => reads };
}

describe("a foreign load", () => {
  test("holds the node within the time it must last and two looks, and lets it go after the quiet", async () => {
    const { held, machine, steps, watching } = stage();
    await steps(5);
    expect(held.at(-1)).toBeNull();
    machine.foreign = 90;
    await steps(Math.ceil(rules.busyMs / STEP_MS) + 2);
    expect(held.at(-1)).toContain("the CPU is in use by others");
    machine.foreign = 5;
    await steps(2);
    expect(held.at(-1)).not.toBeNull();
    await steps(rules.resumeMs / STEP_MS + 1);
    expect(held.at(-1)).toBeNull();
    expect(watching.load()).toMatchObject({ cpuPercent: 5 });
    watching.stop();
  });

  test("that cannot be read any more keeps a held node held", async () => {
    const { held, machine, steps } = stage();
    machine.foreign = 90;
    await steps(8);
    expect(held.at(-1)).not.toBeNull();
    machine.foreign = null;
    await steps(50);
    expect(held.at(-1)).not.toBeNull();
    machine.foreign = 0;
    await steps(rules.resumeMs / STEP_MS + 3);
    expect(held.at(-1)).toBeNull();
  });

  test("is looked for no more once it is stopped", async () => {
    const { watching, steps, reads } = stage();
    await steps(2);
    const before = reads();
    watching.stop();
    await steps(5);
    expect(reads()).toBe(before);
  });
});

describe("a schedule", () => {
  const friday = new Date(2026, 10, 20, 17, 59, 50).getTime();

  test("holds the node from the start, and lets it go when its time comes", async () => {
    const { held, steps } = stage(["mon-fri 18:00-08:00"], friday);
    expect(held).toEqual(["outside of its schedule until fri 18:00"]);
    await steps(6);
    expect(held.at(-1)).toBeNull();
  });

  test("names itself where the load would too", () => {
    const spans = [parseSpan("sat")].flatMap((span) => (span.ok ? [span.value] : []));
    expect(closedReason(spans, new Date(friday))).toBe("outside of its schedule until sat 00:00");
    expect(closedReason(spans, new Date(2026, 10, 21, 12))).toBeNull();
    expect(closedReason([], new Date(friday))).toBeNull();
  });
});
