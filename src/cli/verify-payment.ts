// Verify payment: looks at a payout's transaction on the chain, over an RPC server of one's own choice.

import { systemClock } from "../lib/clock.ts";
import { fromHex } from "../lib/hex.ts";
import { payoutMemo } from "../protocol/merkle.ts";
import type { PayoutJson } from "../protocol/payouts.ts";
import type { Address, Signature } from "../solana/chain.ts";
import { CliError, EXIT } from "./cli-error.ts";

const TIMEOUT_MS = 20_000;

/** Throws a CliError where the chain does not have it as final, or where it paid another, other money or other receipts. */
export async function verifyPayment(
  { rpcUrl, genesis, mint }: { rpcUrl: string; genesis: string; mint: string },
  { id, signature, root, wallet, node_amount }: PayoutJson,
): Promise<void> {
  const { connectChain } = await import("../solana/connect.ts");
  const cluster = { genesisHash: async () => genesis, remember: async () => genesis };
  const priorityFee = { percentile: 0, maxLamports: 0n };
  const connected = await connectChain(
    { clock: systemClock, cluster },
    { rpcUrls: [rpcUrl], mint: mint as Address, priorityFee, timeoutMs: TIMEOUT_MS },
  );
  if (!connected.ok) {
    const { message, hint } = connected.error;
    throw new CliError(message, { hint, exitCode: EXIT.unreachable });
  }
  const chain = connected.value;
  const landed = signature === null ? null : await chain.transaction(signature as Signature);
  const wrong = (what: string): CliError =>
    new CliError(`payout ${id} is said to be paid by ${signature ?? "nothing"}, and ${what}`, {
      hint: "keep this message and ask the coordinator's admin",
    });
  if (landed === null) throw wrong("the chain has no such final transaction");
  if (landed.failure !== null) throw wrong("that transaction failed");
  if (!landed.memos.includes(payoutMemo(id, fromHex(root)))) throw wrong("that transaction is for other receipts");
  const account = await chain.tokenAccountOf(wallet as Address);
  const paid = landed.changes.find((change) => change.account === account)?.amount ?? 0n;
  if (paid !== BigInt(node_amount)) throw wrong(`that transaction brought ${account} ${paid} of ${node_amount} units`);
}
