// Delete for good: rows whose time is over leave no trace in the files. `secure_delete` (embedded.ts) overwrites them
// with zeros, and the checkpoint empties the log that still holds their older versions.
import { statSync } from "node:fs";
import { BUSY_TIMEOUT_MS } from "./embedded.ts";
import type { Drizzle } from "./executor.ts";
import type { Db } from "./open.ts";

/** How many rows one write deletes, so that no other write waits long. */
const ROWS_PER_WRITE = 500;

/** `gone`: nothing is left in the log either. False while a long reader, such as a backup, holds it: try again later. */
export type Deletion = { deleted: number; gone: boolean };

/**
 * Runs `some` until it deletes fewer rows than its limit, then empties the log. `some(tx, limit)` deletes at most
 * `limit` rows and gives their number.
 */
export async function deleteForGood(db: Db, some: (tx: Drizzle, limit: number) => Promise<number>): Promise<Deletion> {
  let deleted = 0;
  for (;;) {
    const count = await db.writer.transact((tx) => some(tx, ROWS_PER_WRITE), { durable: false });
    deleted += count;
    if (count < ROWS_PER_WRITE) break;
  }
  return { deleted, gone: await emptyLog(db) };
}

/** Moves the write-ahead log into the database and truncates it. True when it is empty; on a server always. */
export async function emptyLog(db: Db): Promise<boolean> {
  const { path } = db;
  if (path === null) return true;
  return await db.writer.exclusive(async (connection) => {
    // Does not wait for readers: every write would wait with it.
    await connection.script("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)");
    await connection.script(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0;
  });
}
