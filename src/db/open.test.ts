import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { eq } from "drizzle-orm";
import { accounts } from "../accounts/schema.ts";
import { testDatabase } from "./test-database.ts";

test("a new database has the local account, WAL and mode 0600", async () => {
  await using made = await testDatabase();
  const rows = await made.db.read.select().from(accounts);
  expect(rows).toMatchObject([{ id: "local", kind: "local" }]);
  expect(await made.db.query("PRAGMA journal_mode")).toEqual([["wal"]]);
  expect(statSync(made.path).mode & 0o777).toBe(0o600);
});

test("readers do not see a write before its commit", async () => {
  await using made = await testDatabase();
  const seen: number[] = [];
  await made.db.writer.transact(async (tx) => {
    await tx.insert(accounts).values({ id: "a", kind: "user", name: "A", createdMs: 1 });
    seen.push((await made.db.read.select().from(accounts)).length);
    seen.push((await tx.select().from(accounts)).length);
  });
  seen.push((await made.db.read.select().from(accounts)).length);
  expect(seen).toEqual([1, 2, 2]);
});

test("every kind of value comes back as it went in, call after call of one statement", async () => {
  await using made = await testDatabase();
  const values = [null, "text", "", 0, -1, 2 ** 40, 1.5, new Uint8Array([1, 2]), new Uint8Array(0), "last"];
  for (const value of values) {
    const [row] = await made.db.query("SELECT ?, typeof(?)", [value, value]);
    expect(row?.[0] instanceof Uint8Array ? new Uint8Array(row[0]) : row?.[0]).toEqual(value);
  }
  expect(await made.db.query("SELECT ?, typeof(?)", [true, 7])).toEqual([[1, "integer"]]);
  await expect(made.db.query("SELECT ?", [{} as never])).rejects.toThrow(TypeError);
});

test("get, all and returning through drizzle", async () => {
  await using made = await testDatabase();
  const { read, writer } = made.db;
  expect(await read.select().from(accounts).where(eq(accounts.id, "nobody")).get()).toBeUndefined();
  for (const id of ["a", "b"]) {
    const rows = await writer.transact((tx) =>
      tx.insert(accounts).values({ id, kind: "user", name: id, createdMs: 5 }).returning({ id: accounts.id }),
    );
    expect(rows).toEqual([{ id }]);
  }
  expect((await read.select().from(accounts).where(eq(accounts.id, "b")).get())?.name).toBe("b");
});

test("a snapshot sees one moment, while others write, and changes nothing", async () => {
  await using made = await testDatabase();
  const { db } = made;
  const add = (id: string) =>
    db.writer.transact((tx) => tx.insert(accounts).values({ id, kind: "user", name: id, createdMs: 5 }));
  await add("before");
  const seen = await db.snapshot(async (execute) => {
    const ids = "SELECT id FROM accounts WHERE kind = ? AND created_ms = ? ORDER BY id";
    const first = await execute(ids, ["user", 5]);
    await add("during");
    const written = await Promise.resolve(execute("DELETE FROM accounts RETURNING id", [])).catch((error: unknown) =>
      String(error),
    );
    return { first, written, second: await execute(ids, ["user", 5]) };
  });
  expect(seen).toMatchObject({ first: [["before"]], second: [["before"]] });
  expect(seen.written).toContain("readonly");
  expect(await db.query("SELECT count(*) FROM accounts WHERE kind = 'user'")).toEqual([[2]]);
});
