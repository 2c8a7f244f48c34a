ALTER TABLE `stake_proposals` ADD `request` text;--> statement-breakpoint
CREATE UNIQUE INDEX `stake_proposals_request_unique` ON `stake_proposals` (`request`);--> statement-breakpoint
CREATE INDEX `stake_proposals_node` ON `stake_proposals` (`node_pubkey`,`created_ms`);--> statement-breakpoint
ALTER TABLE `stakes` ADD `balance` integer;--> statement-breakpoint
ALTER TABLE `stakes` ADD `cap` integer;--> statement-breakpoint
CREATE INDEX `once_sends_subject` ON `once_sends` (`kind`,`subject`,`created_ms`);