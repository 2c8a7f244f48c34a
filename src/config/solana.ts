// Solana: the keys of `[solana]`, `[stake]` and `[oracle]`: which chain, whose money, and how much of it at risk.
import { z } from "zod";
import { addressSchema } from "../solana/address.ts";
import { httpUrl, int, key, seconds } from "./fields.ts";

const address = () => addressSchema.meta({ allowed: "a Solana address (32 bytes in base58)" }).nullable().default(null);
/** µ$. A billion dollars is the most. */
const amount = () => int(0, 1_000_000_000_000_000);

export const solana = z.strictObject({
  rpc_urls: key(
    z.array(httpUrl()).max(16).default([]),
    "RPC servers of one cluster, the best first. Several of different operators: when one fails or lags, the next is asked.",
    { secret: true, example: '["https://api.mainnet-beta.solana.com"]' },
  ),
  mint: key(
    address(),
    "The token that is paid with: 6 decimals and worth a dollar, such as USDC. Another is refused.",
    {
      example: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    },
  ),
  rpc_timeout_s: key(seconds(120).default(10), "Seconds that one RPC server may take for one answer."),
  poll_s: key(
    seconds(3600).default(15),
    "Seconds between two looks at allowances, open deposits and stakes. Each look asks the RPC servers.",
  ),
  priority_fee_percentile: key(
    int(0, 100).default(50),
    "What is bid for a place in a block: this percentile of what the last blocks paid.",
  ),
  priority_fee_max: key(
    int(0, 1_000_000_000).default(100_000),
    "Lamports that are bid for one transaction at most, whatever others pay.",
  ),
  max_unsettled: key(
    amount().default(20_000_000),
    "µ$ that an account with an allowance may have used or reserved before it is paid on the chain: what is lost if it revokes.",
  ),
  treasury: key(
    address(),
    "Wallet that takes deposits and prepaid chats, and holds them for clients (custodial). Left out: neither is offered.",
    { example: "<address>" },
  ),
  deposit_expires_h: key(
    int(1, 8760).default(24),
    "Hours that a request for a deposit is looked at often. Payments that come later are credited too.",
  ),
  x402: key(
    z.enum(["off", "confirmed", "finalized"]).default("off"),
    "Prepaid chats without an account (x402): answered once the payment is this sure. confirmed takes a second; finalized some fifteen, and no fork takes it back.",
  ),
  x402_minimum: key(
    amount().default(5_000),
    "µ$ that a prepaid chat costs at least; the coordinator pays the fee of each payment, about 10,000 lamports.",
  ),
  x402_repeat_min: key(
    int(1, 10_080).default(60),
    "Minutes in which a payment that was not answered may be sent again with the same request.",
  ),
});

export const stake = z.strictObject({
  minimum: key(
    amount().default(0),
    "µ$ that a node must have at stake to be given work; the coordinator's own node needs none. 0: no stake is needed.",
  ),
  arbiter: key(
    address(),
    "The third signer of enforceable stakes, beside node and coordinator: two of them release or slash.",
    { example: "<address>" },
  ),
});

export const oracle = z.strictObject({
  epoch_hours: key(
    int(1, 8760).nullable().default(null),
    "Publishes scores and earnings of all nodes on the chain, one root each so many hours. Left out: nothing is published.",
    { example: "24" },
  ),
});
