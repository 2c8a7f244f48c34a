// Fee: what a transaction costs its payer: 5,000 lamports a signature, and units times price where it bids for them.
import { COMPUTE_BUDGET_PROGRAM_ADDRESS } from "@solana-program/compute-budget";
import type { ParsedTransaction } from "./parsed-transaction.ts";

const LAMPORTS_PER_SIGNATURE = 5_000n;
const UNITS_PER_INSTRUCTION = 200_000;
const SET_UNIT_LIMIT = 2;
const SET_UNIT_PRICE = 3;

export function feeOf({ message, addresses }: ParsedTransaction): bigint {
  let limit: number | null = null;
  let microLamports = 0n;
  let others = 0;
  for (const { programAddressIndex, data } of message.instructions) {
    if (addresses[programAddressIndex] !== COMPUTE_BUDGET_PROGRAM_ADDRESS) {
      others += 1;
      continue;
    }
    const view = new DataView(new Uint8Array(data ?? []).buffer);
    if (view.getUint8(0) === SET_UNIT_LIMIT) limit = view.getUint32(1, true);
    if (view.getUint8(0) === SET_UNIT_PRICE) microLamports = view.getBigUint64(1, true);
  }
  const units = BigInt(limit ?? others * UNITS_PER_INSTRUCTION);
  const bid = (units * microLamports + 999_999n) / 1_000_000n;
  return BigInt(message.header.numSignerAccounts) * LAMPORTS_PER_SIGNATURE + bid;
}
