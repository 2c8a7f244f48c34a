// Solana: the cluster that this database's money is on.
import { sql } from "drizzle-orm";
import { check, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row, written once: amounts in the ledger mean nothing on another cluster. */
export const solanaCluster = sqliteTable(
  "solana_cluster",
  {
    id: integer().primaryKey(),
    /** base58. */
    genesisHash: text("genesis_hash").notNull(),
    firstSeenMs: integer("first_seen_ms").notNull(),
  },
  (table) => [check("solana_cluster_one", sql`${table.id} = 1`)],
);
