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
export const comparePlaces = ([a, i]: Place, [b, j]: Place): number => compared(a, b) || compared(i, j);

/** `rows` in the order of their places. A cursor that is none of ours begins at the start. */
export function listPage<T>(
  rows: readonly T[],
  placeOf: (row: T) => Place,
  { after, before }: Cursors,
  size: number,
): ListPage<T> {
  const cursor = placeIn(after) ?? placeIn(before);
  const at = cursor === null ? 0 : firstPast(rows, placeOf, cursor, placeIn(after) !== null);
  const from = placeIn(after) === null && cursor !== null ? Math.max(0, at - size) : at;
  const shown = rows.slice(from, from + size);
  const [first, last] = [shown[0], shown.at(-1)];
  return {
    rows: shown,
    newer: from > 0 && first !== undefined ? cursorOf(placeOf(first)) : null,
    older: from + size < rows.length && last !== undefined ? cursorOf(placeOf(last)) : null,
  };
}

/** The first row that stands at the place or behind it; with `past`, behind it. */
function firstPast<T>(rows: readonly T[], placeOf: (row: T) => Place, place: Place, past: boolean): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle];
    const order = row === undefined ? 1 : comparePlaces(placeOf(row), place);
    if (order < 0 || (past && order === 0)) low = middle + 1;
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
