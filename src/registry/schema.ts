// Registry: the instances that are known here and the tokens that let new ones in.
import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { accounts } from "../accounts/schema.ts";
import { COMMANDS, type CommandArgs } from "../protocol/commands.ts";
import type { LinkShown } from "./node.ts";

export const NODE_ROLES = ["provider", "client", "aggregator"] as const;
export type NodeRole = (typeof NODE_ROLES)[number];
export const NODE_STATUSES = ["pending", "approved", "ejected"] as const;
export type NodeStatus = (typeof NODE_STATUSES)[number];
/** Which way a node was let in. */
export const ADMISSIONS = ["token", "approval", "open", "local", "allow", "key"] as const;
export type Admission = (typeof ADMISSIONS)[number];

export const nodes = sqliteTable(
  "nodes",
  {
    /** BIP-340 x-only public key, 64 hex digits. */
    pubkey: text().primaryKey(),
    role: text({ enum: NODE_ROLES }).notNull(),
    name: text().notNull(),
    status: text({ enum: NODE_STATUSES }).notNull(),
    /** Null while pending. */
    admittedBy: text("admitted_by", { enum: ADMISSIONS }),
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    /** Where it registered from; null where it has not yet. */
    address: text(),
    /** The name a polling node gives itself; belongs to one key. */
    nodeId: text("node_id").unique(),
    /** What it said about itself, as it said it. */
    specs: text({ mode: "json" }).$type<Record<string, unknown>>().notNull(),
    slots: integer().notNull(),
    firstSeenMs: integer("first_seen_ms").notNull(),
    lastSeenMs: integer("last_seen_ms"),
    /** It signed with v2 once, so v1 is refused from then on. */
    authV2Seen: integer("auth_v2_seen", { mode: "boolean" }).notNull(),
    /** Why it was ejected. */
    reason: text(),
    /** Whose requests it serves: "" everybody's, "backstop" everybody's when no other can, else those of this pool. */
    pool: text().notNull().default(""),
    /** Given no work until an admin says so. */
    maintenance: integer({ mode: "boolean" }).notNull().default(false),
    /** How it gets its work. */
    transport: text({ enum: ["link", "polling", "worker"] })
      .notNull()
      .default("link"),
  },
  (table) => [
    // Lists go from the newest on.
    index("nodes_seen").on(table.firstSeenMs, table.pubkey),
    index("nodes_status").on(table.status, table.firstSeenMs, table.pubkey),
    index("nodes_account").on(table.accountId, table.firstSeenMs, table.pubkey),
    index("nodes_role").on(table.role, table.status, table.firstSeenMs, table.pubkey),
    index("nodes_pool").on(table.pool, table.firstSeenMs, table.pubkey),
    index("nodes_transport").on(table.transport, table.firstSeenMs, table.pubkey),
    index("nodes_name").on(sql`${table.name} collate nocase`),
  ],
);
export type NodeRow = typeof nodes.$inferSelect;

export const COMMAND_STATES = ["queued", "running", "completed", "failed", "refused", "cancelled", "expired"] as const;

/** What nodes were asked to do beside inference. Delivered at least once; the node tells repetition by the id. */
export const commands = sqliteTable(
  "commands",
  {
    /** UUIDv7. */
    id: text().primaryKey(),
    nodePubkey: text("node_pubkey")
      .notNull()
      .references(() => nodes.pubkey, { onDelete: "cascade" }),
    command: text({ enum: COMMANDS }).notNull(),
    args: text({ mode: "json" }).$type<CommandArgs>().notNull(),
    state: text({ enum: COMMAND_STATES }).notNull(),
    /** Somebody wants it stopped; the node has not said that it did. */
    cancelling: integer({ mode: "boolean" }).notNull().default(false),
    /** The account that asked. */
    accountId: text("account_id").notNull(),
    error: text(),
    createdMs: integer("created_ms").notNull(),
    /** When it was last sent to the node. */
    deliveredMs: integer("delivered_ms"),
    endedMs: integer("ended_ms"),
    /** Not delivered after this. */
    expiresMs: integer("expires_ms").notNull(),
  },
  (table) => [index("commands_node").on(table.nodePubkey, table.state)],
);
export type CommandRow = typeof commands.$inferSelect;

/** Where a node wants to be paid. */
export const payoutAddresses = sqliteTable(
  "payout_addresses",
  {
    nodePubkey: text("node_pubkey")
      .notNull()
      .references(() => nodes.pubkey, { onDelete: "cascade" }),
    coin: text().notNull(),
    network: text().notNull(),
    address: text().notNull(),
    setMs: integer("set_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.nodePubkey, table.coin, table.network] })],
);
export type PayoutAddressRow = typeof payoutAddresses.$inferSelect;

export const joinTokens = sqliteTable(
  "join_tokens",
  {
    id: text().primaryKey(),
    /** Hash of the token's secret (protocol/join-token.ts), hex. */
    tokenHash: text("token_hash").notNull().unique(),
    role: text({ enum: NODE_ROLES }).notNull(),
    /** A note for people. */
    name: text(),
    createdMs: integer("created_ms").notNull(),
    expiresMs: integer("expires_ms").notNull(),
    usedMs: integer("used_ms"),
    /** Public key of the node it let in. */
    usedBy: text("used_by"),
    revokedMs: integer("revoked_ms"),
    /** Whose the node is that it lets in; null: the built-in account's. */
    accountId: text("account_id").references(() => accounts.id),
  },
  (table) => [
    index("join_tokens_created").on(table.createdMs, table.id),
    index("join_tokens_account").on(table.accountId, table.createdMs, table.id),
  ],
);
export type JoinTokenRow = typeof joinTokens.$inferSelect;

/** Coordinators that share this database and say every few seconds that they live; none where it is one's own. */
export const replicas = sqliteTable("replicas", {
  id: text().primaryKey(),
  version: text().notNull(),
  startedMs: integer("started_ms").notNull(),
  seenMs: integer("seen_ms").notNull(),
  /** With another number its links are others than before, and all are to be read. */
  epoch: integer().notNull(),
  /** Of the newest change of its links. */
  rev: integer().notNull(),
  /** What it does now, as its statistics say it. */
  figures: text({ mode: "json" }).$type<unknown>().notNull(),
});

/** Which nodes hold a link to which of them. */
export const replicaLinks = sqliteTable(
  "replica_links",
  {
    replica: text().notNull(),
    node: text().notNull(),
    /** Goes up with each change of the replica's. */
    rev: integer().notNull(),
    /** Since when; null: not any more. */
    linkedMs: integer("linked_ms"),
    /** What others show of it. */
    shown: text({ mode: "json" }).$type<LinkShown>(),
  },
  (table) => [
    primaryKey({ columns: [table.replica, table.node] }),
    index("replica_links_rev").on(table.replica, table.rev),
  ],
);
