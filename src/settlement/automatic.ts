// Automatic: plans payouts without being asked, for nodes that are owed enough and were not paid for a while.
import type { Log } from "../lib/log.ts";
import { type Coin, payeeOf } from "./payee.ts";
import { type PlanDeps, type PlanRules, planPayouts } from "./plan.ts";

export type AutomaticDeps = PlanDeps & { log: Log };
export type AutomaticRules = PlanRules & {
  coin: Coin;
  /** Least time between two of one node. */
  intervalMs: number;
};

/** Plans for every node that is due; one that cannot be planned for holds nobody up. */
export async function planAutomatically(deps: AutomaticDeps, rules: AutomaticRules): Promise<void> {
  const { db, clock, log } = deps;
  const rows = await db.query(
    `select substr(a.id, 6) from ledger_accounts a where a.kind = 'node' and a.balance - a.held >= ?
       and not exists (select 1 from payouts p where p.node = substr(a.id, 6) and p.created_ms > ? and p.state <> 'planned')`,
    [rules.minimum < 1n ? 1n : rules.minimum, clock.nowMs() - rules.intervalMs],
  );
  for (const [node] of rows as [string][]) {
    const wallet = await payeeOf(db, node, rules.coin);
    if (wallet === null) continue;
    const planned = await planPayouts(deps, rules, { node, wallet, state: "due" });
    if (planned.ok) log.info("payouts planned", { node, payouts: planned.value.length });
    else if (planned.error.code === "settled_otherwise") log.warn("a node's receipts and its balance differ", { node });
  }
}
