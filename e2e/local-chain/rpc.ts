// RPC: the methods of Solana's JSON-RPC that clients use, answered from the local chain, each with the commitment it is
// asked for (finalized unless said, as on a cluster).
import { z } from "zod";
import type { LocalChain } from "./chain.ts";
import { accountMethods } from "./rpc-accounts.ts";
import { controlMethods } from "./rpc-control.ts";
import { configOf, METHOD_NOT_FOUND, type Methods, type Params, RpcError, withContext } from "./rpc-shapes.ts";
import { transactionMethods } from "./rpc-transactions.ts";

/** What the server wants done differently with one call. */
export type CallOptions = { dropTransactions: boolean };

/** One call. Throws `RpcError`. */
export function call(chain: LocalChain, method: string, params: Params, options: CallOptions): unknown {
  const methods: Methods = {
    ...clusterMethods(chain),
    ...accountMethods(chain),
    ...transactionMethods(chain, options),
    ...controlMethods(chain),
  };
  const answer = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (answer === undefined) throw new RpcError(METHOD_NOT_FOUND, "Method not found");
  return answer(params);
}

function clusterMethods(chain: LocalChain): Methods {
  const bankOf = (params: Params) => configOf(chain, params[0]).bank;
  return {
    getHealth: () => "ok",
    getVersion: () => ({ "solana-core": "local-chain", "feature-set": 0 }),
    getGenesisHash: () => chain.genesisHash,
    getSlot: (params) => bankOf(params).slot,
    getBlockHeight: (params) => bankOf(params).height,
    getEpochInfo(params) {
      const { slot, height } = bankOf(params);
      const epoch = { epoch: 0n, slotIndex: slot, slotsInEpoch: 432_000n, transactionCount: null };
      return { absoluteSlot: slot, blockHeight: height, ...epoch };
    },
    getLatestBlockhash(params) {
      const bank = bankOf(params);
      const { blockhash, lastValidBlockHeight } = chain.blockhashes.at(bank.height);
      return withContext(bank, { blockhash, lastValidBlockHeight });
    },
    isBlockhashValid(params) {
      const { bank } = configOf(chain, params[1]);
      return withContext(bank, chain.blockhashes.isValid(z.string().parse(params[0]), bank.height));
    },
    getMinimumBalanceForRentExemption: (params) => chain.vm.rentExempt(z.coerce.number().parse(params[0])),
    getRecentPrioritizationFees() {
      const { slot } = chain.bank("processed");
      return chain.recentPriorityFees.map((prioritizationFee, back) => ({
        slot: slot - BigInt(back),
        prioritizationFee,
      }));
    },
  };
}
