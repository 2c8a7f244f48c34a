// Node earnings: what a node's coordinators say it earned, asked with its own key.
import type { Config } from "../config.ts";
import type { Identity } from "../identity/keys.ts";
import type { Clock } from "../lib/clock.ts";
import type { EarningsJson } from "../protocol/payouts.ts";
import { type AskDeps, NodeError } from "./ask-coordinator.ts";
import { coordinatorsOf } from "./coordinators.ts";
import { earningsAt } from "./node-payout.ts";
import { randomBytes } from "./open-instance.ts";

/** `earnings` null: it does not answer, or refuses. */
export type CoordinatorEarnings = { coordinator: string; earnings: EarningsJson | null };

const ANSWER_MS = 5_000;

/** Asks as the node of this process. */
export const nodeAsks = (identity: Identity, clock: Clock): AskDeps => ({
  ...{ identity, clock, random: randomBytes, fetch, timeoutMs: ANSWER_MS },
  sleep: (ms) => new Promise<void>((resolve) => void clock.after(ms, resolve)),
});

/** Asks all coordinators that it dials for the last `days` days; of the replicas of one, the first that answers. Never throws. */
export function askEarnings(
  config: Pick<Config, "node">,
  identity: Identity,
  clock: Clock,
): (days: number) => Promise<CoordinatorEarnings[]> {
  const known = Map.groupBy(coordinatorsOf(config), ({ pubkey }) => pubkey);
  const deps = nodeAsks(identity, clock);
  return (days) =>
    Promise.all(
      [...known].map(async ([aud, addresses]) => {
        for (const address of addresses) {
          const earnings = await earningsAt(deps, address, days).catch(silent);
          if (earnings !== null) return { coordinator: address.url, earnings };
        }
        return { coordinator: addresses[0]?.url ?? aud, earnings: null };
      }),
    );
}

/** It is away, or older: the page says that it does not tell. */
function silent(error: unknown): null {
  if (error instanceof NodeError) return null;
  throw error;
}
