// Jobs: one row for each request, chat or asynchronous, and apart from it the content, which is deleted much earlier.
import { sql } from "drizzle-orm";
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { accounts } from "../accounts/schema.ts";
import { TASKS } from "../protocol/generation.ts";
import { JOB_STATES } from "./states.ts";

/**
 * Jobs that still want something. Written out, since SQLite only uses the partial index for a condition that it can
 * read: with bound values it cannot.
 */
export const whereLive = sql`state in ('queued', 'dispatched', 'running')`;

/** Jobs that came to nothing; written out as well. */
export const whereFailed = sql`state in ('failed', 'expired')`;

export const jobs = sqliteTable(
  "jobs",
  {
    /** UUIDv7. */
    id: text().primaryKey(),
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    /** The API key that asked; null for signed and local requests. */
    keyId: text("key_id"),
    kind: text({ enum: ["chat", "async"] }).notNull(),
    /** What was asked for. */
    task: text({ enum: TASKS }).notNull().default("chat"),
    model: text().notNull(),
    state: text({ enum: JOB_STATES }).notNull(),
    stream: integer({ mode: "boolean" }).notNull(),
    maxTokens: integer("max_tokens"),
    /** The attempt under way or last made, from 1; 0 before the first. With the id it is the fence. */
    attempt: integer().notNull().default(0),
    /** The node of that attempt. */
    nodePubkey: text("node_pubkey"),
    /** Every attempt: its node, why that one, when, how it ended. */
    attempts: text({ mode: "json" }).$type<unknown[]>().notNull().default([]),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    finishReason: text("finish_reason"),
    promptTokens: integer("prompt_tokens"),
    completionTokens: integer("completion_tokens"),
    /** What was charged for it, µ$; null where nothing is charged at all. */
    chargedMicroUsd: integer("charged_micro_usd"),
    /** Where coordinators share the database: the one that answers it. Null where there is one only. */
    owner: text(),
    createdMs: integer("created_ms").notNull(),
    dispatchedMs: integer("dispatched_ms"),
    firstDeltaMs: integer("first_delta_ms"),
    endedMs: integer("ended_ms"),
    webhook: text(),
    idempotencyKey: text("idempotency_key"),
    /** Hash of the request that came with the idempotency key. */
    requestHash: text("request_hash"),
  },
  // Every chat pays for every index; the partial ones cost only the jobs they are for.
  (table) => [
    index("jobs_account").on(table.accountId, table.id),
    index("jobs_live").on(table.state).where(whereLive),
    index("jobs_node").on(table.nodePubkey, table.id),
    index("jobs_failed").on(table.id).where(whereFailed),
    uniqueIndex("jobs_idempotency").on(table.accountId, table.idempotencyKey).where(sql`idempotency_key is not null`),
  ],
);
export type JobRow = typeof jobs.$inferSelect;

export const jobContent = sqliteTable(
  "job_content",
  {
    jobId: text("job_id")
      .primaryKey()
      .references(() => jobs.id, { onDelete: "cascade" }),
    /** The request's body, JSON. */
    request: text().notNull(),
    /** The answer, JSON; null until it ended. */
    output: text(),
    /** When it is to be deleted; null while the job runs. */
    expiresMs: integer("expires_ms"),
  },
  (table) => [index("job_content_expiry").on(table.expiresMs)],
);
export type JobContentRow = typeof jobContent.$inferSelect;

/** Who is to be told of a job's end. A row goes once that is done; one that was given up stays, to say why. */
export const webhooks = sqliteTable(
  "webhooks",
  {
    jobId: text("job_id")
      .primaryKey()
      .references(() => jobs.id, { onDelete: "cascade" }),
    url: text().notNull(),
    /** Tries so far. */
    tries: integer().notNull().default(0),
    /** When to try next; null until the job has ended, and once it was given up. */
    dueMs: integer("due_ms"),
    /** Why the last try failed. */
    error: text(),
  },
  (table) => [index("webhooks_due").on(table.dueMs)],
);
