// x402 client: what an agent without an account does with an offer: builds a payment, signs its half of it.
import {
  type Address,
  appendTransactionMessageInstructions,
  type Blockhash,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  type IInstruction,
  type KeyPairSigner,
  partiallySignTransactionMessageWithSigners,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/web3.js";
import { getSetComputeUnitLimitInstruction, getSetComputeUnitPriceInstruction } from "@solana-program/compute-budget";
import { getAddMemoInstruction } from "@solana-program/memo";
import { getTransferCheckedInstruction } from "@solana-program/token";
import type { PaymentPayload, Requirements } from "../../protocol/x402.ts";

export type Payer = {
  owner: KeyPairSigner;
  /** The token account that pays. */
  source: Address;
};
type Lifetime = { blockhash: Blockhash; lastValidBlockHeight: bigint };

let nonce = 0;

/** The instructions of an honest payment. */
export function paymentInstructions(
  { owner, source }: Payer,
  { asset, amount }: Pick<Requirements, "asset" | "amount">,
  destination: Address,
): IInstruction[] {
  return [
    getSetComputeUnitLimitInstruction({ units: 20_000 }),
    getSetComputeUnitPriceInstruction({ microLamports: 1n }),
    getTransferCheckedInstruction({
      ...{ source, destination, authority: owner, mint: asset as Address, amount: BigInt(amount), decimals: 6 },
    }),
    getAddMemoInstruction({ memo: `nonce ${nonce++}` }),
  ];
}

/** A transaction of these, signed by all who are in them; the fee payer signs later. Base64. */
export async function partlySigned(
  feePayer: Address,
  instructions: IInstruction[],
  lifetime: Lifetime,
): Promise<string> {
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (empty) => setTransactionMessageFeePayer(feePayer, empty),
    (payed) => setTransactionMessageLifetimeUsingBlockhash(lifetime, payed),
    (limited) => appendTransactionMessageInstructions(instructions, limited),
  );
  return getBase64EncodedWireTransaction(await partiallySignTransactionMessageWithSigners(message));
}

export const payloadOf = (accepted: Requirements, transaction: string): PaymentPayload => ({
  x402Version: 2,
  accepted,
  payload: { transaction },
});
