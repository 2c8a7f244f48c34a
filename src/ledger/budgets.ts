// Budgets: what is spent, or held for jobs under way, of limits that stand beside an account's balance.
import { eq } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { budgets } from "./schema.ts";

/** What is used of one, µ$. */
export async function usedOf({ db }: { db: Pick<Db, "read"> }, id: string): Promise<bigint> {
  const [row] = await db.read.select().from(budgets).where(eq(budgets.id, id));
  return BigInt(row?.used ?? 0);
}
