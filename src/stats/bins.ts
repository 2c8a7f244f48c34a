// Bins: how many times took how long, counted in bins that each reach a twelfth further than the one before. Counts of
// several spans are added up, and give quantiles that are off by no more than half a bin (5 %).

/** Bins to a doubling. */
const PER_DOUBLING = 8;
/** From 1 ms to 2^21 ms (35 min); what is longer is in the last. */
const BINS = 21 * PER_DOUBLING;

export type Bins = Uint32Array;

export const newBins = (): Bins => new Uint32Array(BINS);

export function countIn(bins: Bins, ms: number): void {
  const bin = Math.min(BINS - 1, Math.floor(Math.log2(Math.max(1, ms)) * PER_DOUBLING));
  bins[bin] = (bins[bin] ?? 0) + 1;
}

export function addBins(into: Bins, from: Bins): void {
  for (let i = 0; i < BINS; i++) into[i] = (into[i] ?? 0) + (from[i] ?? 0);
}

/** As it is stored: `[bin, count, …]` of those that hold something. */
export function packBins(bins: Bins): number[] {
  const packed: number[] = [];
  bins.forEach((count, bin) => {
    if (count > 0) packed.push(bin, count);
  });
  return packed;
}

/** Adds what was stored; pairs that fit nowhere are left out. */
export function addPacked(into: Bins, packed: readonly number[]): void {
  for (let i = 0; i + 1 < packed.length; i += 2) {
    const [bin = BINS, count = 0] = [packed[i], packed[i + 1]];
    if (bin >= 0 && bin < BINS) into[bin] = (into[bin] ?? 0) + count;
  }
}

/** Milliseconds that the share `q` of all stayed within; null where nothing was counted. */
export function quantile(bins: Bins, q: number): number | null {
  const all = bins.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let left = Math.max(1, Math.ceil(q * all));
  const bin = bins.findIndex((count) => {
    left -= count;
    return left <= 0;
  });
  return Math.round(2 ** ((bin + 0.5) / PER_DOUBLING));
}
