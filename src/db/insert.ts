// Insert: many rows by few statements. To be able to undo itself alone, a statement that fires triggers or writes several
// rows copies each page before it changes it: for a job's record that is a third of the cost, and sixteen rows of one
// statement pay it once.
import type { ExecuteMany, SqlValue } from "./executor.ts";

/** Rows of one statement, the most first. Few sizes, so that all of them stay prepared. */
const SIZES = [16, 4, 1] as const;

export type Insert = (many: ExecuteMany, rows: readonly (readonly SqlValue[])[]) => Promise<void>;

/**
 * What inserts rows into `into` (a table and its columns), in their order. `row` is what stands for one of them:
 * `(?, 'kind', ?)`; `after` what follows the last: `on conflict …`.
 */
export function insertOf(into: string, row: string, after = ""): Insert {
  const statements = SIZES.map((size) => ({
    size,
    sql: `insert into ${into} values ${Array.from({ length: size }, () => row).join(", ")} ${after}`,
  }));
  return async (many, rows) => {
    let at = 0;
    for (const { size, sql } of statements) {
      const groups: SqlValue[][] = [];
      for (; at + size <= rows.length; at += size) groups.push(rows.slice(at, at + size).flat());
      if (groups.length > 0) await many(sql, groups);
    }
  };
}
