// Content: prompts and answers of asynchronous jobs, deleted for good once they need not be kept.
import { inArray, lte } from "drizzle-orm";
import { type Deletion, deleteForGood } from "../db/delete-for-good.ts";
import type { Db } from "../db/open.ts";
import { jobContent, jobs } from "./schema.ts";

/** Whether anything has expired by `nowMs`. */
export async function hasExpiredContent(db: Db, nowMs: number): Promise<boolean> {
  const expired = await db.read
    .select({ id: jobContent.jobId })
    .from(jobContent)
    .where(lte(jobContent.expiresMs, nowMs))
    .limit(1);
  return expired.length > 0;
}

/** Deletes what has expired by `nowMs`. */
export function deleteExpiredContent(db: Db, nowMs: number): Promise<Deletion> {
  return deleteForGood(db, async (tx, limit) => {
    const expired = tx
      .select({ id: jobContent.jobId })
      .from(jobContent)
      .where(lte(jobContent.expiresMs, nowMs))
      .limit(limit);
    // An error's words may quote the request.
    await tx.update(jobs).set({ errorMessage: null }).where(inArray(jobs.id, expired));
    const deleted = await tx
      .delete(jobContent)
      .where(inArray(jobContent.jobId, expired))
      .returning({ id: jobContent.jobId });
    return deleted.length;
  });
}
