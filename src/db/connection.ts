// Connection: what the writer needs of the one connection that writes, embedded or on a server.
import type { SqlRow, SqlValue } from "./executor.ts";

export type Statement = { sql: string; params: readonly SqlValue[] };

export type WriteConnection = {
  /** Opens a write transaction. `durable`: its commit has to reach the disk before it returns. */
  begin(durable: boolean): Promise<void>;
  execute(sql: string, params: readonly SqlValue[]): SqlRow[] | Promise<SqlRow[]>;
  /** One statement for many rows of values. */
  executeMany(sql: string, rows: readonly (readonly SqlValue[])[]): void | Promise<void>;
  commit(): Promise<void>;
  /** Undoes the open transaction; does nothing where none is open. */
  rollback(): Promise<void>;
  /** False once a fault has made the database undo the whole transaction by itself. */
  inTransaction(): boolean;
  /** All of it in one durable transaction, or nothing; foreign keys are checked at its end only. */
  migrate(statements: readonly Statement[]): Promise<void>;
  /** Runs statements outside any transaction, off the event loop, without rows. */
  script(sql: string): Promise<void>;
  /** Housekeeping between two groups, where some is due. */
  maintain(): Promise<void> | undefined;
};
