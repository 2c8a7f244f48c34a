// Faults: a full database and a process that is killed while it writes.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { StorageError } from "./errors.ts";
import { type Db, openDatabase } from "./open.ts";
import { testDatabase } from "./test-database.ts";

const insert = "INSERT INTO blobs (id, body) VALUES (?, ?)";
const count = async (db: Db) => Number((await db.query("SELECT count(*) FROM blobs"))[0]?.[0]);

async function withLimit(db: Db, morePages: number | null): Promise<void> {
  const [pages] = (await db.query("PRAGMA page_count"))[0] ?? [];
  const limit = morePages === null ? 4294967294 : Number(pages) + morePages;
  await db.writer.exclusive((connection) => connection.script(`PRAGMA max_page_count = ${limit}`));
}

test("a full database refuses clearly, keeps what it had, and works again when there is room", async () => {
  await using made = await testDatabase();
  const { db } = made;
  const script = "CREATE TABLE blobs (id INTEGER PRIMARY KEY, body TEXT NOT NULL)";
  await db.writer.exclusive((connection) => connection.script(script));
  await withLimit(db, 20);
  const acknowledged: number[] = [];
  const faults: StorageError[] = [];
  for (let id = 0; id < 100; id += 1) {
    await db.writer.batch(insert, [[id, "x".repeat(3_000)]], { durable: id % 2 === 0 }).then(
      () => acknowledged.push(id),
      (fault: StorageError) => faults.push(fault),
    );
  }
  expect(acknowledged.length).toBeGreaterThan(5);
  expect(faults.length).toBeGreaterThan(5);
  for (const { name, code, message } of faults) {
    expect([name, code]).toEqual(["StorageError", "storage_full"]);
    expect(message).toContain("free some space");
  }
  expect(await db.query("SELECT id FROM blobs ORDER BY id")).toEqual(acknowledged.map((id) => [id]));
  await withLimit(db, null);
  await db.writer.batch(insert, [[1_000, "room again"]]);
  expect(await count(db)).toBe(acknowledged.length + 1);
  expect(await db.query("PRAGMA integrity_check")).toEqual([["ok"]]);
});

test("a storage that refused a write is in trouble until a write that needs room is kept again", async () => {
  await using made = await testDatabase();
  const { db } = made;
  const script = "CREATE TABLE blobs (id INTEGER PRIMARY KEY, body TEXT NOT NULL)";
  await db.writer.exclusive((connection) => connection.script(script));
  await expect(db.writer.batch("INSERT INTO blobs VALUES (1, NULL)", [[]])).rejects.toThrow("NOT NULL");
  expect(db.writer.trouble()).toBeNull();
  await withLimit(db, 5);
  await expect(db.writer.batch(insert, [[1, "x".repeat(100_000)]])).rejects.toThrow("full");
  expect(db.writer.trouble()).toBe("storage_full");
  expect(await db.writer.probe()).toBe(false);
  // What fits into the room that is left says nothing about the rest.
  await db.writer.batch(insert, [[2, "small"]]);
  expect(db.writer.trouble()).toBe("storage_full");
  await withLimit(db, null);
  expect(await db.writer.probe()).toBe(true);
  expect(db.writer.trouble()).toBeNull();
  expect(await db.query("SELECT id FROM blobs")).toEqual([[2]]);
  expect(await db.query("SELECT name FROM sqlite_schema WHERE name = 'room_probe'")).toEqual([]);
});

test("in a group that meets the limit nobody is told a write was kept that was not", async () => {
  // However slow the machine, all of them are one group.
  await using made = await testDatabase({ monotonicMs: () => 0 });
  const { db } = made;
  const script = "CREATE TABLE blobs (id INTEGER PRIMARY KEY, body TEXT NOT NULL)";
  await db.writer.exclusive((connection) => connection.script(script));
  await withLimit(db, 20);
  const writes = Array.from({ length: 40 }, (_, id) =>
    db.writer.batch(insert, [[id, "x".repeat(id % 5 === 0 ? 20_000 : 10)]]).then(() => id),
  );
  // This one hides its own fault; that its transaction is gone must reach it all the same.
  const hiding = db.writer.transact(async (tx) => {
    await tx.run(`INSERT INTO blobs VALUES (500, '${"x".repeat(200_000)}')`).catch(() => undefined);
    return "hidden";
  });
  const outcomes = await Promise.allSettled(writes);
  expect(await hiding.catch((fault: StorageError) => fault.code)).toBe("storage_full");
  const kept = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [[outcome.value]] : []));
  expect(outcomes.some(({ status }) => status === "rejected")).toBe(true);
  expect(await db.query("SELECT id FROM blobs ORDER BY id")).toEqual(kept);
  await db.writer.batch(insert, [[2_000, "small"]]);
});

const WRITING_CHILD = `
import { openDatabase } from ${JSON.stringify(path.join(import.meta.dir, "open.ts"))};
const db = await openDatabase({ path: process.argv[1] });
await db.writer.exclusive((c) => c.script("CREATE TABLE IF NOT EXISTS blobs (id INTEGER PRIMARY KEY, body TEXT)"));
let next = 0;
const work = async (durable) => {
  for (;;) {
    const id = next++;
    // Two rows that must be there both or not at all.
    await db.writer.batch("INSERT INTO blobs VALUES (?, ?)", [[2 * id, "a"], [2 * id + 1, "b"]], { durable });
    process.stdout.write(id + "\\n");
  }
};
await Promise.all([work(true), work(true), work(true), work(false)]);
`;

/** Reads acknowledgements until there are `enough`, kills, and gives all that came out before the end. */
async function acknowledgedBeforeKill(file: string, enough: number): Promise<number[]> {
  const child = Bun.spawn([process.execPath, "-e", WRITING_CHILD, file], { stdout: "pipe", stderr: "inherit" });
  let told = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    told += chunk;
    if (told.split("\n").length > enough) child.kill("SIGKILL");
  }
  await child.exited;
  // The last line may be cut short.
  return told.split("\n").slice(0, -1).map(Number);
}

test("what was acknowledged is there after SIGKILL, and every write whole", async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "infernet-kill-"));
  try {
    for (const enough of [1, 40, 400]) {
      const file = path.join(directory, `killed-${enough}.db`);
      const acknowledged = await acknowledgedBeforeKill(file, enough);
      expect(acknowledged.length).toBeGreaterThanOrEqual(enough);
      const db = await openDatabase({ path: file });
      const rows = new Set((await db.query("SELECT id FROM blobs")).map(([id]) => Number(id)));
      for (const id of acknowledged) expect(rows.has(2 * id) && rows.has(2 * id + 1)).toBe(true);
      for (const id of rows) expect(rows.has(id ^ 1)).toBe(true);
      expect(await db.query("PRAGMA integrity_check")).toEqual([["ok"]]);
      await db.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
