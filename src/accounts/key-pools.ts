// Key pools: which private pools an account may use. The right is given with its keys.
import { and, eq, gt, isNull, or } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { apiKeys } from "./schema.ts";

/** Private pools that the account's keys in force may use. */
export async function poolsOfKeys({ db, clock }: { db: Db; clock: Clock }, accountId: string): Promise<string[]> {
  const { pools, expiresMs } = apiKeys;
  const inForce = and(isNull(apiKeys.revokedMs), or(isNull(expiresMs), gt(expiresMs, clock.nowMs())));
  const rows = await db.read
    .selectDistinct({ pools })
    .from(apiKeys)
    .where(and(eq(apiKeys.accountId, accountId), inForce));
  return [...new Set(rows.flatMap((row) => row.pools))].sort();
}
