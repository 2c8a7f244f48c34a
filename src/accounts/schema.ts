// Accounts: who owns jobs, keys and money. The built-in account `local` comes with the first migration.
import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { MEMBER_ROLES, type UserRole } from "./roles.ts";

/** Owns everything until there are users, but for what other instances ask under their own keys. */
export const LOCAL_ACCOUNT_ID = "local";

export const accounts = sqliteTable(
  "accounts",
  {
    id: text().primaryKey(),
    /** `client`: of one instance that submits jobs, another organisation's perhaps. */
    kind: text({ enum: ["local", "user", "organisation", "client"] }).notNull(),
    name: text().notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [index("accounts_kind").on(table.kind, table.createdMs, table.id), index("accounts_name").on(table.name)],
);

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
  (table) => [index("api_keys_account").on(table.accountId), index("api_keys_created").on(table.createdMs, table.id)],
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
  (table) => [
    index("audit_log_subject").on(table.subject),
    index("audit_log_actor").on(table.actor),
    index("audit_log_action").on(table.action),
  ],
);
export type AuditRow = typeof auditLog.$inferSelect;

/** People. */
export const users = sqliteTable(
  "users",
  {
    id: text().primaryKey(),
    /** Normalised (emails.ts). */
    email: text().notNull().unique(),
    name: text().notNull(),
    /** argon2id in PHC format; null where the person signs in with a provider only, or has not set one yet. */
    passwordHash: text("password_hash"),
    roles: text({ mode: "json" }).$type<UserRole[]>().notNull(),
    /** The person's own account. */
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    createdMs: integer("created_ms").notNull(),
    disabledMs: integer("disabled_ms"),
    lastLoginMs: integer("last_login_ms"),
  },
  (table) => [
    index("users_created").on(table.createdMs, table.id),
    // Whatever case somebody types a name's beginning in.
    index("users_name").on(sql`${table.name} COLLATE NOCASE`),
  ],
);
export type UserRow = typeof users.$inferSelect;

/** Who may act for which account. A person owns their own account, and perhaps organisations. */
export const members = sqliteTable(
  "members",
  {
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    role: text({ enum: MEMBER_ROLES }).notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.userId] }), index("members_user").on(table.userId)],
);

export const sessions = sqliteTable(
  "sessions",
  {
    id: text().primaryKey(),
    /** sha256 of the cookie's token, hex. The token itself is nowhere. */
    tokenHash: text("token_hash").notNull().unique(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    /** The account that the person acts for now. */
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    createdMs: integer("created_ms").notNull(),
    /** Written behind, at most once a minute. */
    lastSeenMs: integer("last_seen_ms").notNull(),
    /** Ends then, however much it is used. */
    expiresMs: integer("expires_ms").notNull(),
    address: text().notNull(),
    userAgent: text("user_agent").notNull(),
  },
  (table) => [index("sessions_user").on(table.userId)],
);
export type SessionRow = typeof sessions.$inferSelect;

/** Single-use links: only the hash of their secret is kept. */
export const oneTimeLinks = sqliteTable(
  "one_time_links",
  {
    id: text().primaryKey(),
    secretHash: text("secret_hash").notNull().unique(),
    /**
     * `setup`: makes the first admin. `invitation`: lets one person sign up. `sign_up`: proves an address to open
     * sign-up. `password`: sets a user's password.
     */
    kind: text({ enum: ["setup", "invitation", "sign_up", "password"] }).notNull(),
    /** Of `password`: whose. */
    userId: text("user_id").references(() => users.id),
    /** Of `sign_up` and, where it is for one address only, `invitation`. */
    email: text(),
    /** Of `invitation`: what the new user is given. */
    roles: text({ mode: "json" }).$type<UserRole[]>(),
    /** Of `invitation`: the organisation they join. */
    accountId: text("account_id").references(() => accounts.id),
    /** Who made it, as the audit log names them: it ends when they may not make such any more. */
    createdBy: text("created_by"),
    createdMs: integer("created_ms").notNull(),
    expiresMs: integer("expires_ms").notNull(),
    usedMs: integer("used_ms"),
    /** The user that used it. */
    usedBy: text("used_by"),
    revokedMs: integer("revoked_ms"),
  },
  (table) => [index("one_time_links_kind").on(table.kind, table.createdMs)],
);
export type OneTimeLinkRow = typeof oneTimeLinks.$inferSelect;

/** Who users are with OpenID Connect providers. */
export const oidcIdentities = sqliteTable(
  "oidc_identities",
  {
    issuer: text().notNull(),
    subject: text().notNull(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    /** As the provider said when it was linked. */
    email: text().notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.issuer, table.subject] }), index("oidc_identities_user").on(table.userId)],
);

/** How often something was tried in a span of time that began at `startedMs`; deleted once the span is over. */
export const attempts = sqliteTable(
  "attempts",
  {
    /** Hash of what is counted, hex: no address or email stands here. */
    key: text().primaryKey(),
    n: integer().notNull(),
    startedMs: integer("started_ms").notNull(),
    endsMs: integer("ends_ms").notNull(),
  },
  (table) => [index("attempts_end").on(table.endsMs)],
);

/** What an account asked a node to sign, to be linked with it. */
export const nodeChallenges = sqliteTable("node_challenges", {
  /** 64 hex digits. */
  nonce: text().primaryKey(),
  accountId: text("account_id")
    .notNull()
    .references(() => accounts.id),
  /** Who asked. */
  userId: text("user_id")
    .notNull()
    .references(() => users.id),
  expiresMs: integer("expires_ms").notNull(),
  usedMs: integer("used_ms"),
});
