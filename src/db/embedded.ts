// Embedded: the database as a file of our own, through the synchronous libSQL binding. What waits for the disk (a
// durable commit, a checkpoint) runs on the binding's own threads, so that the event loop goes on.
import { closeSync, openSync } from "node:fs";
import Database from "libsql";
import AsyncDatabase from "libsql/promise";
import type { WriteConnection } from "./connection.ts";
import { bindable, type Execute, type SqlRow, type SqlValue } from "./executor.ts";

/** How long a statement waits for a lock that another process holds. */
export const BUSY_TIMEOUT_MS = 5_000;
const MAX_CACHED_STATEMENTS = 512;
/** Checkpoint in the background after about this many bytes of log; SQLite's own, in a commit, comes at twice that. */
const CHECKPOINT_BYTES = 8 * 1024 * 1024;
/** Rough bytes of log for one commit, and for one row beside its values, of which a row has so many at most. */
const COMMIT_BYTES = 24 * 1024;
const ROW_BYTES = 768;
const ROW_VALUES = 24;

type Bindable = ReturnType<typeof bindable>;
type Statement = { readonly returnsRows: boolean; all(params: Bindable[]): SqlRow[]; run(params: Bindable[]): void };

export type EmbeddedFile = { read: Execute; write: WriteConnection; close(): Promise<void> };

/** Opens `path`, made with mode 0600 where missing: one connection that writes, one that only reads. */
export function openEmbedded(path: string): EmbeddedFile {
  closeSync(openSync(path, "a", 0o600));
  const writing = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  for (const pragma of [
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "temp_store = MEMORY",
    `wal_autocheckpoint = ${(2 * CHECKPOINT_BYTES) / 4096}`,
  ]) {
    writing.pragma(pragma);
  }
  const reading = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  reading.pragma("query_only = ON");
  reading.pragma("temp_store = MEMORY");
  const prepared = statementCache(reading);
  return {
    read: (sql, params) => runPrepared(prepared(sql), params),
    write: writeConnection(writing),
    async close() {
      reading.close();
      // Leaves one whole file behind. Where that fails the log stays beside it, and the next start reads it.
      await execInBackground(writing, "PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)").catch(
        () => undefined,
      );
      writing.close();
    },
  };
}

/**
 * Runs `sql` on a thread of the binding. The synchronous class has no such method; the asynchronous class of the same
 * package does it with the same native handle, kept by both in `db`.
 */
async function execInBackground(database: Database.Database, sql: string): Promise<void> {
  await Reflect.apply(AsyncDatabase.prototype.exec, database, [sql]);
}

/** Statements by their text, the oldest dropped first. */
function statementCache(database: Database.Database): (sql: string) => Statement {
  const cache = new Map<string, Statement>();
  return (sql) => {
    const known = cache.get(sql);
    if (known !== undefined) return known;
    const statement = prepare(database, sql);
    if (cache.size >= MAX_CACHED_STATEMENTS)
      for (const oldest of cache.keys()) {
        cache.delete(oldest);
        break;
      }
    cache.set(sql, statement);
    return statement;
  };
}

/**
 * A statement is only ever used in one way, `all` where it returns rows and `run` where not: the binding's `get` after
 * `all` silently runs with the values of the call before (libsql 0.5.29).
 */
function prepare(database: Database.Database, sql: string): Statement {
  const statement = database.prepare<SqlValue[]>(sql);
  const returnsRows = statement.reader;
  if (returnsRows) statement.raw();
  return {
    returnsRows,
    all: (params) => statement.all(params as never) as SqlRow[],
    run: (params) => void statement.run(params as never),
  };
}

function runPrepared(statement: Statement, params: readonly SqlValue[]): SqlRow[] {
  const bound = params.map(bindable);
  if (statement.returnsRows) return statement.all(bound);
  statement.run(bound);
  return [];
}

function writeConnection(database: Database.Database): WriteConnection {
  const prepared = statementCache(database);
  const begin = prepare(database, "BEGIN IMMEDIATE");
  const commit = prepare(database, "COMMIT");
  const rollback = prepare(database, "ROLLBACK");
  let synchronous = true;
  let loggedBytes = 0;
  const count = (params: readonly SqlValue[]) => {
    loggedBytes += ROW_BYTES * Math.max(1, Math.ceil(params.length / ROW_VALUES));
    for (const value of params) {
      if (typeof value === "string" || value instanceof Uint8Array) loggedBytes += value.length;
    }
  };
  return {
    async begin(durable) {
      if (database.inTransaction) rollback.run([]);
      if (durable !== synchronous) {
        database.pragma(`synchronous = ${durable ? "FULL" : "NORMAL"}`);
        synchronous = durable;
      }
      begin.run([]);
    },
    execute(sql, params) {
      count(params);
      return runPrepared(prepared(sql), params);
    },
    executeMany(sql, rows) {
      const statement = prepared(sql);
      for (const params of rows) {
        count(params);
        runPrepared(statement, params);
      }
    },
    async commit() {
      loggedBytes += COMMIT_BYTES;
      // FULL waits for the disk; NORMAL only copies into the page cache, which is quicker than a change of thread.
      if (synchronous) await execInBackground(database, "COMMIT");
      else commit.run([]);
    },
    async rollback() {
      if (database.inTransaction) rollback.run([]);
    },
    inTransaction: () => database.inTransaction,
    async migrate(statements) {
      database.pragma("foreign_keys = OFF");
      try {
        await this.begin(true);
        for (const { sql, params } of statements) runPrepared(prepare(database, sql), params);
        const dangling = runPrepared(prepare(database, "PRAGMA foreign_key_check"), []);
        if (dangling.length > 0) throw new Error(`${dangling.length} rows would refer to nothing`);
        await this.commit();
      } finally {
        await this.rollback();
        database.pragma("foreign_keys = ON");
      }
    },
    script: (sql) => execInBackground(database, sql),
    maintain() {
      if (loggedBytes < CHECKPOINT_BYTES) return undefined;
      loggedBytes = 0;
      return execInBackground(database, "PRAGMA wal_checkpoint(PASSIVE)");
    },
  };
}
