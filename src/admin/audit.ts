// The audit log, as operations of a coordinator.
import { auditHead, listAudit } from "../accounts/audit.ts";
import { verifyAudit } from "../accounts/audit-check.ts";
import type { AuditRow } from "../accounts/schema.ts";
import { drizzleOver } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { ok } from "../lib/result.ts";
import { type AuditView, MONEY_OPERATIONS } from "./money-operations.ts";
import { operation } from "./operation.ts";
import type { Admin } from "./operations.ts";

export function auditAdmin(db: Pick<Db, "read" | "snapshot">): Pick<Admin, "listAudit" | "auditHead" | "verifyAudit"> {
  return {
    listAudit: operation(MONEY_OPERATIONS.listAudit, async ({ limit, since_ms, ...wanted }) => {
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
      const filter = since_ms === undefined ? given : { ...given, sinceMs: since_ms };
      return ok({ entries: (await listAudit({ db }, limit, filter)).map(view) });
    }),
    auditHead: operation(MONEY_OPERATIONS.auditHead, async () => ok(await auditHead(db))),
    verifyAudit: operation(MONEY_OPERATIONS.verifyAudit, async ({ head }) =>
      ok(await db.snapshot((execute) => verifyAudit({ read: drizzleOver(execute) }, head))),
    ),
  };
}

const view = ({ atMs, before, after, previous: _, ...row }: AuditRow): AuditView => ({
  ...row,
  at_ms: atMs,
  before: json(before),
  after: json(after),
});

/** As text where it is none, since somebody changed it. */
function json(text: string): AuditView["before"] {
  try {
    return JSON.parse(text) as AuditView["before"];
  } catch {
    return text;
  }
}
