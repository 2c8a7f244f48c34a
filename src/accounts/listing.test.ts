// Lists of people and what is theirs: parts, cursors, search, and that none of them reads a whole table.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { listed } from "../admin/listing.ts";
import { drizzleOver, type SqlValue } from "../db/executor.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { accountNames } from "./account-names.ts";
import { listApiKeys } from "./api-keys.ts";
import { LOCAL_CALLER } from "./caller.ts";
import { createInvitation, listInvitations } from "./invitations.ts";
import type { Span } from "./listing.ts";
import { createOrganisation, listOrganisations } from "./organisations.ts";
import type { People } from "./people.ts";
import { testPeople } from "./testing/people.ts";
import { insertUser, listUsers, searchUsers } from "./users.ts";

const PEOPLE = 23;
let database: TestDatabase;
let people: People;
const now = { ms: 1_000 };

beforeAll(async () => {
  database = await testDatabase();
  people = testPeople({ db: database.db, clock: { nowMs: () => now.ms } });
  for (let i = 0; i < PEOPLE; i += 1) {
    // Some at the very same time: the id tells them apart.
    now.ms += i % 3 === 0 ? 1 : 0;
    const user = { email: `p${i}@example.org`, name: `Person ${i}`, passwordHash: null, roles: ["client"] as const };
    const made = await people.db.writer.transact((tx) => insertUser(tx, people, user, LOCAL_CALLER));
    if (made.ok && i < 5) await createOrganisation(people, { userId: made.value.id, name: `Org ${i}` }, LOCAL_CALLER);
  }
});
afterAll(() => database[Symbol.asyncDispose]());

test("older and newer lead through all of it, nothing twice, and back", async () => {
  const all = (await listUsers(people)).map(({ id }) => id);
  expect(all).toHaveLength(PEOPLE);
  const read = (span: Span) => listUsers(people, span);
  const cursorOf = (text: string): Span["cursor"] => {
    const [to, createdMs, id = ""] = text.split(":");
    return { to: to === "newer" ? "newer" : "older", createdMs: Number(createdMs), id };
  };
  const pages: string[][] = [];
  let page = await listed({ limit: 5 }, read);
  expect(page.newer).toBeNull();
  for (;;) {
    pages.push(page.rows.map(({ id }) => id));
    if (page.older === null) break;
    page = await listed({ limit: 5, cursor: cursorOf(page.older) }, read);
  }
  expect(pages.map((rows) => rows.length)).toEqual([5, 5, 5, 5, 3]);
  expect(pages.flat()).toEqual(all);
  const back: string[][] = [page.rows.map(({ id }) => id)];
  while (page.newer !== null) {
    page = await listed({ limit: 5, cursor: cursorOf(page.newer) }, read);
    back.unshift(page.rows.map(({ id }) => id));
  }
  expect(back).toEqual(pages);
});

describe("searching", () => {
  const found = async (text: string, limit = 50) => (await searchUsers(people, text, limit)).map(({ email }) => email);
  test("finds by the beginning of an address or a name, in whatever case", async () => {
    expect(await found("P22@")).toEqual(["p22@example.org"]);
    expect((await found("person 2")).toSorted()).toEqual([
      "p20@example.org",
      "p21@example.org",
      "p22@example.org",
      "p2@example.org",
    ]);
    expect(await found("erson")).toEqual([]);
    expect(await found("p", 3)).toHaveLength(3);
  });
  test("takes what stands for anything elsewhere as itself", async () => {
    for (const text of ["%", "_", "p%", "' OR 1=1 --", "\u{10ffff}"])
      expect([text, await found(text)]).toEqual([text, []]);
  });
});

test("an account is named by whose it is", async () => {
  const [user] = await listUsers(people);
  const names = await accountNames(people, [user?.accountId ?? "", "local", "nobody"]);
  expect(names.get(user?.accountId ?? "")).toMatchObject({ user: { id: user?.id, email: user?.email } });
  expect(names.get("local")).toMatchObject({ kind: "local", user: null });
  expect(names.size).toBe(2);
});

test("organisations come with how many are in them", async () => {
  const rows = await listOrganisations(people, { limit: 2 });
  expect(rows.map(({ name, members }) => [name, members]).toSorted()).toEqual([
    ["Org 3", 1],
    ["Org 4", 1],
  ]);
});

test("no list reads a whole table, nor sorts one", async () => {
  await createInvitation(people, { roles: ["client"], ttlMs: 60_000 }, LOCAL_CALLER);
  const plans: string[] = [];
  const { db } = database;
  const asked: { sql: string; params: readonly SqlValue[] }[] = [];
  const spied = {
    ...people,
    db: {
      ...db,
      read: drizzleOver((sql, params) => {
        asked.push({ sql, params });
        return db.query(sql, params);
      }),
    },
  };
  const cursor = { to: "older", createdMs: 5_000, id: "x" } as const;
  for (const span of [{ limit: 5 }, { limit: 5, cursor }, { limit: 5, cursor: { ...cursor, to: "newer" as const } }]) {
    await listUsers(spied, span);
    await listApiKeys(spied, span);
    await listInvitations(spied, span);
    await listOrganisations(spied, span);
  }
  const lists = asked.length;
  await searchUsers(spied, "p1", 5);
  await accountNames(spied, ["local", "x"]);
  for (const [i, { sql, params }] of asked.entries()) {
    for (const row of await db.query(`EXPLAIN QUERY PLAN ${sql}`, params)) {
      // What a search has found is few: that may be sorted.
      const plan = String(row[3]);
      if (i < lists || !plan.startsWith("USE TEMP B-TREE FOR ORDER BY")) plans.push(plan);
    }
  }
  expect(plans.length).toBeGreaterThan(12);
  for (const plan of plans)
    expect(plan).not.toMatch(/^SCAN (?!.*USING INDEX (users|api_keys)_created)|TEMP B-TREE FOR ORDER/);
});
