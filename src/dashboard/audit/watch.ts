// Watch: looks at the audit log when somebody asks, one look for all who do, and remembers what the last one found.
import type { AuditHead } from "../../accounts/audit.ts";
import type { Admin, Output } from "../../admin/operations.ts";
import type { Clock } from "../../lib/clock.ts";

export type AuditLook = {
  /** Since when one is under way; null where none is. */
  runningMs: number | null;
  last: (Output<"verifyAudit"> & { endedMs: number; kept: AuditHead | null }) | null;
  /** Why the last one came to no end. */
  failed: string | null;
};
export type AuditWatch = {
  state(): AuditLook;
  /**
   * `broken` in words; null where the chain held, or where nobody looked yet. That a head which somebody typed is not in
   * it is said to them alone: they may have mistyped it.
   */
  last(): { broken: string | null };
  /** Begins a look, or goes on with the one under way; resolves at its end. `kept`: a head the log must contain. */
  look(kept: AuditHead | null): Promise<void>;
};

/** What only a head that was kept can tell. */
const OF_HEADS = ["cut", "replaced"];

export function auditWatch({
  admin,
  clock,
}: {
  admin: Pick<Admin, "verifyAudit">;
  clock: Pick<Clock, "nowMs">;
}): AuditWatch {
  let state: AuditLook = { runningMs: null, last: null, failed: null };
  let under: Promise<void> | null = null;
  const begin = async (kept: AuditHead | null): Promise<void> => {
    try {
      const found = await admin.verifyAudit(kept === null ? {} : { head: kept });
      const failed = found.ok ? null : found.error.message;
      const last = found.ok ? { ...found.value, endedMs: clock.nowMs(), kept } : state.last;
      state = { runningMs: null, last, failed };
    } catch (error) {
      state = { ...state, runningMs: null, failed: error instanceof Error ? error.message : String(error) };
    } finally {
      under = null;
    }
  };
  return {
    state: () => state,
    last() {
      const { what = "", message = null } = state.last?.broken ?? {};
      return { broken: OF_HEADS.includes(what) ? null : message };
    },
    look(kept) {
      if (under === null) {
        state = { ...state, runningMs: clock.nowMs() };
        under = begin(kept);
      }
      return under;
    },
  };
}
