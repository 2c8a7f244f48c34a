import { expect, test } from "bun:test";
import { apiKeys } from "../accounts/schema.ts";
import type { Db } from "../db/open.ts";
import { testDatabase } from "../db/test-database.ts";
import { jobs } from "./schema.ts";
import { USAGE_ROWS, type UsageQuery, type UsageRow, usagePage } from "./usage.ts";

const MARCH = { fromMs: Date.UTC(2026, 2, 1), toMs: Date.UTC(2026, 3, 1) };
const at = (day: number) => Date.UTC(2026, 2, day, 12);

type Done = Partial<typeof jobs.$inferInsert>;
const add = (db: Db, atMs: number, rows: readonly Done[]) =>
  db.writer.transact(async (tx) => {
    for (const row of rows) {
      const id = Bun.randomUUIDv7("hex", atMs);
      const base = { id, accountId: "local", kind: "chat", model: "tiny", state: "completed", stream: false } as const;
      const tokens = { promptTokens: 10, completionTokens: 5, chargedMicroUsd: 7 };
      await tx.insert(jobs).values({ ...base, ...tokens, createdMs: atMs, endedMs: atMs + 1, ...row });
    }
  });

async function all(db: Db, query: UsageQuery): Promise<UsageRow[]> {
  const rows: UsageRow[] = [];
  let page = await usagePage(db, query, null);
  for (;;) {
    rows.push(...page.rows);
    if (!page.next) return rows;
    page = await usagePage(db, query, page.next);
  }
}
const sums = (requests: number, completed = requests) => ({
  requests,
  completed,
  prompt_tokens: 10 * requests,
  completion_tokens: 5 * requests,
  charged_micro_usd: 7 * requests,
});

test("jobs that ended are counted by day, key and model, in that order", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const key = {
    id: "key_a",
    accountId: "local",
    name: "=laptop",
    prefix: "inf_",
    keyHash: "x",
    scopes: [],
    createdMs: 0,
  };
  await db.writer.transact((tx) => tx.insert(apiKeys).values(key));
  await add(db, at(2), [{ keyId: key.id }, { keyId: key.id }, { keyId: null }, { keyId: key.id, model: "big" }]);
  await add(db, at(3), [
    { keyId: key.id, state: "failed" },
    { keyId: key.id, endedMs: null, state: "running" },
  ]);
  await add(db, at(-1), [{}]);
  await add(db, at(40), [{}]);
  const mine = { key: key.id, key_name: "=laptop" };
  expect(await all(db, { period: MARCH, by: ["key", "model", "day"] })).toEqual([
    { day: "2026-03-02", key: null, key_name: null, model: "tiny", ...sums(1) },
    { day: "2026-03-02", ...mine, model: "big", ...sums(1) },
    { day: "2026-03-02", ...mine, model: "tiny", ...sums(2) },
    { day: "2026-03-03", ...mine, model: "tiny", ...sums(1, 0) },
  ]);
  expect(await all(db, { period: MARCH, by: ["model"] })).toEqual([
    { model: "big", ...sums(1) },
    { model: "tiny", ...sums(4, 3) },
  ]);
  expect(await all(db, { period: MARCH, by: [] })).toEqual([sums(5, 4)]);
  expect(await all(db, { period: { fromMs: at(10), toMs: at(11) }, by: [] })).toEqual([]);
});

test("an account sees its own", async () => {
  await using database = await testDatabase();
  const { db } = database;
  await db.writer.batch("insert into accounts (id, kind, name, created_ms) values (?, 'user', 'x', 0)", [["acme"]]);
  await add(db, at(2), [{}, { accountId: "acme" }, { accountId: "acme" }]);
  expect(await all(db, { period: MARCH, by: ["account"] })).toEqual([
    { account: "acme", ...sums(2) },
    { account: "local", ...sums(1) },
  ]);
  expect(await all(db, { period: MARCH, by: [], accountId: "acme" })).toEqual([sums(2)]);
});

test("a span of years is read in pieces, and nothing is left out or counted twice at their ends", async () => {
  await using database = await testDatabase();
  const { db } = database;
  const years = { fromMs: Date.UTC(2020, 0, 1), toMs: Date.UTC(2027, 0, 1) };
  const days = Array.from({ length: 70 }, (_, n) => Date.UTC(2026, 0, 1 + n * 3));
  for (const day of days) await add(db, day, [{}]);
  const models = Array.from({ length: USAGE_ROWS + 10 }, (_, n) => ({ model: `m${n}` }));
  await add(db, at(5), models);
  const rows = await all(db, { period: years, by: ["day", "model"] });
  expect(rows.reduce((sum, { requests }) => sum + requests, 0)).toBe(days.length + models.length);
  expect(new Set(rows.map(({ day, model }) => `${day} ${model}`)).size).toBe(days.length + models.length);
  expect((await all(db, { period: years, by: ["model"] })).length).toBe(models.length + 1);
});
