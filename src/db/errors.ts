// Errors: what the database says, in three codes that callers can act on.

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

type DriverError = Error & { code?: unknown; cause?: unknown };

/** The SQLite or transport code in `error` or in what caused it, else undefined. */
function driverCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = (at as DriverError).cause) {
    const { code } = at as DriverError;
    if (typeof code === "string") return code;
  }
  return undefined;
}

/** The innermost cause: what the driver said, without the statement's values that drizzle adds to its message. */
export function rootCause(error: unknown): unknown {
  let at = error;
  while (at instanceof Error && at.name !== "StorageError" && (at as DriverError).cause instanceof Error) {
    if (at.constructor.name !== "DrizzleQueryError" && at.constructor.name !== "LibsqlBatchError") break;
    at = (at as DriverError).cause;
  }
  return at;
}

/** Codes of a statement that is itself at fault; the storage is well. */
const STATEMENT_CODES = /^SQLITE_(CONSTRAINT|MISMATCH|ERROR|RANGE|TOOBIG|AUTH|MISUSE|UNKNOWN)/;

/** The storage's fault as a StorageError; any other error as it was, freed of drizzle's wrapping. */
export function storageFault(error: unknown): unknown {
  const cause = rootCause(error);
  if (cause instanceof StorageError) return cause;
  const code = driverCode(cause);
  if (code === undefined || STATEMENT_CODES.test(code)) return cause;
  return toStorageError(cause);
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
