// Changes: how often each table that coordinators keep in memory was changed in a way that matters to them. Counted by
// triggers, so that no write forgets it; coordinators that share a database look at it.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const changes = sqliteTable("changes", {
  /** The table's name: "api_keys" or "nodes". */
  name: text().primaryKey(),
  n: integer().notNull(),
});
