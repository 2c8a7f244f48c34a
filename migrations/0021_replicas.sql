CREATE TABLE `replica_links` (
	`replica` text NOT NULL,
	`node` text NOT NULL,
	`rev` integer NOT NULL,
	`linked_ms` integer,
	`shown` text,
	PRIMARY KEY(`replica`, `node`)
);
--> statement-breakpoint
CREATE INDEX `replica_links_rev` ON `replica_links` (`replica`,`rev`);--> statement-breakpoint
CREATE TABLE `replicas` (
	`id` text PRIMARY KEY NOT NULL,
	`version` text NOT NULL,
	`started_ms` integer NOT NULL,
	`seen_ms` integer NOT NULL,
	`epoch` integer NOT NULL,
	`rev` integer NOT NULL,
	`figures` text NOT NULL
);
