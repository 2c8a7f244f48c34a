ALTER TABLE `api_keys` ADD `models` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `requests_per_minute` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `tokens_per_minute` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `spend_day_micro_usd` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `spend_total_micro_usd` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `lineage` text DEFAULT '' NOT NULL;--> statement-breakpoint
UPDATE `api_keys` SET `lineage` = `id`;--> statement-breakpoint
DROP TRIGGER `api_keys_changed`;--> statement-breakpoint
CREATE TRIGGER `api_keys_changed` AFTER UPDATE OF `account_id`, `name`, `scopes`, `pools`, `models`, `requests_per_minute`,
  `tokens_per_minute`, `spend_day_micro_usd`, `spend_total_micro_usd`, `lineage`, `expires_ms`, `revoked_ms` ON `api_keys`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'api_keys'; END;
