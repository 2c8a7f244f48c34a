CREATE TABLE `payout_attempts` (
	`signature` text PRIMARY KEY NOT NULL,
	`payout_id` text NOT NULL,
	`wire` blob NOT NULL,
	`last_valid_height` integer NOT NULL,
	`state` text NOT NULL,
	`error` text,
	`created_ms` integer NOT NULL,
	FOREIGN KEY (`payout_id`) REFERENCES `payouts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `payout_attempts_payout` ON `payout_attempts` (`payout_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `payout_attempts_live` ON `payout_attempts` (`payout_id`) WHERE state = 'live';--> statement-breakpoint
CREATE UNIQUE INDEX `payout_attempts_paid` ON `payout_attempts` (`payout_id`) WHERE state = 'paid';--> statement-breakpoint
CREATE TABLE `payout_fronts` (
	`node` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `payout_legs` (
	`payout_id` text NOT NULL,
	`source` text NOT NULL,
	`node_amount` integer NOT NULL,
	`fee` integer NOT NULL,
	PRIMARY KEY(`payout_id`, `source`),
	FOREIGN KEY (`payout_id`) REFERENCES `payouts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `payouts` (
	`id` text PRIMARY KEY NOT NULL,
	`node` text NOT NULL,
	`wallet` text NOT NULL,
	`state` text NOT NULL,
	`node_amount` integer NOT NULL,
	`fee` integer NOT NULL,
	`root` text NOT NULL,
	`receipts` integer NOT NULL,
	`first_seq` integer NOT NULL,
	`revision` integer DEFAULT 0 NOT NULL,
	`agreement` text,
	`reason` text,
	`trouble` text,
	`created_ms` integer NOT NULL,
	`ended_ms` integer,
	`signature` text,
	`reclaimed_ms` integer,
	CONSTRAINT "payouts_amounts" CHECK("payouts"."node_amount" >= 0 and "payouts"."fee" >= 0),
	CONSTRAINT "payouts_paid" CHECK("payouts"."state" <> 'paid' or "payouts"."signature" is not null)
);
--> statement-breakpoint
CREATE INDEX `payouts_node` ON `payouts` (`node`,`created_ms`);--> statement-breakpoint
CREATE INDEX `payouts_open` ON `payouts` (`state`) WHERE state in ('planned', 'due', 'stuck');--> statement-breakpoint
CREATE INDEX `payouts_markers` ON `payouts` (`ended_ms`) WHERE state = 'paid' and reclaimed_ms is null;