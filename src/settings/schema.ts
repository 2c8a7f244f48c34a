// Settings: what admins changed while the coordinator ran. Each stands above the file's value, and below the environment's
// and the flags'.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const settings = sqliteTable("settings", {
  /** As in config.toml: `coordinator.queue_limit`. */
  key: text().primaryKey(),
  /** JSON. */
  value: text().notNull(),
  changedMs: integer("changed_ms").notNull(),
  /** Who did, as in the audit log. */
  changedBy: text("changed_by").notNull(),
});
