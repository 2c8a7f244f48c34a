// Listing: parts of what was made over time, the newest first, by a cursor that stands on one row.
import { asc, desc, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";

/** One row of a list, and whether what comes after it (`older`) or before it (`newer`) is wanted. */
export type ListCursor = { to: "older" | "newer"; createdMs: number; id: string };
/** Left out: all of it. */
export type Span = { cursor?: ListCursor | undefined; limit?: number | undefined };

/** Condition, order and bound of a span, for a table with an index on both columns. */
export function spanOf(
  { createdMs, id }: { createdMs: SQLiteColumn; id: SQLiteColumn },
  { cursor, limit }: Span,
): { where: SQL | undefined; order: [SQL, SQL]; limit: number } {
  // SQLite reads a negative limit as none.
  const bound = limit ?? -1;
  if (cursor === undefined) return { where: undefined, order: [desc(createdMs), desc(id)], limit: bound };
  const row = sql`(${cursor.createdMs}, ${cursor.id})`;
  return cursor.to === "older"
    ? { where: sql`(${createdMs}, ${id}) < ${row}`, order: [desc(createdMs), desc(id)], limit: bound }
    : { where: sql`(${createdMs}, ${id}) > ${row}`, order: [asc(createdMs), asc(id)], limit: bound };
}

/** Rows as `spanOf` has them read, the newest first. */
export const newestFirst = <T>({ cursor }: Span, rows: T[]): T[] => (cursor?.to === "newer" ? rows.reverse() : rows);
