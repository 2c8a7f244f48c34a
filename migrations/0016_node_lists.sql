DROP INDEX `nodes_status`;--> statement-breakpoint
DROP INDEX `nodes_account`;--> statement-breakpoint
CREATE INDEX `nodes_seen` ON `nodes` (`first_seen_ms`,`pubkey`);--> statement-breakpoint
CREATE INDEX `nodes_role` ON `nodes` (`role`,`status`);--> statement-breakpoint
CREATE INDEX `nodes_status` ON `nodes` (`status`,`first_seen_ms`,`pubkey`);--> statement-breakpoint
CREATE INDEX `nodes_account` ON `nodes` (`account_id`,`first_seen_ms`,`pubkey`);--> statement-breakpoint
CREATE INDEX `join_tokens_created` ON `join_tokens` (`created_ms`,`id`);--> statement-breakpoint
CREATE INDEX `join_tokens_account` ON `join_tokens` (`account_id`,`created_ms`,`id`);