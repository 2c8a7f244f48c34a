// Funding, tables: what accounts may spend on the chain, what was paid in, what nodes staked, and what this coordinator
// itself has to send once.
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { accounts } from "../accounts/schema.ts";
import { ledgerTransactions } from "../ledger/schema.ts";

/** Why nothing can be taken out of a token account, although it is there to be spent from. */
export const UNSPENDABLE = [
  /** There is no such account, or it is no token account of this mint. */
  "gone",
  /** It is somebody else's than it was. */
  "other_owner",
  /** Nobody may spend from it: the approval was revoked, or used up. */
  "revoked",
  /** Somebody else may. */
  "other_delegate",
  /** The mint's authority froze it. */
  "frozen",
] as const;
export type Unspendable = (typeof UNSPENDABLE)[number];

/** A client's own token account, out of which it lets the coordinator pay for its jobs. */
export const allowances = sqliteTable("allowances", {
  accountId: text("account_id")
    .primaryKey()
    .references(() => accounts.id),
  /** The owner, base58. */
  wallet: text().notNull(),
  /** Pays for one account only. */
  tokenAccount: text("token_account").notNull().unique(),
  /** Who may spend from it: the settlement key, or a multisig that it is part of. */
  delegate: text().notNull(),
  /** Receipts of ledger transactions after this one are paid out of it. */
  sinceTransaction: integer("since_transaction").notNull(),
  /** Sum of the movements that keep the ledger's balance in line with the chain. */
  mirrored: integer().notNull().default(0),
  /** Sum of what payouts took out of it, as far as the state at `observedSlot` shows. */
  paidOut: integer("paid_out").notNull().default(0),
  registeredMs: integer("registered_ms").notNull(),
  /** The finalized slot that the rest is true of; 0 before the first look. */
  observedSlot: integer("observed_slot").notNull().default(0),
  observedMs: integer("observed_ms"),
  /** min(balance, delegated) then, in base units of the mint (µ$). */
  spendable: integer().notNull().default(0),
  unspendable: text({ enum: UNSPENDABLE }),
});
export type AllowanceRow = typeof allowances.$inferSelect;

/** Payouts that are counted in `allowances.paidOut`, each once. */
export const allowancePayouts = sqliteTable(
  "allowance_payouts",
  {
    payoutId: text("payout_id").notNull(),
    tokenAccount: text("token_account").notNull(),
    /** Node's part and fee. */
    amount: integer().notNull(),
    /** A finalized slot whose state has the payment in it. */
    slot: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tokenAccount, table.payoutId] })],
);

/** A request to pay into the treasury. */
export const deposits = sqliteTable(
  "deposits",
  {
    /** Solana Pay's reference: 32 random bytes in base58, named by the payment. */
    reference: text().primaryKey(),
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    /** What was asked for, µ$; null where the payer decides. */
    amount: integer(),
    createdMs: integer("created_ms").notNull(),
    /** Payments that come later are credited too, but found later. */
    expiresMs: integer("expires_ms").notNull(),
    /** The newest signature that was dealt with, and all before it. */
    cursor: text(),
    /** When to look for payments next. */
    dueMs: integer("due_ms").notNull(),
  },
  (table) => [index("deposits_due").on(table.dueMs), index("deposits_account").on(table.accountId, table.createdMs)],
);
export type DepositRow = typeof deposits.$inferSelect;

export const DEPOSIT_REFUSALS = [
  /** It failed on the chain. */
  "failed",
  /** It brought the treasury another token. */
  "wrong_mint",
  /** It brought the treasury nothing. */
  "wrong_destination",
  /** The account's money comes from elsewhere. */
  "other_funding",
  /** More than a ledger counts. */
  "too_large",
  /** Credited already: to another reference that it names, or for a prepaid chat. */
  "credited_already",
] as const;

/** A finalized transaction that names a reference. */
export const depositPayments = sqliteTable(
  "deposit_payments",
  {
    signature: text().notNull(),
    reference: text()
      .notNull()
      .references(() => deposits.reference),
    slot: integer().notNull(),
    /** What it brought, µ$. */
    amount: integer().notNull(),
    /** Why it was not credited; null where it was. */
    refused: text({ enum: DEPOSIT_REFUSALS }),
    transaction: integer("transaction_id").references(() => ledgerTransactions.id),
    seenMs: integer("seen_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.reference, table.signature] })],
);
export type DepositPaymentRow = typeof depositPayments.$inferSelect;

/** Prepaid chats, by the signature of what paid for them. */
export const x402Payments = sqliteTable(
  "x402_payments",
  {
    /** The coordinator's own, which pays the fee: it follows from the message alone, so a payment is known by it. */
    signature: text().primaryKey(),
    payer: text().notNull(),
    amount: integer().notNull(),
    /** sha256 of the request that it pays for, hex. */
    requestHash: text("request_hash").notNull(),
    /** The signed transaction, base64. */
    wire: text().notNull(),
    /** At a higher finalized block it can land no more. */
    lastValidHeight: integer("last_valid_height").notNull(),
    /**
     * `sent`: it may land. `settled`: it landed, and its account was credited. `failed`: it landed and moved nothing.
     * `expired`: it never landed. `lost`: a fork took it back after it was credited.
     */
    state: text({ enum: ["sent", "settled", "failed", "expired", "lost"] }).notNull(),
    /** It can be taken back no more. */
    final: integer({ mode: "boolean" }).notNull().default(false),
    /** Something was answered for it: it buys nothing more. */
    usedMs: integer("used_ms"),
    createdMs: integer("created_ms").notNull(),
    settledMs: integer("settled_ms"),
  },
  (table) => [index("x402_payments_open").on(table.final, table.state)],
);
export type X402PaymentRow = typeof x402Payments.$inferSelect;

/** What a node put at stake. */
export const stakes = sqliteTable("stakes", {
  nodePubkey: text("node_pubkey").primaryKey(),
  /** `pledge`: an approval, which its owner may revoke. `multisig`: an account that two of three must sign for. */
  kind: text({ enum: ["pledge", "multisig"] }).notNull(),
  /** The node's. */
  wallet: text().notNull(),
  tokenAccount: text("token_account").notNull().unique(),
  /** Of kind `multisig`: the account's owner, and the third of its signers. */
  multisig: text(),
  arbiter: text(),
  registeredMs: integer("registered_ms").notNull(),
  observedSlot: integer("observed_slot").notNull().default(0),
  observedMs: integer("observed_ms"),
  /** What could be slashed then, in base units (µ$). */
  amount: integer().notNull().default(0),
  unspendable: text({ enum: UNSPENDABLE }),
  /** What the token account held then; null where there was none, or nobody looked. */
  balance: integer(),
  /** Of a pledge: the most that its owner let be taken then. */
  cap: integer(),
});
export type StakeRow = typeof stakes.$inferSelect;

/** Transactions of a stake's multisig that the coordinator signed, for another of its parties to sign, too. */
export const stakeProposals = sqliteTable(
  "stake_proposals",
  {
    /** The coordinator's own signature, which pays the fee: what lands is found by it. */
    id: text().primaryKey(),
    nodePubkey: text("node_pubkey").notNull(),
    act: text({ enum: ["create", "deposit", "release", "slash"] }).notNull(),
    amount: integer().notNull(),
    reason: text().notNull(),
    /** Its base64 with the coordinator's signature, for the others to sign; null of old ones. */
    wire: text(),
    signature: text(),
    lastValidHeight: integer("last_valid_height").notNull(),
    state: text({ enum: ["proposed", "sent", "done", "failed", "expired"] }).notNull(),
    createdMs: integer("created_ms").notNull(),
    /** What asked for it: asked again, it is the same one. */
    request: text().unique(),
  },
  (table) => [index("stake_proposals_node").on(table.nodePubkey, table.createdMs)],
);
export type StakeProposalRow = typeof stakeProposals.$inferSelect;

/** What the coordinator itself has to send, once. */
export const onceSends = sqliteTable(
  "once_sends",
  {
    /** Seed of the marker on the chain: at most 32 characters. */
    id: text().primaryKey(),
    kind: text({ enum: ["slash", "oracle"] }).notNull(),
    /** The node's key, or the epoch. */
    subject: text().notNull(),
    amount: integer().notNull(),
    /** What the memo says. */
    memo: text().notNull(),
    /** `planned`: nothing of it can land. `signed`: `wire` may. */
    state: text({ enum: ["planned", "signed", "done", "failed"] }).notNull(),
    wire: text(),
    signature: text(),
    lastValidHeight: integer("last_valid_height"),
    error: text(),
    /** What for, where somebody decided it. */
    reason: text().notNull(),
    createdMs: integer("created_ms").notNull(),
    doneMs: integer("done_ms"),
  },
  (table) => [
    index("once_sends_state").on(table.state),
    index("once_sends_subject").on(table.kind, table.subject, table.createdMs),
  ],
);
export type OnceSendRow = typeof onceSends.$inferSelect;

/** What the oracle published, or is about to. */
export const oracleEpochs = sqliteTable("oracle_epochs", {
  /** Spans of time since 1970, counted. */
  epoch: integer().primaryKey(),
  startMs: integer("start_ms").notNull(),
  endMs: integer("end_ms").notNull(),
  nodes: integer().notNull(),
  /** Of the leaves, RFC 6962, hex. */
  root: text().notNull(),
  createdMs: integer("created_ms").notNull(),
});
export type OracleEpochRow = typeof oracleEpochs.$inferSelect;

export const oracleLeaves = sqliteTable(
  "oracle_leaves",
  {
    epoch: integer()
      .notNull()
      .references(() => oracleEpochs.epoch),
    /** In the order of public keys. */
    position: integer().notNull(),
    nodePubkey: text("node_pubkey").notNull(),
    /** The canonical JSON that is hashed. */
    leaf: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.epoch, table.position] }),
    uniqueIndex("oracle_leaves_node").on(table.epoch, table.nodePubkey),
  ],
);
