// Open chain: the chain of the configuration, checked, and the key that pays on it. Its client is loaded only here: where
// nothing is settled on a chain, a process never pays for it.
import type { Config } from "../config.ts";
import type { Db } from "../db/open.ts";
import { fromBase58 } from "../lib/base58.ts";
import type { Clock } from "../lib/clock.ts";
import { ZERO_32 } from "../protocol/receipts.ts";
import { addressBytes } from "../solana/address.ts";
import type { Chain, Signer } from "../solana/chain.ts";
import type { OnChain } from "./billing.ts";
import { startValue } from "./start-error.ts";

export type OpenedChain = {
  chain: Chain;
  /** Pays fees and rents; clients approve it as their delegate. */
  settlement: Signer;
};

/** Null where `billing.mode` is not "solana". Throws StartError where the chain is not the one that money is on. */
export async function openChain(
  { billing, solana }: Pick<Config, "billing" | "solana">,
  { db, clock, settlementSeed }: { db: Db; clock: Clock; settlementSeed: Uint8Array },
): Promise<OpenedChain | null> {
  if (billing.mode !== "solana" || solana.mint === null) return null;
  const [{ connectChain }, { clusterMemory }, { solanaSigner }] = await Promise.all([
    import("../solana/connect.ts"),
    import("../solana/cluster.ts"),
    import("../solana/signer.ts"),
  ]);
  const connected = await connectChain(
    { clock, cluster: clusterMemory({ db, clock }) },
    {
      rpcUrls: solana.rpc_urls,
      mint: solana.mint,
      priorityFee: { percentile: solana.priority_fee_percentile, maxLamports: BigInt(solana.priority_fee_max) },
      timeoutMs: solana.rpc_timeout_s * 1_000,
    },
  );
  return { chain: startValue(connected), settlement: await solanaSigner(settlementSeed) };
}

/** As receipts name it. */
export const onChainOf = ({ chain }: OpenedChain): OnChain => ({
  genesis: fromBase58(chain.genesisHash) ?? ZERO_32,
  mint: addressBytes(chain.mint),
});
