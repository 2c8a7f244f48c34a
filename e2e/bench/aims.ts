// Aims: what the product wants to reach, each with its bound and what this run measured. A bound is either a ratio to
// another target of the same run, which a slow or noisy machine moves little, or an absolute figure.
import type { CancelDelay } from "./cancel.ts";
import type { Comparison, Measurement } from "./compare.ts";
import type { MicroResult } from "./micro.ts";
import type { Starts } from "./start.ts";
import { median } from "./stats.ts";
import { GATEWAYS } from "./targets.ts";

/** `met` is null where the run did not measure it. */
export type Aim = { name: string; bound: string; measured: string; met: boolean | null };

export type Measured = {
  comparison: Comparison;
  starts: Starts;
  cancels: Record<string, CancelDelay>;
  micro: MicroResult | null;
};

const OURS = "infernet";

/** A bound, what was measured, and whether it holds. */
export function aim(name: string, relation: "<=" | ">=", limit: number, unit: string, value: number, detail = ""): Aim {
  const bound = `${relation} ${limit}${unit}`;
  if (!Number.isFinite(value)) return { name, bound, measured: "not measured", met: null };
  const met = relation === "<=" ? value <= limit : value >= limit;
  return { name, bound, measured: `${value.toFixed(2)}${unit}${detail && ` (${detail})`}`, met };
}

/** The median of a figure over a target's rounds; NaN where it was not measured. */
export function figure(
  comparison: Comparison,
  target: string,
  shape: string,
  of: (measurement: Measurement) => number,
): number {
  return median((comparison.targets[target]?.shapes[shape] ?? []).map(of));
}

export function aimsOf({ comparison, starts, cancels, micro }: Measured): Aim[] {
  const of = (target: string, shape: string, value: (m: Measurement) => number) =>
    figure(comparison, target, shape, value);
  const ratio = (name: string, limit: number, shape: string, value: (m: Measurement) => number) => {
    const [ours, theirs] = [of(OURS, shape, value), of("hop2", shape, value)];
    return aim(name, "<=", limit, " x hop2", ours / theirs, `${ours.toFixed(2)} / ${theirs.toFixed(2)} us`);
  };
  const added = (name: string, limit: number, shape: string, value: (m: Measurement) => number) =>
    aim(name, "<=", limit, " ms", of(OURS, shape, value) - of("direct", shape, value));
  const perCoreSecond = (target: string) => 1e6 / of(target, "unary-32", (m) => m.cpuUsPerRequest);
  const gateways = GATEWAYS.map(perCoreSecond).filter(Number.isFinite);
  const bestGateway = gateways.length > 0 ? Math.max(...gateways) : Number.NaN;
  const hop2StartMs = median(starts.hop2 ?? []);
  return [
    ratio("CPU per request, unary-32", 1.5, "unary-32", (m) => m.cpuUsPerRequest),
    aim(
      "requests per core-second, unary-32",
      ">=",
      6,
      " x best gateway",
      perCoreSecond(OURS) / bestGateway,
      `${perCoreSecond(OURS).toFixed(0)} / ${bestGateway.toFixed(0)}`,
    ),
    added("added latency p50, unary-1", 0.8, "unary-1", (m) => m.latencyMs.p50),
    added("added latency p99, unary-1", 2, "unary-1", (m) => m.latencyMs.p99),
    ratio("CPU per token, stream-burst", 1.75, "stream-burst", (m) => m.cpuUsPerToken),
    ratio("CPU per token, stream-paced", 1.5, "stream-paced", (m) => m.cpuUsPerToken),
    added("added time to first token p99, burst-32", 6, "burst-32", (m) => m.ttftMs.p99),
    aim(
      "memory idle, coordinator + node (PSS)",
      "<=",
      150,
      " MiB",
      comparison.targets[OURS]?.idle?.pssMiB ?? Number.NaN,
    ),
    aim(
      "exec to first right answer, both",
      "<=",
      200,
      " ms",
      median(starts["infernet-both"] ?? []),
      Number.isFinite(hop2StartMs) ? `hop2 ${hop2StartMs.toFixed(0)} ms` : "",
    ),
    cancelAim(cancels[OURS]),
    aim("one choice among 10,000 nodes", "<=", 100, " us", micro?.choiceUs[10_000] ?? Number.NaN),
  ];
}

function cancelAim(delay: CancelDelay | undefined): Aim {
  const name = "client leaves to backend sees it, p99";
  if (!delay) return aim(name, "<=", 100, " ms", Number.NaN);
  const one = aim(name, "<=", 100, " ms", delay.delayMs.p99, `p50 ${delay.delayMs.p50.toFixed(2)}`);
  if (delay.seen === delay.left) return one;
  return { ...one, measured: `${delay.left - delay.seen} of ${delay.left} never seen`, met: false };
}
