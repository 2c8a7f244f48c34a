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
    createdMs: integer("created_ms").notNull(),
    expiresMs: integer("expires_ms"),
    revokedMs: integer("revoked_ms"),
    /** Written behind, at most once a minute. */
    lastUsedMs: integer("last_used_ms"),
  },
  (table) => [index("api_keys_account").on(table.accountId)],
);
export type ApiKeyRow = typeof apiKeys.$inferSelect;
