// Accounts: who owns jobs, keys and money. The built-in account `local` comes with the first migration.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Owns everything until there are users, but for what other instances ask under their own keys. */
export const LOCAL_ACCOUNT_ID = "local";

export const accounts = sqliteTable("accounts", {
  id: text().primaryKey(),
  /** `client`: of one instance that submits jobs, another organisation's perhaps. */
  kind: text({ enum: ["local", "user", "client"] }).notNull(),
  name: text().notNull(),
  createdMs: integer("created_ms").notNull(),
});

export const apiKeys = sqliteTable(
  "api_keys",
  {
    id: text().primaryKey(),
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    name: text().notNull(),
    /** The key's first characters, for people to tell keys apart. */
    prefix: text().notNull(),
    /** HMAC-SHA256 of the key, hex. The key itself is nowhere. */
    keyHash: text("key_hash").notNull().unique(),
    scopes: text({ mode: "json" }).$type<string[]>().notNull(),
    /** Pools of private nodes that its requests may use. */
    pools: text({ mode: "json" }).$type<string[]>().notNull().default([]),
    /** Models it may ask for, or their names' beginnings with a `*` behind; none: all. */
    models: text({ mode: "json" }).$type<string[]>().notNull().default([]),
    requestsPerMinute: integer("requests_per_minute"),
    tokensPerMinute: integer("tokens_per_minute"),
    /** What its use may cost in a day (UTC) and in all. */
    spendDayMicroUsd: integer("spend_day_micro_usd"),
    spendTotalMicroUsd: integer("spend_total_micro_usd"),
    /** Id of the first of the keys that took over from one another; its own where it took over from none. */
    lineage: text().notNull().default(""),
    createdMs: integer("created_ms").notNull(),
    expiresMs: integer("expires_ms"),
    revokedMs: integer("revoked_ms"),
    /** Written behind, at most once a minute. */
    lastUsedMs: integer("last_used_ms"),
  },
  (table) => [index("api_keys_account").on(table.accountId)],
);
export type ApiKeyRow = typeof apiKeys.$inferSelect;

/** Each security and money act, in order. Triggers let nobody change or delete a row, or break the chain. */
export const auditLog = sqliteTable(
  "audit_log",
  {
    /** 1 is the first; no number is left out. */
    seq: integer().primaryKey(),
    atMs: integer("at_ms").notNull(),
    /** `user/<id>`, `key/<id>`, `node/<pubkey>`, `local` or `system`. */
    actor: text().notNull(),
    /** One of AUDIT_ACTIONS (audit.ts); a newer program may have written others. */
    action: text().notNull(),
    subject: text().notNull(),
    /** JSON texts, kept as they were hashed; `null` where there is nothing to say. */
    before: text().notNull(),
    after: text().notNull(),
    /** Network address; empty where it came from none. */
    from: text("from_address").notNull(),
    /** Hash of the row before, 64 hex digits. */
    previous: text("previous_hash").notNull(),
    /** protocol/audit-record.ts, 64 hex digits. */
    hash: text().notNull(),
  },
  (table) => [index("audit_log_subject").on(table.subject)],
);
export type AuditRow = typeof auditLog.$inferSelect;
