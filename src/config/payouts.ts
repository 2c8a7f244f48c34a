// Payouts: the keys of `[payouts]`: when nodes are paid on the chain, and how much at least.
import { z } from "zod";
import { addressSchema } from "../solana/address.ts";
import { int, key, LIVE } from "./fields.ts";

export const payouts = z.strictObject({
  minimum: key(
    int(0, 1_000_000_000_000_000).default(100_000),
    "µ$ that a payout pays a node at least; what is owed waits until it is as much.",
    LIVE,
  ),
  interval_h: key(
    int(1, 8760).nullable().default(null),
    "Pays every node that is owed the minimum so often, unasked. Left out: nodes ask, with `infernet payout`.",
    { example: "24", ...LIVE },
  ),
  max_transfers: key(
    int(2, 32).default(16),
    "Transfers of one transaction: two for each client that pays. Above 16 it takes an address table on the chain, whose rent is yours.",
    LIVE,
  ),
  fee_wallet: key(
    addressSchema.meta({ allowed: "a Solana address (32 bytes in base58)" }).nullable().default(null),
    "Wallet that gets the platform's share. Left out: the settlement key's own.",
    { example: "<address>" },
  ),
  reclaim_after_h: key(
    int(0, 8760).default(168),
    "Hours until the rent of a payout's marker is taken back. A backup that is older than this must not be put back in place.",
    LIVE,
  ),
});
