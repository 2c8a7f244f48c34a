// Snapshot: many reading statements that all see the database as it was at one moment, on a connection of their own, so
// that neither writers nor other readers wait. Embedded, the work is done on the binding's threads.
import AsyncDatabase from "libsql/promise";
import { BUSY_TIMEOUT_MS } from "./embedded.ts";
import { driverFault } from "./errors.ts";
import { bindable, type Execute, guarded, type SqlRow } from "./executor.ts";

type AsyncStatement = { raw(): AsyncStatement; all(...params: unknown[]): Promise<SqlRow[]> };

/** Runs `act` on a snapshot of the file. Its statements only read: others are refused. */
export async function snapshotOfFile<T>(path: string, act: (execute: Execute) => Promise<T>): Promise<T> {
  const database = new AsyncDatabase(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    await database.exec("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY");
    // The first read fixes the snapshot for everything after it.
    await database.exec("BEGIN");
    return await act(
      guarded(async (sql, params) => {
        const statement = (await database.prepare(sql)) as AsyncStatement;
        return await statement.raw().all(...params.map(bindable));
      }),
    );
  } catch (error) {
    throw driverFault(error);
  } finally {
    database.close();
  }
}
