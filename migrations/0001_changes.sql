CREATE TABLE `changes` (
	`name` text PRIMARY KEY NOT NULL,
	`n` integer NOT NULL
);
--> statement-breakpoint
INSERT INTO `changes` (`name`, `n`) VALUES ('api_keys', 0), ('nodes', 0);--> statement-breakpoint
CREATE TRIGGER `api_keys_made` AFTER INSERT ON `api_keys`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'api_keys'; END;--> statement-breakpoint
CREATE TRIGGER `api_keys_changed` AFTER UPDATE OF `account_id`, `scopes`, `expires_ms`, `revoked_ms` ON `api_keys`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'api_keys'; END;--> statement-breakpoint
CREATE TRIGGER `api_keys_deleted` AFTER DELETE ON `api_keys`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'api_keys'; END;--> statement-breakpoint
CREATE TRIGGER `nodes_made` AFTER INSERT ON `nodes`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'nodes'; END;--> statement-breakpoint
CREATE TRIGGER `nodes_changed` AFTER UPDATE OF `status`, `role`, `auth_v2_seen` ON `nodes`
WHEN OLD.`status` <> NEW.`status` OR OLD.`role` <> NEW.`role` OR OLD.`auth_v2_seen` <> NEW.`auth_v2_seen`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'nodes'; END;--> statement-breakpoint
CREATE TRIGGER `nodes_deleted` AFTER DELETE ON `nodes`
BEGIN UPDATE `changes` SET `n` = `n` + 1 WHERE `name` = 'nodes'; END;
