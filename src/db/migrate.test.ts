import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DrizzleSQLiteSnapshotJSON, generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { migrations } from "../../migrations/index.ts";
import { manualClock } from "../lib/clock.ts";
import { type Migration, migrateDatabase, pendingMigrations } from "./migrate.ts";
import { type Db, openDatabase } from "./open.ts";

const root = path.resolve(import.meta.dir, "../..");
const clock = manualClock();

async function inDirectory(run: (file: string, directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "infernet-migrate-"));
  try {
    await run(path.join(directory, "infernet.db"), directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
async function withDb<T>(file: string, run: (db: Db) => Promise<T>): Promise<T> {
  const db = await openDatabase({ path: file });
  try {
    return await run(db);
  } finally {
    await db.close();
  }
}
const more: Migration[] = [
  ...migrations,
  {
    n: 9_000,
    name: "9000_more",
    sql: "ALTER TABLE `jobs` ADD `more` text;--> statement-breakpoint\nCREATE TABLE `extra` (`id` text);",
  },
];

test("the schemas and the migrations say the same: else run `bun run migrations`", async () => {
  const schemas: Record<string, unknown> = {};
  for (const file of new Bun.Glob("src/*/schema.ts").scanSync(root)) {
    Object.assign(schemas, await import(path.join(root, file)));
  }
  const snapshots = readdirSync(path.join(root, "migrations/meta")).filter((file) => file.endsWith("_snapshot.json"));
  const latest = readFileSync(path.join(root, "migrations/meta", snapshots.sort().at(-1) ?? ""), "utf8");
  const previous = JSON.parse(latest) as DrizzleSQLiteSnapshotJSON;
  const statements = await generateSQLiteMigration(previous, await generateSQLiteDrizzleJson(schemas, previous.id));
  expect(statements).toEqual([]);
});

test("every migration file is embedded, in order, as it is", () => {
  const files = readdirSync(path.join(root, "migrations")).filter((file) => file.endsWith(".sql"));
  const expected = files.sort().map((file) => ({
    n: Number(file.slice(0, 4)),
    name: path.basename(file, ".sql"),
    sql: readFileSync(path.join(root, "migrations", file), "utf8"),
  }));
  expect([...migrations]).toEqual(expected);
});

test("a new database gets every migration and no backup; a second run does nothing", () =>
  inDirectory(async (file, directory) => {
    await withDb(file, async (db) => {
      expect((await pendingMigrations(db)).map(({ n }) => n)).toEqual(migrations.map(({ n }) => n));
      const first = await migrateDatabase({ db, clock });
      expect(first).toEqual({ applied: migrations.map(({ name }) => name), backup: null });
      expect(await pendingMigrations(db)).toEqual([]);
      expect(await migrateDatabase({ db, clock })).toEqual({ applied: [], backup: null });
    });
    expect(readdirSync(directory)).not.toContain("backups");
  }));

test("before a database with data is changed it is backed up", () =>
  inDirectory(async (file, directory) => {
    await withDb(file, async (db) => {
      await migrateDatabase({ db, clock });
      expect((await pendingMigrations(db, more)).map(({ name }) => name)).toEqual(["9000_more"]);
      const done = await migrateDatabase({ db, clock }, more);
      const backup = path.join(directory, "backups", "before-9000.db");
      expect(done).toEqual({ applied: ["9000_more"], backup });
      expect(statSync(backup).mode & 0o777).toBe(0o600);
      expect(statSync(path.dirname(backup)).mode & 0o777).toBe(0o700);
      await withDb(backup, async (copy) => {
        expect(await pendingMigrations(copy)).toEqual([]);
        expect(await copy.query("SELECT id FROM accounts")).toEqual([["local"]]);
        // The copy takes the same step again, and makes its own backup over none.
        expect((await migrateDatabase({ db: copy, clock }, more)).applied).toEqual(["9000_more"]);
      });
    });
  }));

test("a database that is newer than the program is refused and left alone", () =>
  inDirectory(async (file) => {
    await withDb(file, (db) => migrateDatabase({ db, clock }, more));
    const before = readFileSync(file);
    await withDb(file, async (db) => {
      await expect(migrateDatabase({ db, clock })).rejects.toMatchObject({
        code: "database_newer",
        message: expect.stringContaining("run a newer infernet"),
      });
      await expect(pendingMigrations(db)).rejects.toMatchObject({ code: "database_newer" });
    });
    expect(readFileSync(file).equals(before)).toBe(true);
  }));

test("a migration that was applied with other text is refused", () =>
  inDirectory(async (file) => {
    await withDb(file, async (db) => {
      await migrateDatabase({ db, clock }, more);
      const changed = more.map((one) => (one.n === 9_000 ? { ...one, sql: `${one.sql} -- changed` } : one));
      await expect(pendingMigrations(db, changed)).rejects.toMatchObject({ code: "migration_changed" });
      const otherLineEnds = more.map((one) => ({ ...one, sql: one.sql.replaceAll("\n", "\r\n") }));
      expect(await pendingMigrations(db, otherLineEnds)).toEqual([]);
    });
  }));

test("a migration that fails leaves nothing behind, and the next start tries again", () =>
  inDirectory(async (file) => {
    await withDb(file, async (db) => {
      await migrateDatabase({ db, clock });
      const sql = "CREATE TABLE `extra` (`id` text);--> statement-breakpoint\nINSERT INTO nowhere VALUES (1);";
      const broken = [...migrations, { n: 9_000, name: "9000_broken", sql }];
      // Not with `rejects`: it blocks the event loop, which the binding's threads report to.
      const fault = await migrateDatabase({ db, clock }, broken).catch((error: unknown) => error);
      expect(fault).toMatchObject({
        code: "migration_failed",
        message: expect.stringContaining("no such table: nowhere"),
      });
      expect((await pendingMigrations(db, more)).length).toBe(1);
      expect((await migrateDatabase({ db, clock }, more)).applied).toEqual(["9000_more"]);
      expect(await db.query("SELECT * FROM extra")).toEqual([]);
    });
  }));

test("rebuilding a table that others refer to keeps their rows, and the writer goes on enforcing references", () =>
  inDirectory(async (file) => {
    await withDb(file, async (db) => {
      await migrateDatabase({ db, clock });
      const job =
        "INSERT INTO jobs (id, account_id, kind, model, state, stream, created_ms) VALUES ('j', 'local', 'async', 'm', 'queued', 0, 1)";
      await db.writer.batch(job, [[]]);
      await db.writer.batch("INSERT INTO job_content (job_id, request) VALUES ('j', '{}')", [[]]);
      const sql = [
        "PRAGMA foreign_keys=OFF;",
        "CREATE TABLE `__new_jobs` AS SELECT * FROM `jobs`;",
        "DROP TABLE `jobs`;",
        "CREATE TABLE `jobs` (`id` text PRIMARY KEY NOT NULL, `state` text);",
        "INSERT INTO `jobs` SELECT `id`, `state` FROM `__new_jobs`;",
        "DROP TABLE `__new_jobs`;",
        "PRAGMA foreign_keys=ON;",
      ].join("--> statement-breakpoint\n");
      await migrateDatabase({ db, clock }, [...migrations, { n: 9_000, name: "9000_rebuild", sql }]);
      expect(await db.query("SELECT job_id FROM job_content")).toEqual([["j"]]);
      const dangling = db.writer.batch("INSERT INTO job_content (job_id, request) VALUES ('nobody', '{}')", [[]]);
      await expect(dangling).rejects.toThrow("FOREIGN KEY");
    });
  }));
