// Client accounts: whose the jobs are that other instances ask for under their own keys.
import { and, eq, ne } from "drizzle-orm";
import { accounts, LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { type NodeRow, nodes } from "./schema.ts";

/**
 * Instances that submit jobs have an account each: another organisation's coordinator is to see its own jobs and the
 * secret of its own webhooks, and nobody else's. Gives the row as it stands then.
 */
export async function withAccount(tx: Drizzle, row: NodeRow): Promise<NodeRow> {
  const { pubkey, role, status, name, firstSeenMs: createdMs } = row;
  if (role === "provider" || status !== "approved" || row.accountId !== LOCAL_ACCOUNT_ID) return row;
  const accountId = `client:${pubkey}`;
  await tx.insert(accounts).values({ id: accountId, kind: "client", name, createdMs }).onConflictDoNothing();
  await tx.update(nodes).set({ accountId }).where(eq(nodes.pubkey, pubkey));
  return { ...row, accountId };
}

/** The same for those that were let in before there were such accounts. */
export async function giveAccounts({ db }: { db: Db }): Promise<void> {
  const without = and(ne(nodes.role, "provider"), eq(nodes.status, "approved"), eq(nodes.accountId, LOCAL_ACCOUNT_ID));
  if ((await db.read.select({ pubkey: nodes.pubkey }).from(nodes).where(without).limit(1)).length === 0) return;
  await db.writer.transact(async (tx) => {
    for (const row of await tx.select().from(nodes).where(without)) await withAccount(tx, row);
  });
}
