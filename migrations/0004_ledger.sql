CREATE TABLE `budgets` (
	`id` text PRIMARY KEY NOT NULL,
	`used` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `holds` (
	`job_id` text PRIMARY KEY NOT NULL,
	`account` text NOT NULL,
	`amount` integer NOT NULL,
	`price_input` integer NOT NULL,
	`price_output` integer NOT NULL,
	`budgets` text,
	`owner` text,
	`created_ms` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `holds_owner` ON `holds` (`owner`);--> statement-breakpoint
CREATE TABLE `ledger_accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`balance` integer DEFAULT 0 NOT NULL,
	`held` integer DEFAULT 0 NOT NULL,
	`wallet` text,
	CONSTRAINT "ledger_accounts_held" CHECK("ledger_accounts"."held" >= 0),
	CONSTRAINT "ledger_accounts_covered" CHECK("ledger_accounts"."kind" = 'system' or "ledger_accounts"."balance" >= "ledger_accounts"."held")
);
--> statement-breakpoint
CREATE TABLE `ledger_entries` (
	`account` text NOT NULL,
	`transaction_id` integer NOT NULL,
	`amount` integer NOT NULL,
	PRIMARY KEY(`account`, `transaction_id`),
	FOREIGN KEY (`account`) REFERENCES `ledger_accounts`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`transaction_id`) REFERENCES `ledger_transactions`(`id`) ON UPDATE no action ON DELETE no action
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `ledger_transactions` (
	`id` integer PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`cause` text NOT NULL,
	`created_ms` integer NOT NULL,
	`actor` text,
	`reason` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `ledger_transactions_cause_unique` ON `ledger_transactions` (`cause`);--> statement-breakpoint
CREATE TABLE `node_chains` (
	`node` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`digest` blob NOT NULL,
	`countersigned_seq` integer DEFAULT 0 NOT NULL,
	`countersigned_sig` blob
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `receipts` (
	`node` text NOT NULL,
	`seq` integer NOT NULL,
	`attempt` text NOT NULL,
	`account` text NOT NULL,
	`transaction_id` integer,
	`gross` integer NOT NULL,
	`node_amount` integer NOT NULL,
	`fee` integer NOT NULL,
	`model` text NOT NULL,
	`finished_ms` integer NOT NULL,
	`bytes` blob NOT NULL,
	`digest` blob NOT NULL,
	`signature` blob NOT NULL,
	`payout_id` text,
	PRIMARY KEY(`node`, `seq`),
	FOREIGN KEY (`transaction_id`) REFERENCES `ledger_transactions`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `receipts_attempt` ON `receipts` (`attempt`);--> statement-breakpoint
CREATE INDEX `receipts_payout` ON `receipts` (`payout_id`) WHERE payout_id is not null;--> statement-breakpoint
ALTER TABLE `jobs` ADD `charged_micro_usd` integer;--> statement-breakpoint
INSERT INTO `ledger_accounts` (`id`, `kind`) VALUES
  ('platform/fees', 'system'), ('platform/grants', 'system'), ('platform/adjustments', 'system'), ('platform/slashed', 'system'),
  ('chain/treasury', 'system'), ('chain/allowances', 'system'), ('chain/x402', 'system'), ('account/local', 'client');--> statement-breakpoint
CREATE TRIGGER `ledger_transactions_kept` BEFORE DELETE ON `ledger_transactions`
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;--> statement-breakpoint
CREATE TRIGGER `ledger_transactions_fixed` BEFORE UPDATE ON `ledger_transactions`
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;--> statement-breakpoint
CREATE TRIGGER `ledger_entries_kept` BEFORE DELETE ON `ledger_entries`
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;--> statement-breakpoint
CREATE TRIGGER `ledger_entries_fixed` BEFORE UPDATE ON `ledger_entries`
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;--> statement-breakpoint
CREATE TRIGGER `receipts_kept` BEFORE DELETE ON `receipts`
BEGIN SELECT RAISE(ABORT, 'receipts are append-only'); END;--> statement-breakpoint
CREATE TRIGGER `receipts_fixed` BEFORE UPDATE OF `node`, `seq`, `attempt`, `account`, `transaction_id`, `gross`, `node_amount`, `fee`, `model`, `finished_ms`, `bytes`, `digest`, `signature` ON `receipts`
BEGIN SELECT RAISE(ABORT, 'receipts are append-only'); END;
