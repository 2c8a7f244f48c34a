// Backup: a consistent copy of the running database in one file, without the content of jobs.
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
} from "node:fs";
import path from "node:path";
import AsyncDatabase from "libsql/promise";
import { StorageError, toStorageError } from "./errors.ts";
import type { Db } from "./open.ts";

/** Tables whose rows are content. They are in no backup: what is deleted after its time must be gone everywhere. */
const CONTENT_TABLES: readonly string[] = ["job_content"];

export type BackupOptions = {
  /** Take the place of an existing file. */
  replace?: boolean;
};

/**
 * Writes `file` (mode 0600) from one snapshot, on a thread of its own, while the database goes on working. The file
 * appears under its name only when it is whole. Content never leaves the database: its tables are copied empty.
 * Throws StorageError where `file` exists, on a server, or where the disk refuses.
 */
export async function backupDatabase(db: Db, file: string, { replace = false }: BackupOptions = {}): Promise<void> {
  if (db.path === null) {
    const message = "this database is on a libSQL server: back it up with that server's own tools";
    throw new StorageError("storage_failed", message);
  }
  if (!replace && existsSync(file)) throw alreadyThere(file);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const partial = `${file}.${crypto.randomUUID().slice(0, 8)}.partial`;
  closeSync(openSync(partial, "wx", 0o600));
  try {
    await copyInto(partial, db.path);
    syncToDisk(partial);
    if (replace) renameSync(partial, file);
    else appear(partial, file);
    syncToDisk(path.dirname(file));
  } catch (error) {
    throw toStorageError(error);
  } finally {
    rmSync(partial, { force: true });
  }
}

type AsyncStatement = { raw(): AsyncStatement; all(...params: unknown[]): Promise<unknown[][]> };

/** Copies tables, rows and then indexes of `live` into the empty database `copy`. */
async function copyInto(copy: string, live: string): Promise<void> {
  const database = new AsyncDatabase(copy, { timeout: 5_000 });
  const rows = async (sql: string): Promise<unknown[][]> => {
    const statement = (await database.prepare(sql)) as AsyncStatement;
    return await statement.raw().all();
  };
  try {
    await database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF");
    await database.exec(`ATTACH ${quoted(live, "'")} AS live`);
    await database.exec("BEGIN");
    // The first read fixes the snapshot for everything after it.
    const made = await rows(
      "SELECT type, name, sql FROM live.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type <> 'table', rowid",
    );
    for (const [type, name, sql] of made) {
      await database.exec(String(sql));
      if (type !== "table" || CONTENT_TABLES.includes(String(name))) continue;
      const table = quoted(String(name), '"');
      await database.exec(`INSERT INTO main.${table} SELECT * FROM live.${table}`);
    }
    await database.exec("COMMIT");
    const found = await rows("PRAGMA main.quick_check(1)");
    if (found[0]?.[0] !== "ok") throw new Error(`the copy is damaged: ${String(found[0]?.[0])}`);
  } finally {
    database.close();
  }
}

const quoted = (text: string, quote: '"' | "'"): string => quote + text.replaceAll(quote, quote + quote) + quote;

/** Gives the finished file its name, unless that name was taken meanwhile. */
function appear(partial: string, file: string): void {
  try {
    linkSync(partial, file);
    unlinkSync(partial);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || existsSync(file)) throw alreadyThere(file);
    // File systems without hard links.
    renameSync(partial, file);
  }
}

const alreadyThere = (file: string): StorageError =>
  new StorageError("storage_failed", `${file} exists already: name another file, or remove it first`);

function syncToDisk(file: string): void {
  const handle = openSync(file, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
