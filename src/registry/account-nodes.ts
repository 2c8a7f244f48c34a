// Account nodes: which nodes are an account's, ejected ones included: what they earned stays theirs.
import type { Db } from "../db/open.ts";

export type AccountNode = { pubkey: string; name: string };

/** The first `limit`, the oldest first. */
export async function accountNodes(db: Pick<Db, "query">, accountId: string, limit: number): Promise<AccountNode[]> {
  const rows = await db.query(
    "select pubkey, name from nodes where account_id = ? and role = 'provider' order by first_seen_ms, pubkey limit ?",
    [accountId, limit],
  );
  return rows.map(([pubkey, name]) => ({ pubkey: String(pubkey), name: String(name) }));
}

/** The node, where it is the account's. */
export async function accountNode(
  db: Pick<Db, "query">,
  accountId: string,
  pubkey: string,
): Promise<AccountNode | null> {
  const [row] = await db.query("select name from nodes where pubkey = ? and account_id = ? and role = 'provider'", [
    ...[pubkey, accountId],
  ]);
  return row ? { pubkey, name: String(row[0]) } : null;
}

/** What a node is called; null where it has no name. */
export async function nodeName(db: Pick<Db, "query">, pubkey: string): Promise<string | null> {
  const [row] = await db.query("select nullif(name, '') from nodes where pubkey = ?", [pubkey]);
  return (row?.[0] ?? null) as string | null;
}
