DROP INDEX `nodes_role`;--> statement-breakpoint
CREATE INDEX `nodes_pool` ON `nodes` (`pool`,`first_seen_ms`,`pubkey`);--> statement-breakpoint
CREATE INDEX `nodes_transport` ON `nodes` (`transport`,`first_seen_ms`,`pubkey`);--> statement-breakpoint
CREATE INDEX `nodes_role` ON `nodes` (`role`,`status`,`first_seen_ms`,`pubkey`);