import { expect, test } from "bun:test";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { countAttempt, forgetAttempts, giveBack } from "./attempts.ts";

async function counter() {
  const database = await testDatabase();
  const { db } = database;
  const clock = manualClock();
  const key = new Uint8Array(32).fill(9);
  const count = (...names: string[]) =>
    db.writer.transact((tx) =>
      countAttempt(
        tx,
        { key, nowMs: clock.nowMs() },
        names.map((name) => ({ name, limit: 3, perMs: 1_000 })),
      ),
    );
  const rows = async () => Number((await db.query("SELECT count(*) FROM attempts"))[0]?.[0]);
  return { db, clock, key, count, rows, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

test("so many are allowed in a span, and what is refused does not lengthen it", async () => {
  await using on = await counter();
  for (let i = 0; i < 3; i += 1) expect(await on.count("a")).toEqual({ allowed: true, wasLast: i === 2 });
  on.clock.advance(400);
  expect(await on.count("a")).toEqual({ allowed: false, retryAfterMs: 600 });
  expect(await on.count("b")).toMatchObject({ allowed: true });
  on.clock.advance(599);
  expect(await on.count("a")).toEqual({ allowed: false, retryAfterMs: 1 });
  on.clock.advance(1);
  expect(await on.count("a")).toMatchObject({ allowed: true });
});

test("where one allowance is used up, none of the others is touched", async () => {
  await using on = await counter();
  for (let i = 0; i < 3; i += 1) await on.count("full");
  for (let i = 0; i < 5; i += 1) expect(await on.count("other", "full")).toMatchObject({ allowed: false });
  expect(await on.count("other")).toEqual({ allowed: true, wasLast: false });
});

test("of many at once no more are allowed than the limit", async () => {
  await using on = await counter();
  const all = await Promise.all(Array.from({ length: 40 }, () => on.count("a")));
  expect(all.filter(({ allowed }) => allowed).length).toBe(3);
});

test("what is given back may be tried again, and what is over is deleted", async () => {
  await using on = await counter();
  for (let i = 0; i < 3; i += 1) await on.count("a");
  await on.db.writer.transact((tx) => giveBack(tx, on.key, [{ name: "a" }, { name: "never counted" }]));
  expect(await on.count("a")).toMatchObject({ allowed: true });
  await on.count("b");
  on.clock.advance(999);
  await forgetAttempts(on.db, on.clock.nowMs());
  expect(await on.rows()).toBe(2);
  on.clock.advance(1);
  await forgetAttempts(on.db, on.clock.nowMs());
  expect(await on.rows()).toBe(0);
});

test("names are nowhere in the table, and rows do not grow with them", async () => {
  await using on = await counter();
  for (let i = 0; i < 300; i += 1) await on.count(`person-${i}@example.org`);
  const stored = JSON.stringify(await on.db.query("SELECT * FROM attempts"));
  expect(stored).not.toContain("person");
  const keys = (await on.db.query("SELECT key FROM attempts")).map(([key]) => Number.parseInt(String(key), 16));
  expect(Math.max(...keys)).toBeLessThan(2 ** 17);
});
