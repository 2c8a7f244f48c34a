import { expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import fc from "fast-check";
import { StorageError } from "./errors.ts";
import type { Drizzle, SqlValue } from "./executor.ts";
import type { Db } from "./open.ts";
import { testDatabase } from "./test-database.ts";

const things = sqliteTable("things", { id: integer().primaryKey(), value: text().notNull() });

async function withThings(db: Db): Promise<Db> {
  await db.writer.exclusive((connection) =>
    connection.script("CREATE TABLE things (id INTEGER PRIMARY KEY, value TEXT NOT NULL)"),
  );
  return db;
}
const add =
  (id: number, value = `v${id}`) =>
  (tx: Drizzle) =>
    tx.insert(things).values({ id, value });
const ids = async (db: Db) => (await db.read.select().from(things).orderBy(things.id)).map(({ id }) => id);

/** However slow the machine, a group is not closed for the time it takes. */
const PATIENT = { monotonicMs: () => 0 };

test("writes that wait together share one commit", async () => {
  await using made = await testDatabase(PATIENT);
  const db = await withThings(made.db);
  const before = db.writer.stats();
  await Promise.all(Array.from({ length: 100 }, (_, id) => db.writer.transact(add(id))));
  const after = db.writer.stats();
  expect(after.writes - before.writes).toBe(100);
  expect(after.groups - before.groups).toBe(1);
  expect((await ids(db)).length).toBe(100);
});

test("nobody is told before the commit", async () => {
  await using made = await testDatabase();
  const db = await withThings(made.db);
  await Promise.all(
    Array.from({ length: 20 }, async (_, id) => {
      await db.writer.transact(add(id), { durable: id % 2 === 0 });
      expect(await ids(db)).toContain(id);
    }),
  );
});

test("a throw undoes its own write only, and reaches its own caller only", async () => {
  await using made = await testDatabase(PATIENT);
  const db = await withThings(made.db);
  const outcomes = await Promise.allSettled([
    db.writer.transact(add(1)),
    db.writer.transact(async (tx) => {
      await add(2)(tx);
      await add(3)(tx);
      throw new RangeError("no");
    }),
    db.writer.transact(async (tx) => {
      await add(4)(tx);
      await add(1)(tx);
    }),
    db.writer.batch("INSERT INTO things VALUES (?, ?)", [
      [5, "a"],
      [1, "b"],
    ]),
    db.writer.batch("INSERT INTO things VALUES (?, ?)", [
      [6, "a"],
      [7, "b"],
    ]),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected", "fulfilled"]);
  expect((outcomes[1] as PromiseRejectedResult).reason).toBeInstanceOf(RangeError);
  expect((outcomes[2] as PromiseRejectedResult).reason.message).toBe("UNIQUE constraint failed: things.id");
  expect(db.writer.stats().groups).toBe(1);
  expect(await ids(db)).toEqual([1, 6, 7]);
});

test("an error carries no values of its statement", async () => {
  await using made = await testDatabase();
  const db = await withThings(made.db);
  await db.writer.transact(add(1));
  const fault = await db.writer.transact(add(1, "a prompt")).then(String, (error: unknown) => Bun.inspect(error));
  expect(fault).toContain("UNIQUE");
  expect(fault).not.toContain("a prompt");
});

test("an op's own error reaches its caller as it is", async () => {
  await using made = await testDatabase();
  const own = Object.assign(new Error("mine"), { code: "pending_full" });
  const thrown = await made.db.writer.transact(() => Promise.reject(own)).catch((error: unknown) => error);
  expect(thrown).toBe(own);
});

test("a statement after its transaction ended is refused", async () => {
  await using made = await testDatabase();
  const db = await withThings(made.db);
  let late: Drizzle | undefined;
  await db.writer.transact(async (tx) => {
    late = tx;
  });
  await expect(late && add(1)(late).execute()).rejects.toThrow();
  expect(await ids(db)).toEqual([]);
});

test("a write inside a write is refused instead of waiting for itself", async () => {
  await using made = await testDatabase();
  const db = await withThings(made.db);
  const inner = db.writer.transact(async () => await db.writer.transact(add(1)));
  await expect(inner).rejects.toThrow("use the tx");
  await db.writer.transact(add(2));
  expect(await ids(db)).toEqual([2]);
});

test("a write begun by a write, but not awaited by it, is done after it", async () => {
  await using made = await testDatabase();
  const db = await withThings(made.db);
  const begun = Promise.withResolvers<void>();
  await db.writer.transact(async (tx) => {
    await add(1)(tx);
    setImmediate(() => db.writer.transact(add(2)).then(() => begun.resolve(), begun.reject));
  });
  await begun.promise;
  expect(await ids(db)).toEqual([1, 2]);
});

test("a full queue refuses, and takes writes again when it has emptied", async () => {
  await using made = await testDatabase({ maxQueued: 3 });
  const db = await withThings(made.db);
  const outcomes = await Promise.allSettled([1, 2, 3, 4, 5].map((id) => db.writer.transact(add(id))));
  const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  expect(refused.map((reason: StorageError) => reason.code)).toEqual(["storage_busy", "storage_busy"]);
  await db.writer.transact(add(6));
  expect(await ids(db)).toEqual([1, 2, 3, 6]);
});

test("drain waits for what is queued, close refuses what comes after", async () => {
  await using made = await testDatabase();
  const db = await withThings(made.db);
  let done = 0;
  for (let id = 0; id < 50; id += 1) void db.writer.transact(add(id)).then(() => (done += 1));
  await db.writer.drain();
  expect(done).toBe(50);
  await db.writer.close();
  await expect(db.writer.transact(add(99))).rejects.toThrow(StorageError);
});

test("a durable write commits with synchronous=FULL, another with NORMAL, and the order is kept", async () => {
  await using made = await testDatabase(PATIENT);
  const db = await withThings(made.db);
  const order: string[] = [];
  const seen = (name: string, durable: boolean) =>
    db.writer.transact(
      async (tx) => {
        const [level] = (await tx.all<[number]>(sql`PRAGMA synchronous`))[0] ?? [];
        order.push(`${name}${level}`);
      },
      { durable },
    );
  await Promise.all([seen("a", false), seen("b", false)]);
  await seen("c", true);
  await Promise.all([seen("d", false), seen("e", true), seen("f", false)]);
  await seen("g", false);
  expect(order).toEqual(["a1", "b1", "c2", "d2", "e2", "f2", "g1"]);
});

test("of fifty raced conditional writes exactly one wins", async () => {
  await using made = await testDatabase();
  const db = await withThings(made.db);
  await db.writer.transact(add(1, "queued"));
  const claims = Array.from({ length: 50 }, (_, i) =>
    db.writer.transact((tx) =>
      tx
        .update(things)
        .set({ value: `won by ${i}` })
        .where(eq(things.value, "queued"))
        .returning(),
    ),
  );
  const won = (await Promise.all(claims)).filter((rows) => rows.length === 1);
  expect(won.length).toBe(1);
  expect(await db.read.select().from(things)).toEqual(won.flat());
});

type Step = { kind: "add" | "set" | "read"; id: number; value: string } | { kind: "throw" };
type Write = { how: "op" | "batch"; steps: Step[]; durable: boolean; swallow: boolean; pause: boolean };
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom("add", "set", "read"), id: fc.nat(6), value: fc.string() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("throw") }) },
);
const writeArb: fc.Arbitrary<Write> = fc.record({
  how: fc.constantFrom("op", "op", "batch"),
  steps: fc.array(stepArb, { maxLength: 5 }),
  durable: fc.boolean(),
  swallow: fc.boolean(),
  pause: fc.boolean(),
});

/** Runs one generated write and says how it ended, as text. */
async function perform(db: Db, { how, steps, durable, swallow }: Write): Promise<string> {
  if (how === "batch") {
    const rows: SqlValue[][] = steps.map((step) => (step.kind === "throw" ? [null, null] : [step.id, step.value]));
    const done = db.writer.batch("INSERT INTO things VALUES (?, ?)", rows, { durable });
    return await done.then(
      () => "done",
      (error: Error) => error.message,
    );
  }
  const op = async (tx: Drizzle) => {
    const seen: unknown[] = [];
    for (const step of steps) {
      if (step.kind === "throw") throw new Error("thrown");
      const { id, value } = step;
      const adding = async () => void (await tx.insert(things).values({ id, value }));
      if (step.kind === "add") await (swallow ? adding().catch(() => undefined) : adding());
      if (step.kind === "set") seen.push(await tx.update(things).set({ value }).where(eq(things.id, id)).returning());
      if (step.kind === "read") seen.push(await tx.select().from(things).where(eq(things.id, id)));
    }
    return JSON.stringify(seen);
  };
  return await db.writer.transact(op, { durable }).catch((error: Error) => error.message);
}

test("groups end as the same writes one after the other would", async () => {
  await using grouped = await testDatabase({ maxGroup: 7 });
  await using serial = await testDatabase();
  await withThings(grouped.db);
  await withThings(serial.db);
  await fc.assert(
    fc.asyncProperty(fc.array(writeArb, { maxLength: 25 }), async (writes) => {
      for (const { db } of [grouped, serial]) await db.writer.batch("DELETE FROM things", [[]], { durable: false });
      const together: Promise<string>[] = [];
      for (const write of writes) {
        together.push(perform(grouped.db, write));
        if (write.pause) await new Promise((resolve) => setImmediate(resolve));
      }
      const outcomes = await Promise.all(together);
      const oneByOne: string[] = [];
      for (const write of writes) oneByOne.push(await perform(serial.db, { ...write, durable: false }));
      expect(outcomes).toEqual(oneByOne);
      const all = "SELECT * FROM things ORDER BY id";
      expect(await grouped.db.query(all)).toEqual(await serial.db.query(all));
    }),
    { numRuns: 60 },
  );
});
