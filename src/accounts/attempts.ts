// Attempts: counts what people and strangers try, in the database, so that replicas count together. What is counted is
// hashed with a key of this instance into a fixed number of rows: the table cannot be filled, and nobody can choose
// whose row they share.
import { eq, lte, sql } from "drizzle-orm";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { attempts } from "./schema.ts";

/** Rows there can be. */
const SLOTS = 2 ** 17;

export type Allowance = {
  /** What is counted: "sign-in" and whose. */
  name: string;
  limit: number;
  /** Length of the span that begins with its first attempt. */
  perMs: number;
};
export type Counted =
  | { allowed: true /** This attempt was the last of one of the spans. */; wasLast: boolean }
  | { allowed: false; retryAfterMs: number };

/** The row of a name. */
const slotOf = (key: Uint8Array, name: string): string => {
  const digest = new Bun.CryptoHasher("sha256", key).update(name).digest();
  return (digest.readUInt32BE(0) % SLOTS).toString(16);
};

/**
 * Counts one attempt under each allowance, or none where one of them is used up. Counted before the attempt is made, so
 * that many at once are counted too. What is refused does not lengthen the span.
 */
export async function countAttempt(
  tx: Drizzle,
  { key, nowMs }: { key: Uint8Array; nowMs: number },
  allowances: readonly Allowance[],
): Promise<Counted> {
  let wasLast = false;
  const rows: (typeof attempts.$inferSelect)[] = [];
  for (const { name, limit, perMs } of allowances) {
    const slot = slotOf(key, name);
    const [row] = await tx.select().from(attempts).where(eq(attempts.key, slot));
    const current = row !== undefined && row.endsMs > nowMs ? row : null;
    if (current !== null && current.n >= limit) return { allowed: false, retryAfterMs: current.endsMs - nowMs };
    const n = (current?.n ?? 0) + 1;
    wasLast ||= n === limit;
    rows.push({ key: slot, n, startedMs: current?.startedMs ?? nowMs, endsMs: current?.endsMs ?? nowMs + perMs });
  }
  for (const row of rows) {
    await tx.insert(attempts).values(row).onConflictDoUpdate({ target: attempts.key, set: row });
  }
  return { allowed: true, wasLast };
}

/** Gives one attempt back under each of these names: it was a good one. */
export async function giveBack(
  tx: Drizzle,
  key: Uint8Array,
  allowances: readonly Pick<Allowance, "name">[],
): Promise<void> {
  for (const { name } of allowances) {
    await tx
      .update(attempts)
      .set({ n: sql`max(0, ${attempts.n} - 1)` })
      .where(eq(attempts.key, slotOf(key, name)));
  }
}

/** Deletes the counts whose span is over. */
export async function forgetAttempts(db: Db, nowMs: number): Promise<void> {
  await db.writer.transact((tx) => tx.delete(attempts).where(lte(attempts.endsMs, nowMs)), { durable: false });
}
