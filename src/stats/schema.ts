// Stats: sums of what happened, so that a page never adds up a million rows. `usage_days` and `earning_days` are kept by
// triggers, in the transaction of what they count, and are exact; the rest is written behind and may lack the last
// minutes before a crash. Days are UTC's, counted from the Unix epoch.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Ended jobs of a day, by when they were made. */
export const usageDays = sqliteTable(
  "usage_days",
  {
    accountId: text("account_id").notNull(),
    day: integer().notNull(),
    /** Empty where no key asked. */
    keyId: text("key_id").notNull(),
    model: text().notNull(),
    requests: integer().notNull(),
    completed: integer().notNull(),
    promptTokens: integer("prompt_tokens").notNull(),
    completionTokens: integer("completion_tokens").notNull(),
    chargedMicroUsd: integer("charged_micro_usd").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.accountId, table.day, table.keyId, table.model] }),
    index("usage_days_day").on(table.day),
  ],
);

/** Receipts of a day, by when their attempts ended. */
export const earningDays = sqliteTable(
  "earning_days",
  {
    node: text().notNull(),
    day: integer().notNull(),
    receipts: integer().notNull(),
    /** µ$. */
    gross: integer().notNull(),
    nodeAmount: integer("node_amount").notNull(),
    fee: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.node, table.day] }), index("earning_days_day").on(table.day)],
);

/** What a node did in a day. */
export const nodeDays = sqliteTable(
  "node_days",
  {
    node: text().notNull(),
    day: integer().notNull(),
    /** Seconds with a link, or heard from by polling. */
    onlineS: integer("online_s").notNull(),
    /** Attempts, by how they ended; cancelled ones count as completed. */
    completed: integer().notNull(),
    failed: integer().notNull(),
    promptTokens: integer("prompt_tokens").notNull(),
    completionTokens: integer("completion_tokens").notNull(),
  },
  (table) => [primaryKey({ columns: [table.node, table.day] })],
);

/** What one coordinator did in a minute. Rows older than 32 days are deleted. */
export const loadMinutes = sqliteTable(
  "load_minutes",
  {
    /** Its beginning, Unix seconds. */
    atS: integer("at_s").notNull(),
    /** Empty where there is one coordinator only. */
    replica: text().notNull(),
    /** Jobs that ended, and those of them that failed or expired. */
    jobs: integer().notNull(),
    failed: integer().notNull(),
    promptTokens: integer("prompt_tokens").notNull(),
    completionTokens: integer("completion_tokens").notNull(),
    /** µ$. */
    charged: integer().notNull(),
    /** The most at once. */
    running: integer().notNull(),
    queued: integer().notNull(),
    /** At the minute's end. */
    slots: integer().notNull(),
    nodes: integer().notNull(),
    /** Times to the first token, counted in bins (`bins.ts`): `[bin, count, …]`. */
    firstToken: text("first_token", { mode: "json" }).$type<number[]>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.atS, table.replica] })],
);
