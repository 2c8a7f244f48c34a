// Webhooks, stored half: who is to be told of which job's end, and when. A row is made with its job, gets its time in the
// transaction that ends the job, and goes when the receiver has taken it; one that was given up stays and says why.
import { and, asc, eq, inArray, isNotNull, isNull, lte, notInArray } from "drizzle-orm";
import { isSealed, type StoredSecrets } from "../accounts/stored-secrets.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { jobs, webhooks } from "./schema.ts";

/** What is to be delivered now; `url` is sealed. */
export type DueWebhook = { jobId: string; accountId: string; url: string; tries: number; dueMs: number };

/** An address as it is stored: many hold their receiver's secret. */
export const sealAddress = (secrets: StoredSecrets, jobId: string, url: string): string =>
  secrets.seal({ purpose: "webhook", id: jobId }, url);

/** The address again; null where it was sealed under another master key. */
export function readAddress(secrets: StoredSecrets, jobId: string, stored: string): string | null {
  if (!isSealed(stored)) return stored;
  const url = secrets.open({ purpose: "webhook", id: jobId }, stored);
  return url.ok ? url.value : null;
}

/** To be told when the job has ended; `url` is sealed. */
export const addWebhook = (tx: Drizzle, jobId: string, url: string): Promise<unknown> =>
  tx.insert(webhooks).values({ jobId, url });

/** The job has ended. */
export const webhookDue = (tx: Drizzle, jobId: string, nowMs: number): Promise<unknown> =>
  tx.update(webhooks).set({ dueMs: nowMs }).where(eq(webhooks.jobId, jobId));

/** Jobs that ended otherwise than in the usual way (what an earlier process left): theirs are due too. */
export const endedWebhooksDue = (tx: Drizzle, nowMs: number): Promise<unknown> =>
  tx
    .update(webhooks)
    .set({ dueMs: nowMs })
    .where(
      and(
        isNull(webhooks.dueMs),
        eq(webhooks.tries, 0),
        inArray(webhooks.jobId, tx.select({ id: jobs.id }).from(jobs).where(isNotNull(jobs.endedMs))),
      ),
    );

/** What is due, the longest waiting first, but for those of accounts that have enough under way. */
export function dueWebhooks(
  db: Db,
  { nowMs, limit, without }: { nowMs: number; limit: number; without: string[] },
): Promise<DueWebhook[]> {
  const { jobId, url, tries, dueMs } = webhooks;
  return db.read
    .select({ jobId, accountId: jobs.accountId, url, tries, dueMs })
    .from(webhooks)
    .innerJoin(jobs, eq(jobs.id, webhooks.jobId))
    .where(and(lte(webhooks.dueMs, nowMs), without.length > 0 ? notInArray(jobs.accountId, without) : undefined))
    .orderBy(asc(webhooks.dueMs))
    .limit(limit)
    .then((rows) => rows.map((row) => ({ ...row, dueMs: row.dueMs ?? 0 })));
}

/**
 * Counts the try before it is made and puts the next one off, so that neither another coordinator nor this one after a
 * crash makes it at the same time. The WHERE clause is the lock. False: somebody else has it.
 */
export async function claimWebhook(db: Db, { jobId, tries, dueMs }: DueWebhook, againMs: number): Promise<boolean> {
  const claimed = await db.writer.transact((tx) =>
    tx
      .update(webhooks)
      .set({ tries: tries + 1, dueMs: againMs })
      .where(and(eq(webhooks.jobId, jobId), eq(webhooks.tries, tries), eq(webhooks.dueMs, dueMs)))
      .returning({ jobId: webhooks.jobId }),
  );
  return claimed.length === 1;
}

/** The receiver has taken it. */
export async function webhookDelivered(db: Db, jobId: string): Promise<void> {
  await db.writer.transact((tx) => tx.delete(webhooks).where(eq(webhooks.jobId, jobId)));
}

/** The try failed; `againMs`: the next one, null where it is given up. */
export async function webhookFailed(db: Db, jobId: string, error: string, againMs: number | null): Promise<void> {
  await db.writer.transact((tx) => tx.update(webhooks).set({ error, dueMs: againMs }).where(eq(webhooks.jobId, jobId)));
}

/** How a job's webhook stands, as its owner sees it. */
export type WebhookView = {
  /** Null where it can be read no more. */
  url: string | null;
  /** `waiting`: for the job's end. */
  status: "waiting" | "pending" | "delivered" | "failed";
  tries: number;
  error: string | null;
  next_try_ms: number | null;
};

/** The webhook of a job whose row has `stored` as its address. */
export async function webhookOf(
  { db, secrets }: { db: Db; secrets: StoredSecrets },
  jobId: string,
  stored: string,
): Promise<WebhookView> {
  const url = readAddress(secrets, jobId, stored);
  const [row] = await db.read.select().from(webhooks).where(eq(webhooks.jobId, jobId));
  if (!row) return { url, status: "delivered", tries: 0, error: null, next_try_ms: null };
  const { tries, dueMs, error } = row;
  const status = dueMs !== null ? "pending" : tries === 0 ? "waiting" : "failed";
  return { url, status, tries, error, next_try_ms: dueMs };
}
