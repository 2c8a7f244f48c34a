// Database store: a coordinator's settings, kept in its database and noted in the audit log in one transaction.
import { eq } from "drizzle-orm";
import { type AuditValue, audit } from "../accounts/audit.ts";
import type { Db } from "../db/open.ts";
import { settings } from "./schema.ts";
import type { SettingsStore } from "./settings.ts";

export const databaseStore = (db: Pick<Db, "read" | "writer">): SettingsStore => ({
  read: () => db.read.select().from(settings),
  async put(changes, by, atMs) {
    await db.writer.transact(async (tx) => {
      for (const { key, row, before, after } of changes) {
        if (row === null) await tx.delete(settings).where(eq(settings.key, key));
        else {
          await tx
            .insert(settings)
            .values({ key, ...row })
            .onConflictDoUpdate({ target: settings.key, set: row });
        }
        const change = { before: told(before, after), after: told(after, before) };
        await audit(tx, { ...by, atMs, action: "settings.changed", subject: key, ...change });
      }
    });
  },
});

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A value as the audit log has it: of a table only what differs from `other`, as rows, since names in it are strangers'. */
function told(value: unknown, other: unknown): AuditValue {
  if (!isTable(value) || !isTable(other)) return value as AuditValue;
  return Object.entries(value)
    .filter(([name, inner]) => !isSame(inner, other[name]))
    .map(([name, inner]) => [name, inner as AuditValue]);
}
const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
