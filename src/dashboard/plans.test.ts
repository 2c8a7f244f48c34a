// Plans: what the database does for each page. None reads a table that grows from one end to the other; pages are found
// by themselves, with whatever their links and forms ask for.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { drizzleOver, type Execute, type SqlValue } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";
import { crawl, pageRoutes, type Visit } from "./testing/crawl.ts";
import { MODELS, nodeKey, seedNetwork } from "./testing/large-network.ts";
import { type SignedIn, signedIn } from "./testing/signed-in.ts";

const SIZE = { nodes: 60, jobs: 6_000, accounts: 80, receipts: 300, audited: 200 };
/** Tables that stay small: one row for each setting, migration, chain or alias. */
const SMALL = new Set(["settings", "changes", "schema_migrations", "solana_cluster"]);
/** Read from one end to the other on purpose, and why that is no harm. */
const ALLOWED: readonly { of: RegExp; why: string }[] = [
  { of: /from "users" where instr\("users"\."roles"/, why: "it ends at the first admin, who came first" },
  {
    of: /indexed by jobs_failed/,
    why: "that no more than 5,000 have failed was looked up just before, or is looked up here",
  },
  { of: /json_each\(k\.pools\)/, why: "off the event loop, and kept for a while" },
  { of: /count\(\*\) from "nodes" group by/, why: "an index of 10,000 short rows, not the table" },
];

/** There on other stages only: a provider to sign in with; a payment under way and a stake on a chain. */
const NOT_HERE = new Set([
  ...["/sign-up/with/:provider", "/live/deposit/:reference", "/billing/deposits/:reference"],
  ...["/admin/money/stakes/:pubkey", "/live/stake/:pubkey"],
]);

let on: CoordinatorStage;
let admin: SignedIn;
/** What is read now, for which page. */
const asked: { path: string; sql: string; params: readonly SqlValue[] }[] = [];
let page = "";

/** Every reading statement from now on is noted. */
function record(db: Db): Execute {
  const { query, snapshot } = db;
  const noted =
    (execute: Execute): Execute =>
    (sql, params) => {
      asked.push({ path: page, sql, params });
      return execute(sql, params);
    };
  const read = noted((sql, params) => query(sql, params));
  const watched: Pick<Db, "read" | "query" | "snapshot"> = {
    read: drizzleOver(read),
    query: async (sql, params = []) => await read(sql, params),
    snapshot: (act) => snapshot((execute) => act(noted(execute))),
  };
  Object.assign(db, watched);
  return query;
}

let plain: Execute;
beforeAll(async () => {
  on = await coordinatorStage({ dashboard: { billing: "credits" } });
  const { db } = on.database;
  admin = await signedIn(on, { email: "ada@example.org", roles: ["admin", "operator", "client"] });
  await seedNetwork(db, { ...SIZE, accountId: admin.accountId, nowMs: on.clock.nowMs() });
  for (let n = 1; n <= 30; n++) on.node(n, { models: MODELS.slice(n % 8, (n % 8) + 3) });
  plain = record(db);
});
afterAll(() => on[Symbol.asyncDispose]());

const examples = { "*": MODELS[0] ?? "", pubkey: nodeKey(1) };
async function look(get: (path: string) => Promise<Response>): Promise<Visit[]> {
  return crawl({
    routes: on.routes,
    async get(path) {
      page = path;
      return get(path);
    },
    examples: { ...examples, id: await someJob() },
  });
}
async function someJob(): Promise<string> {
  const [row] = await plain("select id from jobs where account_id = ? order by id desc limit 1", [admin.accountId]);
  return String(row?.[0]);
}

/** What stands for each table in a statement: its own name, or another. */
function namesIn(sql: string): Map<string, string> {
  const names = new Map<string, string>();
  const word = /\b(?:from|join)\s+["`]?(\w+)["`]?(?:\s+(?:as\s+)?["`]?(\w+)["`]?)?/gi;
  for (const [, table = "", other] of sql.matchAll(word)) {
    names.set(table, table);
    if (other !== undefined) names.set(other, table);
  }
  return names;
}

/** Reads as many rows as it gives, in the order of an index. */
const isBounded = (sql: string, plan: string): boolean =>
  /\blimit\b/i.test(sql) && !/\bwhere\b|\bgroup by\b|\bcount\(|\bsum\(/i.test(sql) && !plan.includes("TEMP B-TREE");

async function faultsOf(tables: ReadonlySet<string>): Promise<string[]> {
  const faults: string[] = [];
  for (const { sql, params, path } of new Map(asked.map((one) => [one.sql, one])).values()) {
    if (!/^\s*(select|with)\b/i.test(sql) || /\bwhere false$/i.test(sql)) continue;
    const details = (await plain(`explain query plan ${sql}`, params)).map((row) => String(row[3]));
    const plan = details.join("\n");
    const names = namesIn(sql);
    for (const detail of details) {
      const [, name = ""] = /^SCAN (\w+)/.exec(detail) ?? [];
      const table = names.get(name) ?? "";
      if (!tables.has(table) || SMALL.has(table) || isBounded(sql, plan)) continue;
      if (ALLOWED.some(({ of }) => of.test(sql))) continue;
      faults.push(`${path}: ${detail} [${table}] of ${sql.replace(/\s+/g, " ").slice(0, 300)}`);
    }
  }
  return faults;
}

test("no page reads a table that grows from one end to the other", async () => {
  const client = await signedIn(on, { email: "cleo@example.org" });
  const visits = [...(await look(admin.get)), ...(await look(client.get))];
  visits.push(...(await look((path) => fetch(on.server.url + path, { redirect: "manual" }))));
  const tables = new Set(
    (await plain("select name from sqlite_master where type = 'table'", [])).map(([name]) => String(name)),
  );
  // Each page was there for somebody, and none broke.
  const broken = visits.filter(({ status }) => status >= 500);
  expect(broken.map(({ path, status }) => [path, status])).toEqual([]);
  const seen = new Set(visits.filter(({ status }) => status < 400).map(({ route }) => route));
  const unseen = pageRoutes(on.routes).map(({ path }) => path);
  expect(unseen.filter((path) => !seen.has(path) && !NOT_HERE.has(path))).toEqual([]);
  expect(await faultsOf(tables)).toEqual([]);
}, 240_000);
