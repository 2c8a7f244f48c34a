DROP INDEX `payouts_open`;--> statement-breakpoint
CREATE INDEX `payouts_state` ON `payouts` (`state`,`created_ms`,`first_seq`,`id`);