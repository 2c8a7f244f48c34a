// Test database: a migrated database in a directory of its own, for the tests of every domain.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { manualClock } from "../lib/clock.ts";
import { migrateDatabase } from "./migrate.ts";
import { type Db, openDatabase } from "./open.ts";
import type { WriterOptions } from "./writer.ts";

export type TestDatabase = { db: Db; directory: string; path: string; [Symbol.asyncDispose](): Promise<void> };

/** A new database with all tables; `await using` closes it and removes its directory. */
export async function testDatabase(options: WriterOptions = {}): Promise<TestDatabase> {
  const directory = mkdtempSync(path.join(tmpdir(), "infernet-db-"));
  const file = path.join(directory, "infernet.db");
  const db = await openDatabase({ path: file }, options);
  await migrateDatabase({ db, clock: manualClock() });
  return {
    db,
    directory,
    path: file,
    async [Symbol.asyncDispose]() {
      await db.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
