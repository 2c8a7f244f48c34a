import { expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { inArray, lte } from "drizzle-orm";
import Database from "libsql";
import { jobContent } from "../jobs/schema.ts";
import { backupDatabase } from "./backup.ts";
import { deleteForGood } from "./delete-for-good.ts";
import { type Db, openDatabase } from "./open.ts";
import { testDatabase } from "./test-database.ts";

const MARK = "the very secret prompt";
const JOB =
  "INSERT INTO jobs (id, account_id, kind, model, state, stream, created_ms) VALUES (?, 'local', 'async', 'm', 'completed', 0, ?)";
const CONTENT = "INSERT INTO job_content (job_id, request, expires_ms) VALUES (?, ?, ?)";

async function addJobs(db: Db, count: number, from = 0): Promise<void> {
  const numbers = Array.from({ length: count }, (_, i) => from + i);
  await db.writer.batch(
    JOB,
    numbers.map((n) => [`job-${n}`, n]),
    { durable: false },
  );
  await db.writer.batch(
    CONTENT,
    numbers.map((n) => [`job-${n}`, `${MARK} ${n} ${"x".repeat(5_000)}`, n]),
    { durable: false },
  );
}

/** How often the mark occurs in the files of `directory` whose names begin with `name`. */
function marksIn(directory: string, name: string): number {
  const files = readdirSync(directory).filter((file) => file.startsWith(name));
  return files.reduce(
    (sum, file) => sum + readFileSync(path.join(directory, file)).toString("latin1").split(MARK).length - 1,
    0,
  );
}

test("a backup has every row but no content, not even in its free pages", async () => {
  await using made = await testDatabase();
  await addJobs(made.db, 200);
  expect(marksIn(made.directory, "infernet.db")).toBeGreaterThan(0);
  const file = path.join(made.directory, "copies", "copy.db");
  await backupDatabase(made.db, file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(marksIn(path.dirname(file), "")).toBe(0);
  expect(readdirSync(path.dirname(file))).toEqual(["copy.db"]);
  const copy = await openDatabase({ path: file });
  expect(await copy.query("SELECT count(*) FROM jobs")).toEqual([[200]]);
  expect(await copy.query("SELECT count(*) FROM job_content")).toEqual([[0]]);
  const schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
  expect(await copy.query(schema)).toEqual(await made.db.query(schema));
  expect(await copy.query("PRAGMA integrity_check")).toEqual([["ok"]]);
  expect(await copy.query("PRAGMA foreign_key_check")).toEqual([]);
  await copy.close();
});

test("a backup under load is one moment of the database", async () => {
  await using made = await testDatabase();
  const { db } = made;
  await db.writer.exclusive((connection) =>
    connection.script("CREATE TABLE pairs (a INTEGER); CREATE TABLE twins (a INTEGER)"),
  );
  await addJobs(db, 500);
  let writing = true;
  let written = 0;
  const load = (async () => {
    while (writing) {
      written += 1;
      await db.writer.transact(
        async (tx) => {
          await tx.run(`INSERT INTO pairs VALUES (${written})`);
          await tx.run(`INSERT INTO twins VALUES (${written})`);
        },
        { durable: false },
      );
    }
  })();
  for (let n = 0; n < 5; n += 1) {
    const before = written - 1;
    const file = path.join(made.directory, `copy-${n}.db`);
    await backupDatabase(db, file);
    const copy = await openDatabase({ path: file });
    const [pairs, twins] = [await copy.query("SELECT a FROM pairs"), await copy.query("SELECT a FROM twins")];
    expect(pairs).toEqual(twins);
    expect(pairs.length).toBeGreaterThanOrEqual(before);
    await copy.close();
  }
  writing = false;
  await load;
});

test("an existing file is never written over", async () => {
  await using made = await testDatabase();
  const file = path.join(made.directory, "mine.txt");
  writeFileSync(file, "mine");
  await expect(backupDatabase(made.db, file)).rejects.toThrow("exists already");
  expect(readFileSync(file, "utf8")).toBe("mine");
});

test("a backup that fails leaves no file", async () => {
  await using made = await testDatabase();
  const file = path.join(made.directory, "copies", "copy.db");
  const unreadable = { ...made.db, path: path.join(made.directory, "nowhere", "x.db") };
  // Not with `rejects`: it blocks the event loop, which the binding's threads report to.
  const fault = await backupDatabase(unreadable, file).catch((error: unknown) => error);
  expect(fault).toMatchObject({ name: "StorageError" });
  expect(readdirSync(path.dirname(file))).toEqual([]);
});

test("expired content leaves no trace in the database or its log", async () => {
  await using made = await testDatabase();
  const { db } = made;
  await addJobs(db, 1_200);
  await addJobs(db, 10, 5_000);
  const expired = async (nowMs: number) =>
    await deleteForGood(db, async (tx, limit) => {
      const some = tx
        .select({ id: jobContent.jobId })
        .from(jobContent)
        .where(lte(jobContent.expiresMs, nowMs))
        .limit(limit);
      return (await tx.delete(jobContent).where(inArray(jobContent.jobId, some)).returning({ id: jobContent.jobId }))
        .length;
    });
  expect(await expired(2_000)).toEqual({ deleted: 1_200, gone: true });
  expect(marksIn(made.directory, "infernet.db")).toBe(10);
  expect(await db.query("SELECT count(*) FROM jobs")).toEqual([[1_210]]);
  expect(await expired(9_000)).toEqual({ deleted: 10, gone: true });
  expect(marksIn(made.directory, "infernet.db")).toBe(0);
});

test("while a reader holds the log, deleting says that a trace is left, and the next time it goes", async () => {
  await using made = await testDatabase();
  const { db } = made;
  await addJobs(db, 10);
  const reader = new Database(made.path);
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM jobs").get([]);
  const all = () =>
    deleteForGood(db, async (tx) => (await tx.delete(jobContent).returning({ id: jobContent.jobId })).length);
  expect(await all()).toEqual({ deleted: 10, gone: false });
  reader.exec("COMMIT");
  reader.close();
  expect(await all()).toEqual({ deleted: 0, gone: true });
  expect(marksIn(made.directory, "infernet.db")).toBe(0);
});
