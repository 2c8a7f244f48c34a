// Open allowance: the transaction with which a wallet opens a token account for this coordinator alone, so that its main
// one keeps its money to itself and may have a delegate of its own.
import type { Address, Chain, Instruction } from "../solana/chain.ts";
import { solanaSigner } from "../solana/signer.ts";

export type OpenAllowanceDeps = {
  chain: Pick<Chain, "instructions" | "rentExempt" | "lifetime" | "compose" | "tokenAccountOf">;
  random: (bytes: number) => Uint8Array;
};
export type OpeningTransaction = {
  /** Base64; lacks the wallet's signature and nothing else. */
  transaction: string;
  tokenAccount: Address;
  lastValidBlockHeight: bigint;
};

const TOKEN_ACCOUNT_BYTES = 165;

/** Opens a new token account of the wallet, moves `deposit` into it from the main one, and approves `cap` of it. */
export async function openAllowanceTransaction(
  { chain, random }: OpenAllowanceDeps,
  { wallet, delegate, deposit, cap }: { wallet: Address; delegate: Address; deposit: bigint; cap: bigint },
): Promise<OpeningTransaction> {
  // Signs for its own making and never again: the account belongs to the wallet, and nobody keeps this key.
  const account = await solanaSigner(random(32));
  const { address } = account;
  const lamports = await chain.rentExempt(TOKEN_ACCOUNT_BYTES);
  const source = await chain.tokenAccountOf(wallet);
  const moved: Instruction[] =
    deposit > 0n
      ? [chain.instructions.transfer({ source, destination: address, authority: wallet, amount: deposit })]
      : [];
  const composed = await chain.compose({
    feePayer: wallet,
    signers: [account],
    lifetime: await chain.lifetime(),
    instructions: [
      ...chain.instructions.openTokenAccount({ payer: wallet, account: address, owner: wallet, lamports }),
      ...moved,
      chain.instructions.approve({ source: address, owner: wallet, delegate, amount: cap }),
    ],
  });
  if (!composed.ok) throw new Error(`opening an allowance takes ${composed.error.bytes} bytes`);
  const { wire, lastValidBlockHeight } = composed.value;
  return { transaction: wire, tokenAccount: address, lastValidBlockHeight };
}
