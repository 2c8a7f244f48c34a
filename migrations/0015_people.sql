CREATE INDEX `accounts_kind` ON `accounts` (`kind`,`created_ms`,`id`);--> statement-breakpoint
CREATE INDEX `api_keys_created` ON `api_keys` (`created_ms`,`id`);--> statement-breakpoint
CREATE INDEX `users_created` ON `users` (`created_ms`,`id`);--> statement-breakpoint
CREATE INDEX `users_name` ON `users` ("name" COLLATE NOCASE);