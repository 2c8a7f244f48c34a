CREATE TABLE `allowance_payouts` (
	`payout_id` text NOT NULL,
	`token_account` text NOT NULL,
	`amount` integer NOT NULL,
	`slot` integer NOT NULL,
	PRIMARY KEY(`token_account`, `payout_id`)
);
--> statement-breakpoint
CREATE TABLE `allowances` (
	`account_id` text PRIMARY KEY NOT NULL,
	`wallet` text NOT NULL,
	`token_account` text NOT NULL,
	`delegate` text NOT NULL,
	`since_transaction` integer NOT NULL,
	`mirrored` integer DEFAULT 0 NOT NULL,
	`paid_out` integer DEFAULT 0 NOT NULL,
	`registered_ms` integer NOT NULL,
	`observed_slot` integer DEFAULT 0 NOT NULL,
	`observed_ms` integer,
	`spendable` integer DEFAULT 0 NOT NULL,
	`unspendable` text,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `allowances_token_account_unique` ON `allowances` (`token_account`);--> statement-breakpoint
CREATE TABLE `deposit_payments` (
	`signature` text NOT NULL,
	`reference` text NOT NULL,
	`slot` integer NOT NULL,
	`amount` integer NOT NULL,
	`refused` text,
	`transaction_id` integer,
	`seen_ms` integer NOT NULL,
	PRIMARY KEY(`reference`, `signature`),
	FOREIGN KEY (`reference`) REFERENCES `deposits`(`reference`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`transaction_id`) REFERENCES `ledger_transactions`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `deposits` (
	`reference` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`amount` integer,
	`created_ms` integer NOT NULL,
	`expires_ms` integer NOT NULL,
	`cursor` text,
	`due_ms` integer NOT NULL,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `deposits_due` ON `deposits` (`due_ms`);--> statement-breakpoint
CREATE INDEX `deposits_account` ON `deposits` (`account_id`,`created_ms`);--> statement-breakpoint
CREATE TABLE `once_sends` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`amount` integer NOT NULL,
	`memo` text NOT NULL,
	`state` text NOT NULL,
	`wire` text,
	`signature` text,
	`last_valid_height` integer,
	`error` text,
	`reason` text NOT NULL,
	`created_ms` integer NOT NULL,
	`done_ms` integer
);
--> statement-breakpoint
CREATE INDEX `once_sends_state` ON `once_sends` (`state`);--> statement-breakpoint
CREATE TABLE `oracle_epochs` (
	`epoch` integer PRIMARY KEY NOT NULL,
	`start_ms` integer NOT NULL,
	`end_ms` integer NOT NULL,
	`nodes` integer NOT NULL,
	`root` text NOT NULL,
	`created_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `oracle_leaves` (
	`epoch` integer NOT NULL,
	`position` integer NOT NULL,
	`node_pubkey` text NOT NULL,
	`leaf` text NOT NULL,
	PRIMARY KEY(`epoch`, `position`),
	FOREIGN KEY (`epoch`) REFERENCES `oracle_epochs`(`epoch`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `oracle_leaves_node` ON `oracle_leaves` (`epoch`,`node_pubkey`);--> statement-breakpoint
CREATE TABLE `stake_proposals` (
	`id` text PRIMARY KEY NOT NULL,
	`node_pubkey` text NOT NULL,
	`act` text NOT NULL,
	`amount` integer NOT NULL,
	`reason` text NOT NULL,
	`wire` text,
	`signature` text,
	`last_valid_height` integer NOT NULL,
	`state` text NOT NULL,
	`created_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `stakes` (
	`node_pubkey` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`wallet` text NOT NULL,
	`token_account` text NOT NULL,
	`multisig` text,
	`arbiter` text,
	`registered_ms` integer NOT NULL,
	`observed_slot` integer DEFAULT 0 NOT NULL,
	`observed_ms` integer,
	`amount` integer DEFAULT 0 NOT NULL,
	`unspendable` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `stakes_token_account_unique` ON `stakes` (`token_account`);--> statement-breakpoint
CREATE TABLE `x402_payments` (
	`signature` text PRIMARY KEY NOT NULL,
	`payer` text NOT NULL,
	`amount` integer NOT NULL,
	`request_hash` text NOT NULL,
	`wire` text NOT NULL,
	`last_valid_height` integer NOT NULL,
	`state` text NOT NULL,
	`final` integer DEFAULT false NOT NULL,
	`used_ms` integer,
	`created_ms` integer NOT NULL,
	`settled_ms` integer
);
--> statement-breakpoint
CREATE INDEX `x402_payments_open` ON `x402_payments` (`final`,`state`);--> statement-breakpoint
ALTER TABLE `ledger_accounts` ADD `funding` text;--> statement-breakpoint
CREATE INDEX `payout_legs_source` ON `payout_legs` (`source`);