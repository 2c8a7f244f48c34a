// RPC, control: what a test moves the chain with from another process. Slots go forward, blocks vanish, lamports appear.
import { z } from "zod";
import type { LocalChain, Snapshot } from "./chain.ts";
import { addressOf } from "./rpc-accounts.ts";
import type { Methods } from "./rpc-shapes.ts";

const snapshotSchema = z.object({ slot: z.coerce.bigint(), height: z.coerce.bigint(), position: z.coerce.number() });

export function controlMethods(chain: LocalChain): Methods {
  const slot = () => chain.bank("processed").slot;
  return {
    /** `[blocks?]` → the new slot. */
    local_advance(params) {
      chain.advance(z.coerce.number().int().min(1).max(100_000).default(1).parse(params[0]));
      return slot();
    },
    /** `["instant" | "mempool"]` → the mode before. */
    local_mode(params) {
      const before = chain.mode;
      chain.mode = z.enum(["instant", "mempool"]).parse(params[0]);
      return before;
    },
    /** `[address, lamports]` → a signature. The name that clients know stands beside it. */
    local_airdrop: (params) => chain.airdrop(addressOf(params[0]), z.coerce.bigint().parse(params[1])),
    requestAirdrop: (params) => chain.airdrop(addressOf(params[0]), z.coerce.bigint().parse(params[1])),
    /** → what local_restore takes. */
    local_snapshot: (): Snapshot => chain.snapshot(),
    /** `[snapshot]` → the slot, which does not go back. */
    local_restore(params) {
      chain.restore(snapshotSchema.parse(params[0]));
      return slot();
    },
    /** `[[microLamports, …]]`: what getRecentPrioritizationFees tells. */
    local_priority_fees(params) {
      chain.recentPriorityFees = z.array(z.coerce.bigint()).parse(params[0]);
      return null;
    },
  };
}
