// The same database interface on the real libSQL server.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { migrations } from "../../migrations/index.ts";
import { accounts } from "../accounts/schema.ts";
import { manualClock } from "../lib/clock.ts";
import { backupDatabase } from "./backup.ts";
import { isUniqueViolation, type StorageError } from "./errors.ts";
import { migrateDatabase, pendingMigrations } from "./migrate.ts";
import { type Db, openDatabase } from "./open.ts";
import { sqldPath, type TestServer, testServer } from "./test-server.ts";

const clock = manualClock();
const account = (id: string) => ({ id, kind: "user", name: id, createdMs: 1 }) as const;

describe.skipIf(sqldPath === null)("on a libSQL server", () => {
  let server: TestServer;
  let db: Db;
  /** Another coordinator on the same database. */
  let other: Db;
  beforeAll(async () => {
    server = await testServer(sqldPath ?? "");
    // However slow the machine, what waits together is one group.
    db = await openDatabase({ url: server.url }, { maxGroupMs: 60_000 });
    other = await openDatabase({ url: server.url });
  });
  afterAll(async () => {
    await Promise.all([db.close(), other.close()]);
    await server[Symbol.asyncDispose]();
  });

  test("two coordinators that start at once migrate once", async () => {
    const done = await Promise.all([db, other].map((each) => migrateDatabase({ db: each, clock })));
    expect(done.flatMap(({ backup }) => backup)).toEqual([null, null]);
    expect(await pendingMigrations(db)).toEqual([]);
    expect(await db.query("SELECT count(*) FROM schema_migrations")).toEqual([[migrations.length]]);
    expect(await db.query("SELECT id FROM accounts")).toEqual([["local"]]);
  });

  test("a migration that fails leaves nothing behind", async () => {
    const sql = "CREATE TABLE `extra` (`id` text);--> statement-breakpoint\nINSERT INTO nowhere VALUES (1);";
    const broken = [...migrations, { n: 9_000, name: "9000_broken", sql }];
    const fault = await migrateDatabase({ db, clock }, broken).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: "migration_failed" });
    expect(await db.query("SELECT name FROM sqlite_schema WHERE name = 'extra'")).toEqual([]);
    expect(await db.query("SELECT max(n) FROM schema_migrations")).toEqual([[migrations.at(-1)?.n]]);
  });

  test("every kind of value comes back as it went in", async () => {
    for (const value of [null, "text", 0, -1, 2 ** 40, 1.5, new Uint8Array([1, 2])]) {
      expect((await db.query("SELECT ?", [value]))[0]?.[0]).toEqual(value);
    }
    expect(await db.query("SELECT typeof(?), typeof(?), ?", [7, 1.5, true])).toEqual([["integer", "real", 1]]);
  });

  test("half a surrogate pair is stored as the sign for what is none, and harms nobody's batch", async () => {
    await db.writer.batch("INSERT INTO accounts (id, kind, name, created_ms) VALUES (?, 'user', ?, 1)", [
      ["half", "a\ud800b"],
      ["whole", "😀"],
    ]);
    const names = await db.query("SELECT name FROM accounts WHERE id IN ('half', 'whole') ORDER BY id");
    expect(names).toEqual([["a\ufffdb"], ["😀"]]);
    await db.writer.batch("DELETE FROM accounts WHERE id = ?", [["half"], ["whole"]]);
  });

  test("a snapshot sees one moment, while others write", async () => {
    const seen = await db.snapshot(async (execute) => {
      const first = await execute("SELECT count(*) FROM accounts WHERE id = ?", ["late"]);
      await other.writer.transact((tx) => tx.insert(accounts).values(account("late")));
      return [first, await execute("SELECT count(*) FROM accounts WHERE id = ?", ["late"])];
    });
    expect(seen).toEqual([[[0]], [[0]]]);
    const late = await db.writer.transact((tx) => tx.delete(accounts).where(eq(accounts.id, "late")).returning());
    expect(late).toHaveLength(1);
  });

  test("writes of a group are kept or undone each by itself", async () => {
    const before = db.writer.stats();
    const outcomes = await Promise.allSettled([
      db.writer.transact((tx) => tx.insert(accounts).values(account("a")).returning({ id: accounts.id })),
      db.writer.transact(async (tx) => {
        await tx.insert(accounts).values(account("b"));
        throw new RangeError("no");
      }),
      db.writer.transact((tx) => tx.insert(accounts).values([account("c"), account("a")])),
      db.writer.batch("INSERT INTO accounts VALUES (?, 'user', ?, 1)", [
        ["d", "d"],
        ["e", "e"],
      ]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(outcomes[0]).toMatchObject({ value: [{ id: "a" }] });
    expect(isUniqueViolation((outcomes[2] as PromiseRejectedResult).reason)).toBe(true);
    expect(db.writer.stats().groups - before.groups).toBe(1);
    expect(await other.query("SELECT id FROM accounts ORDER BY id")).toEqual([["a"], ["d"], ["e"], ["local"]]);
  });

  test("a conditional write raced by two coordinators is won once", async () => {
    const claims = Array.from({ length: 20 }, (_, i) =>
      [db, other][i % 2]?.writer.transact((tx) =>
        tx
          .update(accounts)
          .set({ name: `won by ${i}` })
          .where(eq(accounts.name, "a"))
          .returning({ name: accounts.name }),
      ),
    );
    const won = (await Promise.all(claims)).filter((rows) => rows?.length === 1);
    expect(won.length).toBe(1);
    expect(await db.query("SELECT name FROM accounts WHERE id = 'a'")).toEqual([[won[0]?.[0]?.name]]);
  });

  test("a backup is the server's business", async () => {
    await expect(backupDatabase(db, "/nowhere/copy.db")).rejects.toThrow("own tools");
  });

  test("a server that is gone is a clear error, for reads, writes and at the start", async () => {
    const doomed = await testServer(sqldPath ?? "");
    const gone = await openDatabase({ url: doomed.url });
    await doomed[Symbol.asyncDispose]();
    const fault = (error: unknown) => error as StorageError;
    expect(await gone.writer.transact((tx) => tx.select().from(accounts)).catch(fault)).toMatchObject({
      code: "storage_failed",
    });
    expect(await gone.writer.batch("SELECT 1", [[]]).catch(fault)).toMatchObject({ code: "storage_failed" });
    expect(await openDatabase({ url: doomed.url }).catch(fault)).toMatchObject({ code: "storage_failed" });
    await gone.close();
  });
});
