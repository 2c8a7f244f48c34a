// Verify payment: looks at a payout's transaction on the chain, over an RPC server of one's own choice.

import { systemClock } from "../lib/clock.ts";
import { fromHex } from "../lib/hex.ts";
import { payoutMemo } from "../protocol/merkle.ts";
import type { PayoutJson } from "../protocol/payouts.ts";
import { type Address, ChainUnreachable, type LandedTransaction, type Signature } from "../solana/chain.ts";
import { CliError, EXIT } from "./cli-error.ts";

const TIMEOUT_MS = 20_000;
/** How long a server may be behind the one that the coordinator asks. */
const LOOKS = 30;
const LOOK_EVERY_MS = 1_000;

const away = (fault: unknown): never => {
  if (!(fault instanceof ChainUnreachable)) throw fault;
  throw new CliError(`the chain cannot be asked: ${fault.message}`, { exitCode: EXIT.unreachable });
};

/** Throws a CliError where the chain does not have it as final, or where it paid another, other money or other receipts. */
export async function verifyPayment(
  { rpcUrl, genesis, mint }: { rpcUrl: string; genesis: string; mint: string },
  { id, signature, root, wallet, node_amount }: PayoutJson,
  sleep: (ms: number) => Promise<unknown> = (ms) => Bun.sleep(ms),
): Promise<void> {
  const { connectChain } = await import("../solana/connect.ts");
  // As nobody who was here before: a server that does not answer now is refused, too.
  const cluster = { genesisHash: async () => null, remember: async () => genesis };
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
  let landed: LandedTransaction | null = null;
  for (let look = 1; signature !== null; look += 1) {
    landed = await chain.transaction(signature as Signature).catch(away);
    if (landed !== null || look === LOOKS) break;
    await sleep(LOOK_EVERY_MS);
  }
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
