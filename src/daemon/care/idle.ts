// Idle: from how much others use this machine, whether the node is in their way. Pure: samples in, a decision out.

/** What others than this node and its backends used, at an instant. */
export type LoadSample = {
  atMs: number;
  /** Of the busiest GPU, 0 to 100; null where there is none. */
  gpuPercent: number | null;
  /** Of all cores together, 0 to 100. */
  cpuPercent: number | null;
};

export type IdleRules = {
  /** From here on a GPU, or the processor, is in use by others; 0: it does not matter. */
  gpuPercent: number;
  cpuPercent: number;
  /** A load must last for so long, on average over that time and at its end. */
  busyMs: number;
  /** There must have been quiet for so long. */
  resumeMs: number;
  /** Samples further apart than this say nothing of the time between (the machine slept, or nothing could be read). */
  gapMs: number;
};

export type IdleState = {
  /** Why the machine counts as in use; null where it is idle. */
  busy: string | null;
  /** Samples of the last `busyMs` without a gap, and when that row began. */
  recent: readonly LoadSample[];
  sinceMs: number | null;
  /** When it was last not quiet. */
  loudMs: number;
};

export const IDLE: IdleState = { busy: null, recent: [], sinceMs: null, loudMs: Number.NEGATIVE_INFINITY };

/** Quiet is below this share of a threshold: a load that stays near it does not switch the node on and off. */
export const QUIET_SHARE = 0.75;

/** The state after one more sample. Times must not go back; where they do, the row begins anew. */
export function afterSample(rules: IdleRules, before: IdleState, sample: LoadSample): IdleState {
  const last = before.recent.at(-1);
  const gap = last === undefined || sample.atMs < last.atMs || sample.atMs - last.atMs > rules.gapMs;
  const kept = gap ? [] : before.recent.filter(({ atMs }) => atMs > sample.atMs - rules.busyMs);
  const recent = [...kept, sample];
  const sinceMs = gap || before.sinceMs === null ? sample.atMs : before.sinceMs;
  const isLoud = loudest(rules, sample) >= QUIET_SHARE;
  const loudMs = isLoud || gap ? sample.atMs : before.loudMs;
  const state = { recent, sinceMs, loudMs };
  if (before.busy !== null) {
    const quietEnough = sample.atMs - loudMs >= rules.resumeMs;
    return { ...state, busy: quietEnough && !isLoud ? null : before.busy };
  }
  const lasted = sample.atMs - sinceMs >= rules.busyMs;
  return { ...state, busy: lasted ? busyReason(rules, recent, sample) : null };
}

/** The larger of both loads, each as a share of its threshold. */
function loudest(rules: IdleRules, { gpuPercent, cpuPercent }: LoadSample): number {
  const share = (percent: number | null, of: number) => (of > 0 ? (percent ?? 0) / of : 0);
  return Math.max(share(gpuPercent, rules.gpuPercent), share(cpuPercent, rules.cpuPercent));
}

function busyReason(rules: IdleRules, recent: readonly LoadSample[], now: LoadSample): string | null {
  const kinds = [
    ["GPU", "gpuPercent"],
    ["CPU", "cpuPercent"],
  ] as const;
  for (const [name, field] of kinds) {
    const mean = recent.reduce((sum, sample) => sum + (sample[field] ?? 0), 0) / recent.length;
    const atLeast = rules[field];
    if (atLeast === 0) continue;
    if (mean >= atLeast && (now[field] ?? 0) >= atLeast)
      return `the ${name} is in use by others (${Math.round(mean)} %, from ${atLeast} % on the node is paused)`;
  }
  return null;
}
