// The audit log, as operations of a coordinator.
import { auditHead } from "../accounts/audit.ts";
import { verifyAudit } from "../accounts/audit-check.ts";
import { listAudit } from "../accounts/audit-list.ts";
import type { AuditRow } from "../accounts/schema.ts";
import { drizzleOver } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { ok } from "../lib/result.ts";
import { type AuditView, MONEY_OPERATIONS } from "./money-operations.ts";
import { operation } from "./operation.ts";
import type { Admin } from "./operations.ts";

export function auditAdmin(db: Pick<Db, "read" | "snapshot">): Pick<Admin, "listAudit" | "auditHead" | "verifyAudit"> {
  return {
    listAudit: operation(
      MONEY_OPERATIONS.listAudit,
      async ({ limit, since_ms: sinceMs, until_ms: untilMs, ...wanted }) =>
        ok({ entries: (await listAudit({ db }, limit, { ...wanted, sinceMs, untilMs })).map(view) }),
    ),
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
