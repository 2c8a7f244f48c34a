// When the machine counts as in use, and when as idle again.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { afterSample, IDLE, type IdleRules, type IdleState, QUIET_SHARE } from "./idle.ts";

const RULES: IdleRules = { gpuPercent: 20, cpuPercent: 50, busyMs: 10_000, resumeMs: 60_000, gapMs: 20_000 };
const STEP_MS = 2_000;

/** CPU loads, one each step; the states after each. */
function run(cpu: readonly number[], rules = RULES, from: IdleState = IDLE, startMs = 0): IdleState[] {
  let state = from;
  return cpu.map((cpuPercent, i) => {
    state = afterSample(rules, state, { atMs: startMs + i * STEP_MS, gpuPercent: null, cpuPercent });
    return state;
  });
}
const busyAt = (states: IdleState[]) => states.findIndex(({ busy }) => busy !== null);
const times = (count: number, value: number): number[] => Array.from({ length: count }, () => value);

describe("a machine", () => {
  test("is in use once a foreign load has lasted, and says which", () => {
    const states = run(times(8, 80));
    expect(busyAt(states)).toBe(RULES.busyMs / STEP_MS);
    expect(states.at(-1)?.busy).toBe("the CPU is in use by others (80 %, from 50 % on the node is paused)");
    const gpu = { gpuPercent: 35, cpuPercent: 1 };
    let state = IDLE;
    for (let i = 0; i < 8; i++) state = afterSample(RULES, state, { atMs: i * STEP_MS, ...gpu });
    expect(state.busy).toContain("the GPU is in use by others (35 %");
  });

  test("a threshold of 0 leaves that load out", () => {
    expect(busyAt(run(times(20, 100), { ...RULES, cpuPercent: 0 }))).toBe(-1);
    expect(run(times(20, 100), { ...RULES, cpuPercent: 0 }).at(-1)?.loudMs).toBe(0);
  });

  test("a short burst, and one that is over, pause nothing", () => {
    expect(busyAt(run([0, 0, 0, 0, 0, 0, 100, 100, 0, 0, 0]))).toBe(-1);
    expect(busyAt(run([0, 0, 0, 0, 0, 60, 60, 60, 60, 0, 0]))).toBe(-1);
  });

  test("a load that dips for an instant is one load all the same", () => {
    expect(busyAt(run([90, 90, 90, 10, 90, 90, 90, 10, 90, 90]))).toBeGreaterThan(0);
  });

  test("is idle again after quiet for long enough, and a blink of load begins the wait anew", () => {
    const [busy] = run(times(8, 80)).slice(-1);
    const wait = RULES.resumeMs / STEP_MS;
    const startMs = 8 * STEP_MS;
    const quiet = run(times(wait + 2, 0), RULES, busy, startMs);
    expect(quiet.findIndex((state) => state.busy === null)).toBe(wait - 1);
    const blink = run([...times(wait - 2, 0), 80, ...times(wait - 1, 0)], RULES, busy, startMs);
    expect(blink.every((state) => state.busy !== null)).toBe(true);
  });

  test("a load between quiet and the threshold neither pauses nor resumes", () => {
    const between = times(200, RULES.cpuPercent * QUIET_SHARE + 1);
    expect(busyAt(run(between))).toBe(-1);
    const [busy] = run(times(8, 80)).slice(-1);
    expect(run(between, RULES, busy, 16_000).every((state) => state.busy !== null)).toBe(true);
  });

  test("what nobody saw, as in a sleep, counts neither as load nor as quiet", () => {
    const before = run([90, 90, 90, 90]);
    const [woken] = run([90], RULES, before.at(-1), 1_000_000);
    expect(woken?.busy).toBeNull();
    const [busy] = run(times(8, 80)).slice(-1);
    expect(run([0], RULES, busy, 1_000_000)[0]?.busy).not.toBeNull();
    const quiet = run(times(RULES.resumeMs / STEP_MS + 1, 0), RULES, busy, 1_000_000);
    expect(quiet.at(-1)?.busy).toBeNull();
    expect(quiet.at(-2)?.busy).not.toBeNull();
  });
});

const loads = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 300 });
const rules = fc.record({
  gpuPercent: fc.integer({ min: 1, max: 100 }),
  cpuPercent: fc.integer({ min: 1, max: 100 }),
  busyMs: fc.integer({ min: 1_000, max: 30_000 }),
  resumeMs: fc.integer({ min: 1_000, max: 100_000 }),
  gapMs: fc.constant(20_000),
});

test("it never pauses below the threshold, nor before the load can have lasted", () => {
  fc.assert(
    fc.property(rules, loads, (given, cpu) => {
      for (const [i, state] of run(cpu, given).entries()) {
        if (state.busy === null) continue;
        expect(i * STEP_MS).toBeGreaterThanOrEqual(given.busyMs);
        expect(Math.max(...cpu.slice(0, i + 1))).toBeGreaterThanOrEqual(given.cpuPercent);
        return;
      }
    }),
  );
});

test("a steady load pauses within the time it must last and one sample", () => {
  fc.assert(
    fc.property(rules, fc.array(fc.nat(100), { maxLength: 40 }), (given, before) => {
      const count = Math.ceil((2 * given.busyMs) / STEP_MS) + 2;
      const states = run([...before, ...times(count, 100)], given);
      const after = states.slice(before.length + Math.ceil(given.busyMs / STEP_MS) + 1);
      expect(after.every(({ busy }) => busy !== null)).toBe(true);
    }),
  );
});

test("it never resumes before so long a quiet, and always after it", () => {
  fc.assert(
    fc.property(rules, loads, (given, cpu) => {
      const states = run(cpu, given);
      let loudIndex = 0;
      states.forEach(({ busy }, i) => {
        if ((cpu[i] ?? 0) >= QUIET_SHARE * given.cpuPercent) loudIndex = i;
        const quietMs = (i - loudIndex) * STEP_MS;
        const resumed = busy === null && i > 0 && states[i - 1]?.busy !== null;
        if (resumed) expect(quietMs).toBeGreaterThanOrEqual(given.resumeMs);
        if (quietMs >= given.resumeMs) expect(busy).toBeNull();
      });
    }),
  );
});
