// Errors: what the database says, in three codes that callers can act on.
import { DrizzleQueryError } from "drizzle-orm/errors";

export type StorageErrorCode =
  /** The disk, a quota or the database's own limit is full. Nothing of the refused write was kept. */
  | "storage_full"
  /** Another process holds the database, or too many writes wait. Worth a later try. */
  | "storage_busy"
  /** Everything else: input or output failed, the file is damaged, the server cannot be reached. */
  | "storage_failed";

/** A write or read that the storage itself refused. The message says what to do. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The database and this program do not fit together. The message says what to do. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
  readonly code: "database_newer" | "migration_changed" | "migration_failed";
  constructor(code: MigrationError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const MENDS: Readonly<Record<StorageErrorCode, string>> = {
  storage_full:
    "the disk or the database's size limit is full, nothing of this write was kept; free some space and try again",
  storage_busy: "another process holds the database; stop it, or try again in a moment",
  storage_failed: "the database could not be read or written; check the disk and the logs (`infernet doctor`)",
};

/** The string code that the driver gave, of SQLite or of the network; undefined where it gave none. */
function driverCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, name } = error as Error & { code?: unknown };
  return typeof code === "string" ? code : name === "TimeoutError" ? name : undefined;
}

/** The driver's own error, without the wrapping in which drizzle repeats the statement's values. */
export function rootCause(error: unknown): unknown {
  return error instanceof DrizzleQueryError && error.cause !== undefined ? error.cause : error;
}

/** The storage's fault in what was thrown; null where it is none. What reads through drizzle throws comes wrapped. */
export function storageFault(error: unknown): StorageError | null {
  const cause = rootCause(error);
  return cause instanceof StorageError ? cause : null;
}

/** Codes of a statement that is itself at fault; the storage is well. */
const STATEMENT_CODES = /^(SQLITE_(CONSTRAINT|MISMATCH|ERROR|RANGE|TOOBIG|AUTH|MISUSE|UNKNOWN)|SQL_)/;

/** What a driver threw: the storage's fault as a StorageError, a wrong statement's as it was. */
export function driverFault(error: unknown): unknown {
  const code = driverCode(error);
  return code === undefined || STATEMENT_CODES.test(code) ? error : toStorageError(error);
}

/** `error` as a StorageError, whatever it is. */
export function toStorageError(error: unknown): StorageError {
  const cause = rootCause(error);
  if (cause instanceof StorageError) return cause;
  const code = codeFor(driverCode(cause) ?? "");
  const said = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(code, `${MENDS[code]} (${said})`, { cause });
}

function codeFor(driver: string): StorageErrorCode {
  if (driver.startsWith("SQLITE_FULL")) return "storage_full";
  if (driver.startsWith("SQLITE_BUSY") || driver.startsWith("SQLITE_LOCKED")) return "storage_busy";
  return "storage_failed";
}

/** True where a statement was refused because its row would be a second one under a unique index. */
export function isUniqueViolation(error: unknown): boolean {
  const cause = rootCause(error);
  return cause instanceof Error && cause.message.includes("UNIQUE constraint failed");
}
