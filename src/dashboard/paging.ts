// Paging: a page of a list that is in memory, by cursor: where a row stands in the order, so that nothing is skipped or
// shown twice while rows come and go.
import { z } from "zod";

/** Where a row stands: by the first, and among equals by the second, which is a row's own. */
export type Place = readonly [by: number | string, id: string];
export type ListPage<T> = {
  rows: readonly T[];
  /** Cursors of the pages before and after; null where there is none. */
  newer: string | null;
  older: string | null;
};
/** As a page's address has them; one at most counts. */
export type Cursors = { after: string | null; before: string | null };

const placeSchema = z.tuple([z.union([z.number(), z.string().max(512)]), z.string().max(512)]);
const MAX_CURSOR_CHARS = 4_096;

const compared = (a: number | string, b: number | string): number => (a < b ? -1 : a > b ? 1 : 0);
const comparePlaces = ([a, i]: Place, [b, j]: Place): number => compared(a, b) || compared(i, j);

/**
 * A page of `rows`, which are in any order and are not sorted for it: of ten thousand, the fifty of a page are looked for.
 * A cursor that is none of ours begins at the start.
 */
export function listPage<T>(
  rows: readonly T[],
  placeOf: (row: T) => Place,
  { after, before }: Cursors,
  size: number,
): ListPage<T> {
  const [past, until] = [placeIn(after), placeIn(before)];
  const newerOf = ([first]: readonly Placed<T>[]) => (first === undefined ? null : cursorOf(first.place));
  const olderOf = (shown: readonly Placed<T>[]) => newerOf(shown.slice(-1));
  if (past === null && until !== null) {
    const { nearest, count } = nearestOf(rows, placeOf, until, -1, size);
    const shown = nearest.reverse();
    // With fewer before it, it is the first page.
    if (count >= size) {
      const [newer, older] = [count > size ? newerOf(shown) : null, count < rows.length ? olderOf(shown) : null];
      return { rows: shown.map(({ row }) => row), newer, older };
    }
  }
  const { nearest: shown, count } = nearestOf(rows, placeOf, past, 1, size);
  const [newer, older] = [count < rows.length ? newerOf(shown) : null, count > size ? olderOf(shown) : null];
  return { rows: shown.map(({ row }) => row), newer, older };
}

type Placed<T> = { row: T; place: Place };

/** Those nearest to `from` (null: to the beginning), behind it or, with -1, before it; and how many there are that way. */
function nearestOf<T>(
  rows: readonly T[],
  placeOf: (row: T) => Place,
  from: Place | null,
  way: 1 | -1,
  size: number,
): { nearest: Placed<T>[]; count: number } {
  const nearest: Placed<T>[] = [];
  let count = 0;
  for (const row of rows) {
    const place = placeOf(row);
    if (from !== null && way * comparePlaces(place, from) <= 0) continue;
    count++;
    const farthest = nearest[size - 1];
    if (farthest && way * comparePlaces(place, farthest.place) >= 0) continue;
    if (farthest) nearest.pop();
    nearest.splice(firstFarther(nearest, place, way), 0, { row, place });
  }
  return { nearest, count };
}

function firstFarther<T>(nearest: readonly Placed<T>[], place: Place, way: 1 | -1): number {
  let low = 0;
  let high = nearest.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = nearest[middle];
    if (other && way * comparePlaces(other.place, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const cursorOf = (place: Place): string => Buffer.from(JSON.stringify(place)).toString("base64url");

function placeIn(cursor: string | null): Place | null {
  if (cursor === null || cursor.length > MAX_CURSOR_CHARS) return null;
  try {
    const parsed = placeSchema.safeParse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
    return parsed.success ? parsed.data : null;
  } catch {
    // No JSON: none of ours.
    return null;
  }
}
