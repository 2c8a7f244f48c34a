// Migrate: brings a database to the tables this program was built with, before anything else touches it.
import path from "node:path";
import { migrations as embedded } from "../../migrations/index.ts";
import type { Clock } from "../lib/clock.ts";
import { backupDatabase } from "./backup.ts";
import type { Statement } from "./connection.ts";
import { isUniqueViolation, MigrationError, rootCause, StorageError } from "./errors.ts";
import type { Db } from "./open.ts";

/** One migration: `sql` as drizzle-kit wrote it, its statements parted by breakpoint comments. */
export type Migration = { n: number; name: string; sql: string };
/** What a run did: the names it applied, and the backup it made first, where there was data. */
export type Migrated = { applied: string[]; backup: string | null };
/** Two coordinators that migrate one server at once are in each other's way; the second looks again so often. */
const BUSY_TRIES = 50;
type AppliedRow = { n: number; name: string; checksum: string };

const BREAKPOINT = "--> statement-breakpoint";
const CREATE_LIST =
  "CREATE TABLE IF NOT EXISTS schema_migrations (n INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_ms INTEGER NOT NULL)";

/**
 * Applies what is pending, each migration in its own durable transaction. Throws MigrationError where the database is
 * newer than this program, was migrated by other text than this program's, or a migration fails (nothing of it stays).
 */
export async function migrateDatabase(
  { db, clock }: { db: Db; clock: Clock },
  migrations: readonly Migration[] = embedded,
): Promise<Migrated> {
  const pending = await pendingMigrations(db, migrations);
  const [first] = pending;
  if (first === undefined) return { applied: [], backup: null };
  const backup = db.path !== null && first.n > 0 ? await backUpBefore(db, db.path, first) : null;
  const applied: string[] = [];
  for (const migration of pending) {
    await applyOne(db, migration, clock.nowMs(), migrations);
    applied.push(migration.name);
  }
  return { applied, backup };
}

/** The migrations that are still to be applied, in order. Throws MigrationError as migrateDatabase does. */
export async function pendingMigrations(db: Db, migrations: readonly Migration[] = embedded): Promise<Migration[]> {
  const applied = await appliedMigrations(db);
  const known = new Map(migrations.map((migration) => [migration.n, migration]));
  for (const row of applied) {
    const migration = known.get(row.n);
    if (migration === undefined) {
      const message = `the database has migration ${row.name}, which this infernet does not know: run a newer infernet, or restore an older backup`;
      throw new MigrationError("database_newer", message);
    }
    if (checksum(migration) !== row.checksum) {
      const message = `migration ${row.name} was applied with other statements than this infernet has: run the infernet that made this database, or restore a backup`;
      throw new MigrationError("migration_changed", message);
    }
  }
  const last = applied.at(-1)?.n ?? -1;
  return migrations.filter((migration) => migration.n > last);
}

async function appliedMigrations(db: Db): Promise<AppliedRow[]> {
  const listed = await db.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'");
  if (listed.length === 0) return [];
  const rows = await db.query("SELECT n, name, checksum FROM schema_migrations ORDER BY n");
  return rows.map(([n, name, sum]) => ({ n: Number(n), name: String(name), checksum: String(sum) }));
}

async function applyOne(
  db: Db,
  migration: Migration,
  nowMs: number,
  all: readonly Migration[],
  tries = BUSY_TRIES,
): Promise<void> {
  const { n, name, sql } = migration;
  const statements: Statement[] = [
    { sql: CREATE_LIST, params: [] },
    { sql: "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)", params: [n, name, checksum(migration), nowMs] },
  ];
  for (const text of sql.split(BREAKPOINT)) if (text.trim() !== "") statements.push({ sql: text, params: [] });
  try {
    await db.writer.exclusive((connection) => connection.migrate(statements));
  } catch (error) {
    const busy = error instanceof StorageError && error.code === "storage_busy" && db.kind === "server";
    if (error instanceof StorageError && (!busy || tries <= 1)) throw error;
    // Another coordinator on the same server was quicker.
    const raced = busy || isUniqueViolation(error);
    if (raced && (await pendingMigrations(db, all)).every((other) => other.n !== n)) return;
    if (busy) return await applyOne(db, migration, nowMs, all, tries - 1);
    const cause = rootCause(error);
    const said = cause instanceof Error ? cause.message : String(cause);
    const message = `migration ${name} failed and was undone: ${said}; run the infernet that was here before, and report this`;
    throw new MigrationError("migration_failed", message, { cause });
  }
}

/** A copy beside the database, in `backups/`; one from an earlier try is replaced. */
async function backUpBefore(db: Db, databasePath: string, first: Migration): Promise<string> {
  const file = path.join(path.dirname(databasePath), "backups", `before-${first.n}.db`);
  await backupDatabase(db, file, { replace: true });
  return file;
}

function checksum(migration: Migration): string {
  return new Bun.CryptoHasher("sha256").update(migration.sql.replaceAll("\r\n", "\n")).digest("hex");
}
