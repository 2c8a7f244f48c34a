CREATE TABLE `webhooks` (
	`job_id` text PRIMARY KEY NOT NULL,
	`url` text NOT NULL,
	`tries` integer DEFAULT 0 NOT NULL,
	`due_ms` integer,
	`error` text,
	FOREIGN KEY (`job_id`) REFERENCES `jobs`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `webhooks_due` ON `webhooks` (`due_ms`);--> statement-breakpoint
CREATE TABLE `commands` (
	`id` text PRIMARY KEY NOT NULL,
	`node_pubkey` text NOT NULL,
	`command` text NOT NULL,
	`args` text NOT NULL,
	`state` text NOT NULL,
	`cancelling` integer DEFAULT false NOT NULL,
	`account_id` text NOT NULL,
	`error` text,
	`created_ms` integer NOT NULL,
	`delivered_ms` integer,
	`ended_ms` integer,
	`expires_ms` integer NOT NULL,
	FOREIGN KEY (`node_pubkey`) REFERENCES `nodes`(`pubkey`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `commands_node` ON `commands` (`node_pubkey`,`state`);--> statement-breakpoint
CREATE TABLE `payout_addresses` (
	`node_pubkey` text NOT NULL,
	`coin` text NOT NULL,
	`network` text NOT NULL,
	`address` text NOT NULL,
	`set_ms` integer NOT NULL,
	PRIMARY KEY(`node_pubkey`, `coin`, `network`),
	FOREIGN KEY (`node_pubkey`) REFERENCES `nodes`(`pubkey`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
ALTER TABLE `api_keys` ADD `pools` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `task` text DEFAULT 'chat' NOT NULL;--> statement-breakpoint
ALTER TABLE `nodes` ADD `pool` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `nodes` ADD `maintenance` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `nodes` ADD `transport` text DEFAULT 'link' NOT NULL;--> statement-breakpoint
DROP TRIGGER `nodes_changed`;--> statement-breakpoint
CREATE TRIGGER `nodes_changed` AFTER UPDATE OF `status`, `role`, `auth_v2_seen`, `pool`, `maintenance` ON `nodes`
WHEN OLD.`status` <> NEW.`status` OR OLD.`role` <> NEW.`role` OR OLD.`auth_v2_seen` <> NEW.`auth_v2_seen`
  OR OLD.`pool` <> NEW.`pool` OR OLD.`maintenance` <> NEW.`maintenance`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'nodes'; END;--> statement-breakpoint
DROP TRIGGER `api_keys_changed`;--> statement-breakpoint
CREATE TRIGGER `api_keys_changed` AFTER UPDATE OF `account_id`, `scopes`, `pools`, `expires_ms`, `revoked_ms` ON `api_keys`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'api_keys'; END;
