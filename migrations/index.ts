// Written by build/migrations.ts: the migrations, in order, as they are embedded in the executable.
import type { Migration } from "../src/db/migrate.ts";
import sql0 from "./0000_start.sql" with { type: "text" };
import sql1 from "./0001_changes.sql" with { type: "text" };
import sql2 from "./0002_failover.sql" with { type: "text" };
import sql3 from "./0003_audit.sql" with { type: "text" };
import sql4 from "./0004_ledger.sql" with { type: "text" };
import sql5 from "./0005_key_limits.sql" with { type: "text" };
import sql6 from "./0006_accounts.sql" with { type: "text" };
import sql7 from "./0007_payouts.sql" with { type: "text" };
import sql8 from "./0008_funding.sql" with { type: "text" };
import sql9 from "./0009_solana_cluster.sql" with { type: "text" };
import sql10 from "./0010_receipts_account.sql" with { type: "text" };
import sql11 from "./0011_job_owner.sql" with { type: "text" };
import sql12 from "./0012_address_tables.sql" with { type: "text" };
import sql13 from "./0013_link_makers.sql" with { type: "text" };
import sql14 from "./0014_dashboard.sql" with { type: "text" };
import sql15 from "./0015_people.sql" with { type: "text" };
import sql16 from "./0016_node_lists.sql" with { type: "text" };
import sql17 from "./0017_node_filters.sql" with { type: "text" };
import sql18 from "./0018_payouts_newest.sql" with { type: "text" };
import sql19 from "./0019_account_name.sql" with { type: "text" };
import sql20 from "./0020_payout_states.sql" with { type: "text" };
import sql21 from "./0021_replicas.sql" with { type: "text" };
import sql22 from "./0022_stake_moves.sql" with { type: "text" };

export const migrations: readonly Migration[] = [
  { n: 0, name: "0000_start", sql: sql0 },
  { n: 1, name: "0001_changes", sql: sql1 },
  { n: 2, name: "0002_failover", sql: sql2 },
  { n: 3, name: "0003_audit", sql: sql3 },
  { n: 4, name: "0004_ledger", sql: sql4 },
  { n: 5, name: "0005_key_limits", sql: sql5 },
  { n: 6, name: "0006_accounts", sql: sql6 },
  { n: 7, name: "0007_payouts", sql: sql7 },
  { n: 8, name: "0008_funding", sql: sql8 },
  { n: 9, name: "0009_solana_cluster", sql: sql9 },
  { n: 10, name: "0010_receipts_account", sql: sql10 },
  { n: 11, name: "0011_job_owner", sql: sql11 },
  { n: 12, name: "0012_address_tables", sql: sql12 },
  { n: 13, name: "0013_link_makers", sql: sql13 },
  { n: 14, name: "0014_dashboard", sql: sql14 },
  { n: 15, name: "0015_people", sql: sql15 },
  { n: 16, name: "0016_node_lists", sql: sql16 },
  { n: 17, name: "0017_node_filters", sql: sql17 },
  { n: 18, name: "0018_payouts_newest", sql: sql18 },
  { n: 19, name: "0019_account_name", sql: sql19 },
  { n: 20, name: "0020_payout_states", sql: sql20 },
  { n: 21, name: "0021_replicas", sql: sql21 },
  { n: 22, name: "0022_stake_moves", sql: sql22 },
];
