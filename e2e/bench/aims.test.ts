// The aims' verdicts must follow from the measured figures, and what was not measured must not count as met.
import { expect, test } from "bun:test";
import { aimsOf, type Measured } from "./aims.ts";
import type { Measurement, TargetResult } from "./compare.ts";

const quantiles = (p50: number, p99: number) => ({ p50, p90: p99, p99, max: p99 });

/** A measurement with the figures that aims look at; times in ms, CPU in us. */
function measurement(cpuUs: number, p50: number, p99: number): Measurement {
  return {
    ok: 1,
    bad: 0,
    why: {},
    retries: 0,
    usageSeen: 1,
    wallS: 1,
    requestsPerS: 1,
    tokensPerS: 1,
    latencyMs: quantiles(p50, p99),
    ttftMs: quantiles(p50, p99),
    clientCpuS: 0,
    reads: 1,
    bytes: 1,
    events: 1,
    targetCpuS: 0,
    cpuUsPerRequest: cpuUs,
    cpuUsPerToken: cpuUs,
    foreignCores: 0,
  };
}

/** The same figures in every shape. */
function target(cpuUs: number, p50: number, p99: number, pssMiB = 1): TargetResult {
  const rounds = [measurement(cpuUs, p50, p99)];
  const names = ["unary-1", "unary-32", "stream-burst", "stream-paced", "burst-32"];
  return {
    note: "",
    healthyMs: [],
    firstAnswerMs: [],
    idle: { rssMiB: 1, pssMiB, peakRssMiB: 1, processes: 2 },
    end: null,
    shapes: Object.fromEntries(names.map((name) => [name, rounds])),
  };
}

function measured(targets: Record<string, TargetResult>, more: Partial<Measured> = {}): Measured {
  const comparison = {
    at: "",
    bun: "",
    cores: 2,
    pinned: true,
    rounds: 1,
    seconds: 1,
    loadBefore: "",
    loadAfter: "",
    repeatedForNoise: 0,
    targets,
    skipped: {},
  };
  return { comparison, starts: {}, cancels: {}, micro: null, ...more };
}
const micro = (us: number) => ({
  choiceUs: { 10000: us },
  choicesPerS: {},
  writer: { together: 64, togetherPerS: 2, onePerS: 1 },
});
const others = { direct: target(0, 1, 1), hop2: target(100, 1, 1), portkey: target(900, 9, 9) };
const verdicts = (run: Measured) => Object.fromEntries(aimsOf(run).map(({ name, met }) => [name, met]));

test("a run below every bound meets every aim", () => {
  const cancels = { infernet: { left: 2, seen: 2, delayMs: quantiles(1, 99) } };
  const run = measured(
    { ...others, infernet: target(149, 1.7, 2.9, 149) },
    { starts: { "infernet-both": [150, 199, 900], hop2: [9] }, cancels, micro: micro(99) },
  );
  expect(Object.values(verdicts(run))).toEqual(Array(11).fill(true));
});

test("a run above every bound misses every aim", () => {
  const cancels = { infernet: { left: 2, seen: 2, delayMs: quantiles(1, 101) } };
  const run = measured(
    { ...others, infernet: target(176, 1.9, 7.1, 151) },
    { starts: { "infernet-both": [150, 201, 900], hop2: [9] }, cancels, micro: micro(101) },
  );
  expect(Object.values(verdicts(run))).toEqual(Array(11).fill(false));
});

test("the best gateway is the bar, not the first", () => {
  const name = "requests per core-second, unary-32";
  const run = measured({ ...others, musistudio: target(300, 9, 9), infernet: target(149, 1, 1) });
  expect(verdicts(run)[name]).toBe(false);
});

test("what was not measured is neither met nor missed", () => {
  expect(Object.values(verdicts(measured({})))).toEqual(Array(11).fill(null));
});

test("a departure that the backend never saw misses the aim, however fast the others were", () => {
  const cancels = { infernet: { left: 3, seen: 2, delayMs: quantiles(1, 1) } };
  const aims = aimsOf(measured(others, { cancels }));
  expect(aims.find(({ name }) => name.startsWith("client leaves"))).toMatchObject({
    met: false,
    measured: "1 of 3 never seen",
  });
});
