// Payouts: the way of earnings onto the chain, as the configuration wants it.
import type { LivePayouts } from "../admin/payouts.ts";
import type { Config } from "../config.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { MAX_RECEIPTS } from "../protocol/payouts.ts";
import type { Payouts } from "../settlement/desk.ts";
import type { RunnerRules } from "../settlement/runner.ts";
import { addressOf } from "../solana/address.ts";
import { PAYOUT_COIN } from "./billing.ts";
import type { OpenedChain } from "./open-chain.ts";
import { randomBytes } from "./open-instance.ts";

export type RunningPayouts = Payouts & LivePayouts & { stop(): Promise<void> };

const HOUR_MS = 3_600_000;

/** Null where nothing is settled on a chain. */
export async function startPayouts(
  { solana, payouts: wanted }: Pick<Config, "solana" | "payouts">,
  opened: OpenedChain | null,
  { db, clock, log, markerKey }: { db: Db; clock: Clock; log: Log; markerKey: Uint8Array },
): Promise<RunningPayouts | null> {
  if (opened === null) return null;
  const { chain, settlement } = opened;
  // Only here, so that nobody else pays for loading it.
  const [{ runPayouts }, { solanaPayouts }, { addressTables }, { reclaimRent }] = await Promise.all([
    import("../settlement/runner.ts"),
    import("../settlement/solana-payouts.ts"),
    import("../settlement/address-tables.ts"),
    import("../settlement/reclaim.ts"),
  ]);
  // Settings change while this runs.
  const rules: RunnerRules = {
    get minimum() {
      return BigInt(wanted.minimum);
    },
    get maxTransfers() {
      return wanted.max_transfers;
    },
    maxReceipts: MAX_RECEIPTS,
    treasury: solana.treasury !== null,
    coin: PAYOUT_COIN,
    get automatic() {
      return wanted.interval_h !== null;
    },
    get intervalMs() {
      return (wanted.interval_h ?? 0) * HOUR_MS;
    },
    get reclaimAfterMs() {
      return wanted.reclaim_after_h * HOUR_MS;
    },
  };
  const addressText = (bytes: Uint8Array): string => addressOf(bytes);
  const deps = {
    ...{ db, clock, log, random: randomBytes, markerKey, addressText },
    chain: solanaPayouts({
      chain,
      settlement,
      feeOwner: wanted.fee_wallet ?? settlement.address,
      treasury: solana.treasury === null ? null : await chain.tokenAccountOf(solana.treasury),
      tables: addressTables({ db, clock, chain, settlement }),
    }),
  };
  const runner = runPayouts(deps, rules);
  return {
    ...{ coin: PAYOUT_COIN, rules, addressText, genesisHash: chain.genesisHash, mint: chain.mint },
    nudge: runner.nudge,
    reclaim: (afterMs) => reclaimRent(deps, afterMs),
    stop: runner.stop,
  };
}
