CREATE TABLE `solana_cluster` (
	`id` integer PRIMARY KEY NOT NULL,
	`genesis_hash` text NOT NULL,
	`first_seen_ms` integer NOT NULL,
	CONSTRAINT "solana_cluster_one" CHECK("solana_cluster"."id" = 1)
);
