CREATE TABLE `audit_log` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`actor` text NOT NULL,
	`action` text NOT NULL,
	`subject` text NOT NULL,
	`before` text NOT NULL,
	`after` text NOT NULL,
	`from_address` text NOT NULL,
	`previous_hash` text NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_log_subject` ON `audit_log` (`subject`);--> statement-breakpoint
CREATE TRIGGER `audit_log_in_order` BEFORE INSERT ON `audit_log`
WHEN NEW.`seq` <> (SELECT coalesce(max(`seq`), 0) + 1 FROM `audit_log`)
  OR NEW.`previous_hash` <> coalesce((SELECT `hash` FROM `audit_log` ORDER BY `seq` DESC LIMIT 1), '0000000000000000000000000000000000000000000000000000000000000000')
BEGIN SELECT RAISE(ABORT, 'audit_log: a row must follow the last one'); END;--> statement-breakpoint
CREATE TRIGGER `audit_log_not_changed` BEFORE UPDATE ON `audit_log`
BEGIN SELECT RAISE(ABORT, 'audit_log: rows are never changed'); END;--> statement-breakpoint
CREATE TRIGGER `audit_log_not_deleted` BEFORE DELETE ON `audit_log`
BEGIN SELECT RAISE(ABORT, 'audit_log: rows are never deleted'); END;
