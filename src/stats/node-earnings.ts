// Node earnings: what nodes earned on a day, out of its sums.
import { and, eq, inArray, sql, sum } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { nodes } from "../registry/schema.ts";
import { earningDays } from "./schema.ts";

/** µ$ after the fee, of those of these nodes that earned anything. `day`: UTC, since the Unix epoch. */
export async function earnedBy({ db }: { db: Db }, keys: readonly string[], day: number): Promise<Map<string, number>> {
  const { node, nodeAmount } = earningDays;
  const rows = await db.read
    .select({ node, nodeAmount })
    .from(earningDays)
    .where(and(inArray(node, [...keys]), eq(earningDays.day, day)));
  return new Map(rows.map((row) => [row.node, row.nodeAmount]));
}

/** µ$ after the fee, of all nodes of an account. */
export async function earnedOf({ db }: { db: Db }, accountId: string, day: number): Promise<number> {
  const theirs = sql`${earningDays.node} in (select ${nodes.pubkey} from ${nodes} where ${nodes.accountId} = ${accountId})`;
  const [row] = await db.read
    .select({ earned: sum(earningDays.nodeAmount).mapWith(Number) })
    .from(earningDays)
    .where(and(eq(earningDays.day, day), theirs));
  return row?.earned ?? 0;
}
