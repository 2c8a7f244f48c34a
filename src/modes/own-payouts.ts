// Own payouts: what the owner of a node does about being paid, from the node's own dashboard, by the same functions as
// `infernet payout`.
import type { Config } from "../config.ts";
import type { CoordinatorPayouts, OwnPayouts, PayoutRun } from "../dashboard/node/payouts-view.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import type { Identity } from "../identity/keys.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { payoutsSchema } from "../protocol/payouts.ts";
import type { Address } from "../solana/chain.ts";
import { type AskDeps, askCoordinator, type NodeCoordinator, NodeError } from "./ask-coordinator.ts";
import { coordinatorsOf } from "./coordinators.ts";
import { nodeAsks } from "./node-earnings.ts";
import { earningsAt, keptWallet, payoutAt, setWallet, walletAddress } from "./node-payout.ts";
import { StartError } from "./start-error.ts";

export type OwnPayoutsDeps = {
  config: Pick<Config, "node">;
  identity: Identity;
  dir: Pick<DataDirectory, "file">;
  clock: Clock;
  log: Log;
  /** How the node asks; left out, as it does. */
  asks?: AskDeps;
};

/** A payment that takes longer is followed by the next request. */
const FOLLOW_MS = 15 * 60_000;
const SHOWN = 20;
/** Steps of one request. */
const MOST_STEPS = 100;

export function ownPayouts({ config, identity, dir, clock, log, asks }: OwnPayoutsDeps): OwnPayouts {
  const deps = asks ?? nodeAsks(identity, clock);
  const coordinators = () => [...Map.groupBy(coordinatorsOf(config), ({ pubkey }) => pubkey).values()];
  let run: PayoutRun | null = null;

  async function look(addresses: readonly NodeCoordinator[]): Promise<CoordinatorPayouts> {
    const coordinator = addresses[0]?.url ?? "";
    try {
      return await atOneOf(addresses, async (one) => {
        const earnings = await earningsAt(deps, one, 1);
        const asked = { path: "payouts/history", body: { limit: SHOWN }, answer: payoutsSchema };
        return { coordinator: one.url, earnings, payouts: (await askCoordinator(deps, one, asked)).payouts };
      });
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      return { coordinator, earnings: null, payouts: [] };
    }
  }

  async function pay(now: PayoutRun): Promise<void> {
    const tell = (step: PayoutRun["steps"][number]) => {
      if (now.steps.length < MOST_STEPS) now.steps.push(step);
    };
    const all = { ...deps, dir, tell, verify: null, followMs: FOLLOW_MS };
    for (const addresses of coordinators()) {
      try {
        now.outcomes.push(await atOneOf(addresses, (one) => payoutAt(all, one, { wallet: null, wait: true })));
      } catch (error) {
        now.outcomes.push({ coordinator: addresses[0]?.url ?? "", failed: wordsOf(error, log) });
      }
    }
  }

  return {
    wallet: () => keptWallet(dir),
    look: () => Promise.all(coordinators().map(look)),
    check: (text, offCurve) => walletAddress(text, { offCurve }),
    async set(address) {
      const failed: string[] = [];
      let count = 0;
      for (const addresses of coordinators()) {
        try {
          count += await atOneOf(addresses, (one) => setAt({ ...deps, dir }, one, address as Address));
        } catch (error) {
          failed.push(wordsOf(error, log));
        }
      }
      if (count > 0) log.info("the address of payouts was set from the dashboard", { address });
      return setResult(count, failed);
    },
    begin() {
      if (run !== null && run.endedMs === null) return false;
      const now: PayoutRun = { startedMs: clock.nowMs(), endedMs: null, steps: [], outcomes: [] };
      run = now;
      void pay(now).finally(() => {
        now.endedMs = clock.nowMs();
      });
      return true;
    },
    run: () => run,
  };
}

/** How many places it was set at. */
async function setAt(
  deps: Parameters<typeof setWallet>[0],
  coordinator: NodeCoordinator,
  address: Address,
): Promise<number> {
  const told = await earningsAt(deps, coordinator, 1);
  if (!told.on_chain) return 0;
  await setWallet(deps, coordinator, told, address);
  return 1;
}

function setResult(count: number, failed: readonly string[]): Result<void, string> {
  if (failed.length > 0) return err(`${count > 0 ? "Not set everywhere: " : ""}${failed.join("; ")}`);
  return count > 0 ? ok(undefined) : err("no coordinator of this node pays on a chain");
}

/** Of the replicas of one coordinator, the first that answers. */
async function atOneOf<T>(
  addresses: readonly NodeCoordinator[],
  act: (one: NodeCoordinator) => Promise<T>,
): Promise<T> {
  let away: unknown;
  for (const one of addresses) {
    try {
      return await act(one);
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== "away") throw error;
      away = error;
    }
  }
  throw away;
}

function wordsOf(error: unknown, log: Log): string {
  if (error instanceof NodeError || error instanceof StartError)
    return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  log.error("being paid failed", { err: error });
  return "it failed on this machine; the log says why";
}
