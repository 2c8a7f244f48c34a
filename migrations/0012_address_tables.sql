CREATE TABLE `address_tables` (
	`address` text PRIMARY KEY NOT NULL,
	`created_ms` integer NOT NULL
);
