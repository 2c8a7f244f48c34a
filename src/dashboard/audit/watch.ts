// Watch: what the last look at the audit log found, for whoever looks at the overview.
import type { AuditCheck } from "../../accounts/audit-check.ts";

export type AuditWatch = {
  /** `broken` in words; null where all held, or where nobody looked yet. */
  last(): { broken: string | null };
  note(check: Pick<AuditCheck, "broken">): void;
};

export function auditWatch(): AuditWatch {
  let broken: string | null = null;
  return {
    last: () => ({ broken }),
    note(check) {
      broken = check.broken?.message ?? null;
    },
  };
}
