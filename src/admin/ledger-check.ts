// Ledger check: one look at the books at a time, for all who ask: how far it is, and what the last one found. Kept in
// memory: what was found is true of then.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { checkLedger } from "./check-ledger.ts";
import type { LedgerCheckView } from "./money-operations.ts";

export type LedgerChecker = {
  /** Begins, where none is under way. */
  begin(): LedgerCheckView;
  state(): LedgerCheckView;
};

export function ledgerChecker({ db, clock }: { db: Pick<Db, "snapshot">; clock: Pick<Clock, "nowMs"> }): LedgerChecker {
  let state: LedgerCheckView = { running: null, last: null, failed: null };
  async function look(started_ms: number): Promise<void> {
    try {
      const found = await checkLedger(db, started_ms, (done, of) => {
        state = { ...state, running: { started_ms, done, of } };
      });
      state = { running: null, last: { started_ms, ended_ms: clock.nowMs(), ...found }, failed: null };
    } catch (error) {
      state = { ...state, running: null, failed: error instanceof Error ? error.message : String(error) };
    }
  }
  return {
    begin() {
      if (state.running === null) {
        const started_ms = clock.nowMs();
        state = { ...state, running: { started_ms, done: 0, of: 0 }, failed: null };
        void look(started_ms);
      }
      return state;
    },
    state: () => state,
  };
}
