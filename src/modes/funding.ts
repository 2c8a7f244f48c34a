// Funding: allowances, deposits, prepaid chats, stakes and the oracle, as the configuration wants them.
import type { Config } from "../config.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Node, Registry } from "../registry/registry.ts";
import type { Funding } from "../settlement/funding.ts";
import type { OpenedChain } from "./open-chain.ts";
import { randomBytes } from "./open-instance.ts";

export type FundingInput = {
  db: Db;
  clock: Clock;
  log: Log;
  registry: Pick<Registry, "nodes" | "withholdBy">;
  /** Needs no stake. */
  ownNode: Pubkey | null;
  markerKey: Uint8Array;
  /** Told of a node that may have room. */
  hasRoom(node: Node): void;
};

const HOUR_MS = 3_600_000;

/** Null where nothing is settled on a chain. */
export async function buildFunding(
  { solana, stake, oracle }: Pick<Config, "solana" | "stake" | "oracle">,
  opened: OpenedChain | null,
  { db, clock, log, registry, ownNode, markerKey, hasRoom }: FundingInput,
): Promise<Funding | null> {
  if (opened === null) return null;
  // Only here, so that nobody else pays for loading it.
  const { runFunding } = await import("../settlement/funding.ts");
  const needsStake = stake.minimum > 0;
  // Until it was read what they have, nobody works.
  if (needsStake) registry.withholdBy((pubkey) => (pubkey === ownNode ? null : "its stake has not been looked at yet"));
  return runFunding(
    {
      ...{ db, clock, log, chain: opened.chain, settlement: opened.settlement, random: randomBytes, markerKey },
      staked: ({ reasonOf }) => {
        if (!needsStake) return;
        registry.withholdBy(reasonOf);
        for (const node of registry.nodes.values()) if (node.accepting) hasRoom(node);
      },
    },
    {
      pollMs: solana.poll_s * 1000,
      maxUnsettled: BigInt(solana.max_unsettled),
      treasury: solana.treasury,
      depositTtlMs: solana.deposit_expires_h * HOUR_MS,
      x402:
        solana.x402 === "off"
          ? null
          : {
              commitment: solana.x402,
              minimum: BigInt(solana.x402_minimum),
              repeatMs: solana.x402_repeat_min * 60_000,
            },
      stake: { minimum: BigInt(stake.minimum), arbiter: stake.arbiter, exempt: ownNode },
      epochMs: oracle.epoch_hours === null ? null : oracle.epoch_hours * HOUR_MS,
    },
  );
}
