// Executor: the one way to run a statement, embedded or on a server, and the drizzle type that is built over it.

import { drizzle, type SqliteRemoteDatabase } from "drizzle-orm/sqlite-proxy";
import { driverFault } from "./errors.ts";

/** What a statement takes. Whole numbers are bound as SQLite integers, booleans as 0 and 1. */
export type SqlValue = null | string | number | bigint | boolean | Uint8Array;
/** One row of a result, in the order of its columns. Integers come as numbers, blobs as bytes. */
export type SqlRow = unknown[];

/** Runs one statement and gives its rows; none where it returns none. */
export type Execute = (sql: string, params: readonly SqlValue[]) => SqlRow[] | Promise<SqlRow[]>;

/** Runs one statement without rows for many rows of values. */
export type ExecuteMany = (sql: string, rows: readonly (readonly SqlValue[])[]) => void | Promise<void>;

/**
 * The query builder that all domains write against. Neither `transaction` nor `batch`: writes go through
 * `Writer.transact`, which is the transaction.
 */
export type Drizzle = Omit<SqliteRemoteDatabase, "transaction" | "batch">;

/** The query builder over one connection. Making one is cheap (a fraction of a microsecond). */
export function drizzleOver(execute: Execute): Drizzle {
  return drizzle(async (sql, params: SqlValue[], method) => {
    const rows = await execute(sql, params);
    // Of `get`, drizzle wants the first row itself, or undefined; its type says otherwise.
    if (method === "get") return { rows: rows[0] as SqlRow };
    return { rows };
  });
}

/** `execute`, whose storage faults are StorageErrors. */
export function guarded(execute: Execute): Execute {
  return async (sql, params) => {
    try {
      return await execute(sql, params);
    } catch (error) {
      throw driverFault(error);
    }
  };
}

/**
 * `value` as both drivers take it: they bind plain numbers as REAL, the embedded one dies on a boolean, and a server
 * refuses the whole batch that half a surrogate pair is in (strangers' names and answers may hold one).
 */
export function bindable(value: SqlValue): null | string | number | bigint | Uint8Array {
  switch (typeof value) {
    case "number":
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    case "boolean":
      return value ? 1n : 0n;
    case "string":
      return value.toWellFormed();
    case "bigint":
      return value;
    default:
      if (value === null || value instanceof Uint8Array) return value;
      throw new TypeError(`a statement cannot take a value of type ${value === undefined ? "undefined" : "object"}`);
  }
}
