// Runner: has open payouts go on for as long as the process lives. Several processes may, on one database.
import type { Clock } from "../lib/clock.ts";
import { ChainUnreachable } from "../solana/chain.ts";
import { type AdvanceDeps, advancePayout } from "./advance.ts";
import { type AutomaticRules, planAutomatically } from "./automatic.ts";
import { payoutsIn } from "./payouts.ts";
import { reclaimRent } from "./reclaim.ts";
import { retryStuck } from "./set-aside.ts";

export type RunnerDeps = Omit<AdvanceDeps, "clock"> & { clock: Clock };
/** Read anew at every turn. */
export type RunnerRules = AutomaticRules & {
  /** Whether to plan unasked. */
  readonly automatic: boolean;
  readonly reclaimAfterMs: number;
};
export type PayoutRunner = {
  /** Looks at the payouts that are due now, and not at the next turn only. */
  nudge(): void;
  /** Resolves when what is under way has ended; nothing is begun any more. */
  stop(): Promise<void>;
};

const ADVANCE_EVERY_MS = 2_000;
const PLAN_EVERY_MS = 60_000;
const STUCK_EVERY_MS = 60_000;
const RECLAIM_EVERY_MS = 600_000;

export function runPayouts(deps: RunnerDeps, rules: RunnerRules): PayoutRunner {
  const { clock, log } = deps;
  let stopped = false;
  let queue: Promise<void> = Promise.resolve();
  const waiting = new Set<string>();
  /** One after the other; what is asked for while it waits anyway is done once. */
  const enqueue = (what: string, act: () => Promise<unknown>): void => {
    if (stopped || waiting.has(what)) return;
    waiting.add(what);
    queue = queue.then(async () => {
      waiting.delete(what);
      if (!stopped) await quietly(deps, what, act);
    });
  };
  const advance = () => enqueue("payouts", () => advanceAll(deps, () => stopped));
  const stops = [
    clock.every(ADVANCE_EVERY_MS, advance),
    clock.every(STUCK_EVERY_MS, () => enqueue("stuck payouts", () => retryStuck(deps))),
    clock.every(RECLAIM_EVERY_MS, () => enqueue("rent of markers", () => reclaimRent(deps, rules.reclaimAfterMs))),
    clock.every(PLAN_EVERY_MS, () => {
      if (rules.automatic) enqueue("automatic payouts", () => planAutomatically(deps, rules));
    }),
  ];
  advance();
  log.debug("payouts go on");
  return {
    nudge: advance,
    async stop() {
      stopped = true;
      for (const stop of stops) stop();
      await queue;
    },
  };
}

/** One step of each payout that is due. One that fails does not hold up the others. */
export async function advanceAll(deps: AdvanceDeps, stopped: () => boolean = () => false): Promise<void> {
  for (const { id } of await payoutsIn(deps, ["due"])) {
    if (stopped()) return;
    await quietly(deps, "a payout", () => advancePayout(deps, id), { payout: id });
  }
}

/** What fails changes nothing and is tried again. */
async function quietly(
  { log }: Pick<AdvanceDeps, "log">,
  what: string,
  act: () => Promise<unknown>,
  fields: Record<string, unknown> = {},
): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof ChainUnreachable)
      log.warn("the chain does not answer", { what, ...fields, reason: error.message });
    else log.error("a payout's step failed; it is tried again", { what, ...fields, err: error });
  }
}
