// Node list: the registered nodes a page at a time, the newest first, along an index whatever is asked for.
import { and, count, eq, getTableColumns, gte, inArray, lt, or, type SQL, sql } from "drizzle-orm";
import { newestFirst, type Span, spanOf } from "../accounts/listing.ts";
import type { Db } from "../db/open.ts";
import { type NodeRole, type NodeRow, type NodeStatus, nodes } from "./schema.ts";

export type NodeFilter = {
  status?: NodeStatus | undefined;
  role?: NodeRole | undefined;
  transport?: NodeRow["transport"] | undefined;
  /** As stored: "" for the one that serves everybody. */
  pool?: string | undefined;
  accountId?: string | undefined;
  /** How its name or its key begins, in any case. */
  begins?: string | undefined;
  /** Only these keys, few of them. */
  among?: readonly string[] | undefined;
  /** What memory knows of a node, asked key by key. */
  fits?: ((pubkey: string) => boolean) | undefined;
};

/** A node without what it said about itself. */
export type ListedNode = Omit<NodeRow, "specs" | "nodeId" | "authV2Seen">;
const { specs: _, nodeId: _nodeId, authV2Seen: _authV2Seen, ...LISTED } = getTableColumns(nodes);

/** Keys that are looked through at a time, where memory decides. */
const CHUNK = 1_000;

/** The newest first. */
export async function pageNodes({ db }: { db: Db }, filter: NodeFilter, span: Span): Promise<ListedNode[]> {
  const keys = await keysOf({ db }, filter, span);
  const rows = await db.read.select(LISTED).from(nodes).where(inArray(nodes.pubkey, keys));
  const byKey = new Map(rows.map((row) => [row.pubkey, row]));
  return newestFirst(
    span,
    keys.flatMap((key) => byKey.get(key) ?? []),
  );
}

/** Read out of the index alone: what memory decides may leave out thousands. */
async function keysOf({ db }: { db: Db }, { fits, ...stored }: NodeFilter, { cursor, limit }: Span): Promise<string[]> {
  const { firstSeenMs: createdMs, pubkey: id } = nodes;
  const where = wanted(stored);
  const found: string[] = [];
  let from = cursor;
  for (;;) {
    const next = spanOf({ createdMs, id }, { cursor: from, limit: fits ? CHUNK : limit });
    const rows = await db.read
      .select({ createdMs, id })
      .from(nodes)
      .where(and(where, next.where))
      .orderBy(...next.order)
      .limit(next.limit);
    for (const row of rows) {
      if (found.length === limit) return found;
      if (fits === undefined || fits(row.id)) found.push(row.id);
    }
    const last = rows.at(-1);
    if (fits === undefined || last === undefined || rows.length < CHUNK) return found;
    from = { to: cursor?.to ?? "older", ...last };
  }
}

function wanted({ begins, among, ...exact }: Omit<NodeFilter, "fits">): SQL | undefined {
  const is = Object.entries(exact).flatMap(([column, value]) =>
    value === undefined ? [] : [eq(nodes[column as keyof typeof exact], value)],
  );
  return and(
    ...is,
    begins === undefined || begins === "" ? undefined : beginsWith(begins),
    among && sql`${nodes.pubkey} in (select value from json_each(${JSON.stringify(among)}))`,
  );
}

/** Both ranges go along an index; `like` would not. */
function beginsWith(text: string): SQL | undefined {
  const named = sql`(${nodes.name} collate nocase >= ${text} and ${nodes.name} collate nocase < ${after(text)})`;
  const key = text.toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(key)) return named;
  return or(named, and(gte(nodes.pubkey, key), lt(nodes.pubkey, `${key}g`)));
}

/** What comes after all that begins so. */
const after = (text: string): string => `${text}\u{10ffff}`;

/** How many there are, by role and status. */
export async function countNodesBy({
  db,
}: {
  db: Db;
}): Promise<{ role: NodeRole; status: NodeStatus; count: number }[]> {
  const { role, status } = nodes;
  return await db.read.select({ role, status, count: count() }).from(nodes).groupBy(role, status);
}

/** How many belong to an account. */
export async function countNodesOf({ db }: { db: Db }, accountId: string): Promise<number> {
  const [row] = await db.read.select({ n: count() }).from(nodes).where(eq(nodes.accountId, accountId));
  return row?.n ?? 0;
}
