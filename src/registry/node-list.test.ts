import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { ListCursor } from "../accounts/listing.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { countNodesBy, type ListedNode, type NodeFilter, pageNodes } from "./node-list.ts";
import { NODE_ROLES, NODE_STATUSES, nodes } from "./schema.ts";

const COUNT = 60;
const POOLS = ["", "lab"];
const TRANSPORTS = ["link", "polling", "worker"] as const;
let database: TestDatabase;
let all: ListedNode[];

const at = <T>(values: readonly T[], n: number): T => values[n % values.length] as T;
beforeAll(async () => {
  database = await testDatabase();
  await database.db.writer.transact(async (tx) => {
    for (let n = 0; n < COUNT; n += 1) {
      await tx.insert(nodes).values({
        ...{
          pubkey: new Bun.CryptoHasher("sha256").update(`${n}`).digest("hex"),
          name: at(["GPU", "gpu", "é", ""], n),
        },
        ...{
          role: at(NODE_ROLES, n % 7),
          status: at(NODE_STATUSES, n % 5),
          accountId: "local",
          specs: { n },
          slots: 1,
        },
        // Several at the same moment.
        ...{ firstSeenMs: Math.floor(n / 4), authV2Seen: true, pool: at(POOLS, n), transport: at(TRANSPORTS, n % 11) },
      });
    }
  });
  all = await pageNodes(database, {}, {});
});
afterAll(() => database[Symbol.asyncDispose]());

const fits = (filter: NodeFilter) => (row: ListedNode) =>
  (["status", "role", "transport", "pool"] as const).every(
    (of) => filter[of] === undefined || row[of] === filter[of],
  ) &&
  (filter.begins === undefined ||
    row.name.toLowerCase().startsWith(filter.begins.toLowerCase()) ||
    row.pubkey.startsWith(filter.begins.toLowerCase())) &&
  (filter.among === undefined || filter.among.includes(row.pubkey)) &&
  (filter.fits === undefined || filter.fits(row.pubkey));

const maybe = <T>(values: readonly T[]) => fc.constantFrom<(T | undefined)[]>(undefined, ...values);
const filters: fc.Arbitrary<NodeFilter> = fc.record({
  status: maybe(NODE_STATUSES),
  role: maybe(NODE_ROLES),
  transport: maybe(TRANSPORTS),
  pool: maybe(POOLS),
  begins: maybe(["gP", "a", "é", "%", "gpu-"]),
  fits: maybe([(key: string) => key < "8", () => false]),
});

test("pages to older ones and back again hold every node that fits, once, in order", async () => {
  expect(all.length).toBe(COUNT);
  await fc.assert(
    fc.asyncProperty(filters, fc.integer({ min: 1, max: 20 }), async (filter, limit) => {
      const expected = all.filter(fits(filter)).map(({ pubkey }) => pubkey);
      const walk = async (to: ListCursor["to"], start: ListCursor | undefined) => {
        const pages: string[][] = [];
        for (let cursor = start; ; ) {
          const rows = await pageNodes(database, filter, { cursor, limit });
          if (rows.length === 0) return pages;
          pages.push(rows.map(({ pubkey }) => pubkey));
          const edge = to === "older" ? rows.at(-1) : rows[0];
          cursor = { to, createdMs: edge?.firstSeenMs ?? 0, id: edge?.pubkey ?? "" };
        }
      };
      expect((await walk("older", undefined)).flat()).toEqual(expected);
      expect((await walk("newer", { to: "newer", createdMs: -1, id: "" })).reverse().flat()).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

test("some keys are found wherever they stand", async () => {
  const among = [all[3], all[40]].map((row) => row?.pubkey ?? "");
  const rows = await pageNodes(database, { among: [...among, "f".repeat(64)] }, { limit: 5 });
  expect(rows.map(({ pubkey }) => pubkey)).toEqual(among);
});

test("they are counted by role and status", async () => {
  const counted = await countNodesBy(database);
  expect(counted.reduce((sum, { count }) => sum + count, 0)).toBe(COUNT);
  const pending = counted.find(({ role, status }) => role === "client" && status === "pending")?.count ?? 0;
  expect(pending).toBe(all.filter(({ role, status }) => role === "client" && status === "pending").length);
});

test("no list reads all nodes: each goes along an index", async () => {
  const plan = async (sql: string) => JSON.stringify(await database.db.query(`EXPLAIN QUERY PLAN ${sql}`));
  const order = "ORDER BY first_seen_ms DESC, pubkey DESC LIMIT 51";
  for (const [where, index] of [
    ["1", "nodes_seen"],
    ["status = 'pending'", "nodes_status"],
    ["pool = 'lab'", "nodes_pool"],
    ["transport = 'worker'", "nodes_transport"],
    ["account_id = 'a'", "nodes_account"],
    ["role = 'client'", "nodes_role"],
  ]) {
    expect(await plan(`SELECT first_seen_ms, pubkey FROM nodes WHERE ${where} ${order}`)).toContain(
      `USING COVERING INDEX ${index}`,
    );
  }
});
