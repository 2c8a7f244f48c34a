CREATE TABLE `settings` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL,
	`changed_ms` integer NOT NULL,
	`changed_by` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `earning_days` (
	`node` text NOT NULL,
	`day` integer NOT NULL,
	`receipts` integer NOT NULL,
	`gross` integer NOT NULL,
	`node_amount` integer NOT NULL,
	`fee` integer NOT NULL,
	PRIMARY KEY(`node`, `day`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `earning_days_day` ON `earning_days` (`day`);--> statement-breakpoint
CREATE TABLE `load_minutes` (
	`at_s` integer NOT NULL,
	`replica` text NOT NULL,
	`jobs` integer NOT NULL,
	`failed` integer NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`charged` integer NOT NULL,
	`running` integer NOT NULL,
	`queued` integer NOT NULL,
	`slots` integer NOT NULL,
	`nodes` integer NOT NULL,
	`first_token` text NOT NULL,
	PRIMARY KEY(`at_s`, `replica`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `node_days` (
	`node` text NOT NULL,
	`day` integer NOT NULL,
	`online_s` integer NOT NULL,
	`completed` integer NOT NULL,
	`failed` integer NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	PRIMARY KEY(`node`, `day`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `usage_days` (
	`account_id` text NOT NULL,
	`day` integer NOT NULL,
	`key_id` text NOT NULL,
	`model` text NOT NULL,
	`requests` integer NOT NULL,
	`completed` integer NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`charged_micro_usd` integer NOT NULL,
	PRIMARY KEY(`account_id`, `day`, `key_id`, `model`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `usage_days_day` ON `usage_days` (`day`);--> statement-breakpoint
ALTER TABLE `join_tokens` ADD `account_id` text REFERENCES accounts(id);--> statement-breakpoint
CREATE INDEX `audit_log_actor` ON `audit_log` (`actor`);--> statement-breakpoint
CREATE INDEX `audit_log_action` ON `audit_log` (`action`);--> statement-breakpoint
CREATE INDEX `jobs_node` ON `jobs` (`node_pubkey`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_failed` ON `jobs` (`id`) WHERE state in ('failed', 'expired');--> statement-breakpoint
CREATE INDEX `nodes_account` ON `nodes` (`account_id`);--> statement-breakpoint
CREATE INDEX `nodes_name` ON `nodes` ("name" collate nocase);--> statement-breakpoint
CREATE TRIGGER `usage_days_inserted` AFTER INSERT ON `jobs` WHEN NEW.`ended_ms` IS NOT NULL
BEGIN INSERT INTO `usage_days` VALUES (NEW.`account_id`, NEW.`created_ms` / 86400000, coalesce(NEW.`key_id`, ''), NEW.`model`, 1, NEW.`state` = 'completed', coalesce(NEW.`prompt_tokens`, 0), coalesce(NEW.`completion_tokens`, 0), coalesce(NEW.`charged_micro_usd`, 0))
  ON CONFLICT DO UPDATE SET `requests` = `requests` + 1, `completed` = `completed` + excluded.`completed`, `prompt_tokens` = `prompt_tokens` + excluded.`prompt_tokens`, `completion_tokens` = `completion_tokens` + excluded.`completion_tokens`, `charged_micro_usd` = `charged_micro_usd` + excluded.`charged_micro_usd`; END;--> statement-breakpoint
CREATE TRIGGER `usage_days_updated` AFTER UPDATE OF `ended_ms` ON `jobs` WHEN OLD.`ended_ms` IS NULL AND NEW.`ended_ms` IS NOT NULL
BEGIN INSERT INTO `usage_days` VALUES (NEW.`account_id`, NEW.`created_ms` / 86400000, coalesce(NEW.`key_id`, ''), NEW.`model`, 1, NEW.`state` = 'completed', coalesce(NEW.`prompt_tokens`, 0), coalesce(NEW.`completion_tokens`, 0), coalesce(NEW.`charged_micro_usd`, 0))
  ON CONFLICT DO UPDATE SET `requests` = `requests` + 1, `completed` = `completed` + excluded.`completed`, `prompt_tokens` = `prompt_tokens` + excluded.`prompt_tokens`, `completion_tokens` = `completion_tokens` + excluded.`completion_tokens`, `charged_micro_usd` = `charged_micro_usd` + excluded.`charged_micro_usd`; END;--> statement-breakpoint
CREATE TRIGGER `earning_days_inserted` AFTER INSERT ON `receipts`
BEGIN INSERT INTO `earning_days` VALUES (NEW.`node`, NEW.`finished_ms` / 86400000, 1, NEW.`gross`, NEW.`node_amount`, NEW.`fee`)
  ON CONFLICT DO UPDATE SET `receipts` = `receipts` + 1, `gross` = `gross` + excluded.`gross`, `node_amount` = `node_amount` + excluded.`node_amount`, `fee` = `fee` + excluded.`fee`; END;--> statement-breakpoint
INSERT INTO `usage_days` SELECT `account_id`, `created_ms` / 86400000, coalesce(`key_id`, ''), `model`, count(*), sum(`state` = 'completed'), coalesce(sum(`prompt_tokens`), 0), coalesce(sum(`completion_tokens`), 0), coalesce(sum(`charged_micro_usd`), 0) FROM `jobs` WHERE `ended_ms` IS NOT NULL GROUP BY 1, 2, 3, 4;--> statement-breakpoint
INSERT INTO `earning_days` SELECT `node`, `finished_ms` / 86400000, count(*), sum(`gross`), sum(`node_amount`), sum(`fee`) FROM `receipts` GROUP BY 1, 2;--> statement-breakpoint
INSERT INTO `changes` (`name`, `n`) VALUES ('settings', 0);--> statement-breakpoint
CREATE TRIGGER `settings_inserted` AFTER INSERT ON `settings`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'settings'; END;--> statement-breakpoint
CREATE TRIGGER `settings_updated` AFTER UPDATE ON `settings`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'settings'; END;--> statement-breakpoint
CREATE TRIGGER `settings_deleted` AFTER DELETE ON `settings`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'settings'; END;
