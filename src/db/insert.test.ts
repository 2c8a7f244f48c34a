import { expect, test } from "bun:test";
import { insertOf } from "./insert.ts";
import { testDatabase } from "./test-database.ts";

const ROOM = "create table room (id integer primary key, kind text not null, n integer not null)";

test("each row is inserted once and in its order, however many there are", async () => {
  await using made = await testDatabase();
  const insert = insertOf("room (id, kind, n)", "(?, 'x', ?)");
  const { writer } = made.db;
  await writer.transact(async (_, execute) => void (await execute(ROOM, [])));
  let id = 0;
  for (const count of [0, 1, 3, 4, 15, 16, 17, 37]) {
    const rows = Array.from({ length: count }, () => [++id, -id]);
    await writer.transact((_tx, _execute, many) => insert(many, rows));
    const [stored] = await made.db.query("select count(*), min(n), count(distinct kind) from room");
    expect(stored).toEqual([id, id === 0 ? null : -id, id === 0 ? 0 : 1]);
  }
});

test("what follows the rows holds for each of them", async () => {
  await using made = await testDatabase();
  const { writer } = made.db;
  const add = insertOf("room (id, kind, n)", "(?, 'x', ?)", "on conflict (id) do update set n = room.n + excluded.n");
  await writer.transact(async (_, execute, many) => {
    await execute(ROOM, []);
    await add(
      many,
      Array.from({ length: 50 }, (_, i) => [i % 5, i]),
    );
  });
  expect(await made.db.query("select id, n from room")).toEqual([0, 1, 2, 3, 4].map((k) => [k, 225 + 10 * k]));
});

test("where a row is refused, none of them is there", async () => {
  await using made = await testDatabase();
  const { writer } = made.db;
  const insert = insertOf("room (id, kind, n)", "(?, 'x', ?)");
  await writer.transact(async (_, execute) => void (await execute(ROOM, [])));
  const rows = Array.from({ length: 20 }, (_, i) => [i === 18 ? 0 : i, i]);
  const fault = await writer.transact((_tx, _execute, many) => insert(many, rows)).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(Error);
  expect(await made.db.query("select count(*) from room")).toEqual([[0]]);
});
