// Settlement: which receipts a payout pays, and how far its way onto the chain is. Amounts are whole µ$, which are base
// units of the mint. design.md tells why each row is written when it is.
import { sql } from "drizzle-orm";
import { blob, check, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/**
 * `planned`: has its receipts; the node has not agreed yet, nothing is signed. `due`: to be sent, or on its way. `stuck`:
 * whoever pays it cannot now. `paid`: final on the chain. `written_off`: an admin gave it up.
 */
export const PAYOUT_STATES = ["planned", "due", "stuck", "paid", "written_off"] as const;
export type PayoutState = (typeof PAYOUT_STATES)[number];

export const payouts = sqliteTable(
  "payouts",
  {
    /** 32 random hex digits: seed of the marker that lets the chain pay it only once. */
    id: text().primaryKey(),
    node: text().notNull(),
    /** The owner of the token account that is paid, base58. */
    wallet: text().notNull(),
    state: text({ enum: PAYOUT_STATES }).notNull(),
    nodeAmount: integer("node_amount").notNull(),
    fee: integer().notNull(),
    /** Merkle root over the digests of its receipts by number, 64 hex digits. */
    root: text().notNull(),
    receipts: integer().notNull(),
    firstSeq: integer("first_seq").notNull(),
    /** Goes up whenever what it pays, or how it stands, changes: nothing signed for an earlier one is ever kept. */
    revision: integer().notNull().default(0),
    /** The node's agreement (protocol/payout-agreement.ts), 128 hex digits; null where it was not asked. */
    agreement: text(),
    /** Why it is stuck, or was written off. */
    reason: text(),
    /** What went wrong last, short of that; for people. */
    trouble: text(),
    createdMs: integer("created_ms").notNull(),
    endedMs: integer("ended_ms"),
    /** The transaction that paid it, base58. */
    signature: text(),
    /** When its marker's rent was back. */
    reclaimedMs: integer("reclaimed_ms"),
  },
  (table) => [
    index("payouts_node").on(table.node, table.createdMs),
    index("payouts_newest").on(table.createdMs, table.firstSeq, table.id),
    index("payouts_state").on(table.state, table.createdMs, table.firstSeq, table.id),
    index("payouts_markers").on(table.endedMs).where(sql`state = 'paid' and reclaimed_ms is null`),
    check("payouts_amounts", sql`${table.nodeAmount} >= 0 and ${table.fee} >= 0`),
    check("payouts_paid", sql`${table.state} <> 'paid' or ${table.signature} is not null`),
  ],
);
export type PayoutRow = typeof payouts.$inferSelect;

/** Source of what the network's treasury pays. */
export const TREASURY = "treasury";

/** What each source gives to a payout: two transfers of its transaction, or one from the treasury, which keeps the fee. */
export const payoutLegs = sqliteTable(
  "payout_legs",
  {
    payoutId: text("payout_id")
      .notNull()
      .references(() => payouts.id, { onDelete: "cascade" }),
    /** The token account that pays, base58, or `TREASURY`. */
    source: text().notNull(),
    nodeAmount: integer("node_amount").notNull(),
    fee: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.payoutId, table.source] }), index("payout_legs_source").on(table.source)],
);
export type PayoutLegRow = typeof payoutLegs.$inferSelect;

/**
 * `live`: may land. `paid`: did. `failed`: landed, and failed. `expired`: never landed, and never will.
 */
export const ATTEMPT_STATES = ["live", "paid", "failed", "expired"] as const;

/** Transactions signed for payouts. A row is there before its transaction is sent. */
export const payoutAttempts = sqliteTable(
  "payout_attempts",
  {
    /** Base58. */
    signature: text().primaryKey(),
    payoutId: text("payout_id")
      .notNull()
      .references(() => payouts.id),
    /** The signed transaction. */
    wire: blob({ mode: "buffer" }).notNull(),
    /** Once a block above it is final, the transaction cannot land any more. */
    lastValidHeight: integer("last_valid_height").notNull(),
    state: text({ enum: ATTEMPT_STATES }).notNull(),
    error: text(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [
    index("payout_attempts_payout").on(table.payoutId),
    uniqueIndex("payout_attempts_live").on(table.payoutId).where(sql`state = 'live'`),
    uniqueIndex("payout_attempts_paid").on(table.payoutId).where(sql`state = 'paid'`),
  ],
);
export type PayoutAttemptRow = typeof payoutAttempts.$inferSelect;

/** How far each node's receipts are all in payouts, so that nobody looks through those paid long ago. */
export const payoutFronts = sqliteTable("payout_fronts", {
  node: text().primaryKey(),
  /** Every receipt up to and with this one has its payout. */
  seq: integer().notNull(),
});

/** Address tables on the chain that belong to the settlement key. A row is there before its table is. */
export const addressTables = sqliteTable("address_tables", {
  /** Base58. */
  address: text().primaryKey(),
  createdMs: integer("created_ms").notNull(),
});

export * from "./funding-schema.ts";
