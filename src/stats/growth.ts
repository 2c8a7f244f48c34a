// Growth: how fast something goes that is added up anew at each look, and whose sum may drop for a moment (a job that is
// being stored is neither live nor ended; what it really used is known at its end only).

/** One such sum. */
export type Growth = {
  /** The most it ever was. */
  counted: number;
  /** What it grew by at the last two looks. */
  last: number;
  before: number;
};

export const newGrowth = (): Growth => ({ counted: 0, last: 0, before: 0 });

/** Notes what it is now; by how much it grew. */
export function grow(growth: Growth, total: number): number {
  growth.before = growth.last;
  growth.last = Math.max(0, total - growth.counted);
  growth.counted = Math.max(growth.counted, total);
  return growth.last;
}

/** A second, over the last two looks, which took so long together. */
export const perS = ({ last, before }: Growth, spanMs: number): number =>
  spanMs > 0 ? ((last + before) * 1000) / spanMs : 0;
