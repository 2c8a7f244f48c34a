// Key spend: what a key may spend, and how much of it is spent or held for jobs under way.
import { budgetsOf, type SpendLimits } from "../accounts/key-rights.ts";
import type { Db } from "../db/open.ts";
import { usedOf } from "../ledger/budgets.ts";
import type { Clock } from "../lib/clock.ts";

/** µ$. */
export type Spend = { limit: number; used: number; remaining: number };
/** Null where there is no limit. `reset_ms`: how long the day (UTC) goes on. */
export type KeySpend = { day: (Spend & { reset_ms: number }) | null; total: Spend | null };

const DAY_MS = 86_400_000;

export async function keySpend(
  { db, clock }: { db: Db; clock: Clock },
  { lineage, spend }: { lineage: string; spend: SpendLimits | null },
): Promise<KeySpend> {
  const nowMs = clock.nowMs();
  const viewOf = async (limits: SpendLimits): Promise<Spend | null> => {
    const [budget] = budgetsOf({ lineage, spend: limits }, nowMs);
    if (budget === undefined) return null;
    const used = await usedOf({ db }, budget.id);
    const left = used < budget.limit ? budget.limit - used : 0n;
    return { limit: Number(budget.limit), used: Number(used), remaining: Number(left) };
  };
  const day = await viewOf({ day: spend?.day ?? null, total: null });
  return {
    day: day && { ...day, reset_ms: DAY_MS - (nowMs % DAY_MS) },
    total: await viewOf({ day: null, total: spend?.total ?? null }),
  };
}
