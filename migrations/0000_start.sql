CREATE TABLE `accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`name` text NOT NULL,
	`created_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`name` text NOT NULL,
	`prefix` text NOT NULL,
	`key_hash` text NOT NULL,
	`scopes` text NOT NULL,
	`created_ms` integer NOT NULL,
	`expires_ms` integer,
	`revoked_ms` integer,
	`last_used_ms` integer,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_key_hash_unique` ON `api_keys` (`key_hash`);--> statement-breakpoint
CREATE INDEX `api_keys_account` ON `api_keys` (`account_id`);--> statement-breakpoint
CREATE TABLE `job_content` (
	`job_id` text PRIMARY KEY NOT NULL,
	`request` text NOT NULL,
	`output` text,
	`expires_ms` integer,
	FOREIGN KEY (`job_id`) REFERENCES `jobs`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `job_content_expiry` ON `job_content` (`expires_ms`);--> statement-breakpoint
CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`key_id` text,
	`kind` text NOT NULL,
	`model` text NOT NULL,
	`state` text NOT NULL,
	`stream` integer NOT NULL,
	`max_tokens` integer,
	`attempt` integer DEFAULT 0 NOT NULL,
	`node_pubkey` text,
	`attempts` text DEFAULT '[]' NOT NULL,
	`error_code` text,
	`error_message` text,
	`finish_reason` text,
	`prompt_tokens` integer,
	`completion_tokens` integer,
	`created_ms` integer NOT NULL,
	`dispatched_ms` integer,
	`first_delta_ms` integer,
	`ended_ms` integer,
	`webhook` text,
	`idempotency_key` text,
	`request_hash` text,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `jobs_account` ON `jobs` (`account_id`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_live` ON `jobs` (`state`) WHERE state in ('queued', 'dispatched', 'running');--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_idempotency` ON `jobs` (`account_id`,`idempotency_key`) WHERE idempotency_key is not null;--> statement-breakpoint
CREATE TABLE `join_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`token_hash` text NOT NULL,
	`role` text NOT NULL,
	`name` text,
	`created_ms` integer NOT NULL,
	`expires_ms` integer NOT NULL,
	`used_ms` integer,
	`used_by` text,
	`revoked_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `join_tokens_token_hash_unique` ON `join_tokens` (`token_hash`);--> statement-breakpoint
CREATE TABLE `nodes` (
	`pubkey` text PRIMARY KEY NOT NULL,
	`role` text NOT NULL,
	`name` text NOT NULL,
	`status` text NOT NULL,
	`admitted_by` text,
	`account_id` text NOT NULL,
	`address` text,
	`node_id` text,
	`specs` text NOT NULL,
	`slots` integer NOT NULL,
	`first_seen_ms` integer NOT NULL,
	`last_seen_ms` integer,
	`auth_v2_seen` integer NOT NULL,
	`reason` text,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_node_id_unique` ON `nodes` (`node_id`);--> statement-breakpoint
CREATE INDEX `nodes_status` ON `nodes` (`status`,`first_seen_ms`);--> statement-breakpoint
INSERT INTO `accounts` (`id`, `kind`, `name`, `created_ms`) VALUES ('local', 'local', 'Local', unixepoch() * 1000);
