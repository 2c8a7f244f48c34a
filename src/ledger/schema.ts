// Ledger: who has how much, and why. Amounts are whole µ$. Rows are only added, but for the balances that sum them up.
import { sql } from "drizzle-orm";
import { blob, check, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/**
 * Where a client's money comes from, which is one of: granted by an admin; paid in; spent out of a token account of its
 * own; paid with the very request.
 */
export const FUNDINGS = ["credits", "deposit", "allowance", "prepaid"] as const;
export type Funding = (typeof FUNDINGS)[number];

/** `client`: may hold and spend. `node`: earns. `system`: the other side of both, which may be below zero. */
export const LEDGER_KINDS = ["client", "node", "system"] as const;

export const ledgerAccounts = sqliteTable(
  "ledger_accounts",
  {
    /** `account/<account id>`, `node/<pubkey>`, or one of `SYSTEM_ACCOUNTS`. */
    id: text().primaryKey(),
    kind: text({ enum: LEDGER_KINDS }).notNull(),
    /** Sum of its entries. */
    balance: integer().notNull().default(0),
    /** Sum of its holds: spoken for, and not to be spent again. */
    held: integer().notNull().default(0),
    /** Where it is paid from on the chain, base58; null off the chain. Receipts name it. */
    wallet: text(),
    /** Null before the first of it, and for all that is no client. */
    funding: text({ enum: FUNDINGS }),
  },
  (table) => [
    check("ledger_accounts_held", sql`${table.held} >= 0`),
    check("ledger_accounts_covered", sql`${table.kind} = 'system' or ${table.balance} >= ${table.held}`),
  ],
);

export const TRANSACTION_KINDS = [
  "grant",
  "adjustment",
  "deposit",
  "allowance",
  "settlement",
  "payout",
  "prepaid",
  "slash",
] as const;
export type TransactionKind = (typeof TRANSACTION_KINDS)[number];

export const ledgerTransactions = sqliteTable("ledger_transactions", {
  id: integer().primaryKey(),
  kind: text({ enum: TRANSACTION_KINDS }).notNull(),
  /** What brought it about, e.g. an attempt's id: the same cause moves money once. */
  cause: text().notNull().unique(),
  createdMs: integer("created_ms").notNull(),
  /** Who decided it, where somebody did. */
  actor: text(),
  reason: text(),
});

/** What a transaction adds to, or takes from, an account. Those of one transaction sum to zero. */
export const ledgerEntries = sqliteTable(
  "ledger_entries",
  {
    account: text()
      .notNull()
      .references(() => ledgerAccounts.id),
    transaction: integer("transaction_id")
      .notNull()
      .references(() => ledgerTransactions.id),
    amount: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.account, table.transaction] })],
);

/** What an account may have to pay for a job under way. Goes with the job's end. */
export const holds = sqliteTable(
  "holds",
  {
    jobId: text("job_id").primaryKey(),
    account: text().notNull(),
    amount: integer().notNull(),
    /** What it was reckoned with, µ$ per million tokens: nothing dearer is charged. */
    priceInput: integer("price_input").notNull(),
    priceOutput: integer("price_output").notNull(),
    /** Ids of the budgets it is counted against; null where there are none. */
    budgets: text({ mode: "json" }).$type<string[]>(),
    /** The process whose chat it is: the next one of this instance lets it go. Null for asynchronous jobs. */
    owner: text(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [index("holds_owner").on(table.owner)],
);
export type HoldRow = typeof holds.$inferSelect;

/** What was spent, or is held, of a limit: `key/<key>` in all, `key/<key>/<YYYY-MM-DD>` on that day (UTC). */
export const budgets = sqliteTable("budgets", {
  id: text().primaryKey(),
  used: integer().notNull(),
});

/** One for each settled attempt (CPR v1). */
export const receipts = sqliteTable(
  "receipts",
  {
    node: text().notNull(),
    /** From 1, without a gap. */
    seq: integer().notNull(),
    /** `<job id>.<attempt number>`. */
    attempt: text().notNull(),
    /** Of the account that paid, as in `ledger_accounts`. */
    account: text().notNull(),
    /** The settlement; null where nothing was to be paid. */
    transaction: integer("transaction_id").references(() => ledgerTransactions.id),
    gross: integer().notNull(),
    nodeAmount: integer("node_amount").notNull(),
    fee: integer().notNull(),
    /** The model's name, in clear: the receipt has its hash. */
    model: text().notNull(),
    finishedMs: integer("finished_ms").notNull(),
    /** 387 bytes. */
    bytes: blob({ mode: "buffer" }).notNull(),
    /** What is signed; the next receipt names it. */
    digest: blob({ mode: "buffer" }).notNull(),
    /** ed25519, by the coordinator's receipt key. */
    signature: blob({ mode: "buffer" }).notNull(),
    /** The payout that pays it on the chain; null until it has one. */
    payoutId: text("payout_id"),
  },
  (table) => [
    primaryKey({ columns: [table.node, table.seq] }),
    uniqueIndex("receipts_attempt").on(table.attempt),
    // A client looks through its own, newest first: attempts begin with the time.
    index("receipts_account").on(table.account, table.attempt),
    index("receipts_payout").on(table.payoutId).where(sql`payout_id is not null`),
  ],
);

/** The head of each node's chain of receipts. The next number is decided here, by a conditional write. */
export const nodeChains = sqliteTable("node_chains", {
  node: text().primaryKey(),
  seq: integer().notNull(),
  digest: blob({ mode: "buffer" }).notNull(),
  /** How far the node signed for it; 0 where it has not. */
  countersignedSeq: integer("countersigned_seq").notNull().default(0),
  /** BIP-340, over the head digest. */
  countersignedSig: blob("countersigned_sig", { mode: "buffer" }),
});
