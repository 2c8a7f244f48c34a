// Stats: the few figures that the benchmark prints.

/** p50, p90, p99 and the greatest value, in milliseconds. */
export type Quantiles = { p50: number; p90: number; p99: number; max: number };

/** Nearest-rank quantile of values sorted upwards; NaN where there are none. */
export function quantile(sorted: readonly number[], q: number): number {
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1));
  return sorted[index] ?? Number.NaN;
}

export function quantilesOf(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    p50: round3(quantile(sorted, 0.5)),
    p90: round3(quantile(sorted, 0.9)),
    p99: round3(quantile(sorted, 0.99)),
    max: round3(sorted.at(-1) ?? Number.NaN),
  };
}

/** Median of what is finite; NaN where nothing is. */
export function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).toSorted((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  const high = sorted[sorted.length >> 1] ?? Number.NaN;
  return (low + high) / 2;
}

/** (max - min) / median: how far the rounds lie apart. */
export function spread(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return Number.NaN;
  return (Math.max(...finite) - Math.min(...finite)) / median(finite);
}

export const round3 = (value: number): number => Math.round(value * 1000) / 1000;
