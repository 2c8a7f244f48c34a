// x402 check: whether a stranger's transaction pays what it must and does nothing else, before this coordinator signs it
// and pays its fee. The layout is that of the specification's static path (scheme `exact` on Solana, §3.1).
import { err, ok, type Result } from "../lib/result.ts";
import type { Address, DecodedTransaction, Instruction, Instructions, ReadInstruction } from "../solana/chain.ts";

/** As the reference implementation names them where it does. */
export const X402_REFUSALS = [
  "invalid_payload",
  "unsupported_scheme",
  "invalid_network",
  "invalid_exact_svm_payload_transaction_instructions_length",
  "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction",
  "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction",
  "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high",
  "invalid_exact_svm_payload_no_transfer_instruction",
  "invalid_exact_svm_payload_unknown_instruction",
  "invalid_exact_svm_payload_mint_mismatch",
  "invalid_exact_svm_payload_recipient_mismatch",
  "invalid_exact_svm_payload_amount_insufficient",
  "invalid_exact_svm_payload_lookup_tables",
  "invalid_exact_svm_payload_signers",
  "fee_payer_not_managed_by_facilitator",
  "invalid_exact_svm_payload_transaction_fee_payer_included_in_instruction_accounts",
] as const;
export type CheckRefusal = (typeof X402_REFUSALS)[number];

export type Terms = {
  feePayer: Address;
  mint: Address;
  /** The token account to be paid. */
  destination: Address;
  /** Base units, at least. */
  amount: bigint;
};
export type CheckedPayment = { payer: Address; amount: bigint };

/** Limit, price, transfer, and up to four more. */
const MIN_INSTRUCTIONS = 3;
const MAX_INSTRUCTIONS = 7;
/** What a transfer with a memo and a wallet's own assertions takes is far below. */
const MAX_UNITS = 200_000;
/** With the most units, 10,000 lamports: what two signatures cost, too. */
const MAX_MICRO_LAMPORTS = 50_000n;
const MINT_DECIMALS = 6;
/** Assertions that wallets add to protect their owners; they move nothing. */
const LIGHTHOUSE = "L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95";

/** Who pays how much, where it is all as it must be. */
export function checkPayment(
  transaction: DecodedTransaction,
  terms: Terms,
  read: Instructions["read"],
): Result<CheckedPayment, CheckRefusal> {
  const { feePayer, instructions, lookupTables } = transaction;
  if (feePayer !== terms.feePayer) return err("fee_payer_not_managed_by_facilitator");
  if (instructions === null || lookupTables.length > 0) return err("invalid_exact_svm_payload_lookup_tables");
  if (instructions.length < MIN_INSTRUCTIONS || instructions.length > MAX_INSTRUCTIONS)
    return err("invalid_exact_svm_payload_transaction_instructions_length");
  if (instructions.some((each) => names(each, feePayer)))
    return err("invalid_exact_svm_payload_transaction_fee_payer_included_in_instruction_accounts");
  const [limit, price, transfer, ...others] = instructions.map(read);
  const budget = checkBudget(limit, price);
  if (!budget.ok) return budget;
  const paid = checkTransfer(transfer, terms);
  if (!paid.ok) return paid;
  const isHarmless = (each: ReadInstruction, at: number) =>
    each.kind === "memo" || instructions[MIN_INSTRUCTIONS + at]?.program === LIGHTHOUSE;
  if (!others.every(isHarmless)) return err("invalid_exact_svm_payload_unknown_instruction");
  if (!isSignedBy(transaction, paid.value.payer)) return err("invalid_exact_svm_payload_signers");
  return paid;
}

const names = ({ program, accounts }: Instruction, address: Address): boolean =>
  program === address || accounts.some((account) => account.address === address);

function checkBudget(
  limit: ReadInstruction | undefined,
  price: ReadInstruction | undefined,
): Result<void, CheckRefusal> {
  if (limit?.kind !== "unit_limit" || limit.units > MAX_UNITS)
    return err("invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction");
  if (price?.kind !== "unit_price")
    return err("invalid_exact_svm_payload_transaction_instructions_compute_price_instruction");
  if (price.microLamports > MAX_MICRO_LAMPORTS)
    return err("invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high");
  return ok(undefined);
}

function checkTransfer(transfer: ReadInstruction | undefined, terms: Terms): Result<CheckedPayment, CheckRefusal> {
  // What rides along might be a deposit's reference, or the signers of a multisig: neither has a place here.
  if (transfer?.kind !== "transfer" || transfer.more.length > 0)
    return err("invalid_exact_svm_payload_no_transfer_instruction");
  if (transfer.mint !== terms.mint || transfer.decimals !== MINT_DECIMALS)
    return err("invalid_exact_svm_payload_mint_mismatch");
  if (transfer.destination !== terms.destination || transfer.source === terms.destination)
    return err("invalid_exact_svm_payload_recipient_mismatch");
  if (transfer.amount < terms.amount) return err("invalid_exact_svm_payload_amount_insufficient");
  return ok({ payer: transfer.authority, amount: transfer.amount });
}

/** By the payer, and but for the fee payer by nobody else. */
function isSignedBy({ signers, feePayer }: DecodedTransaction, payer: Address): boolean {
  return signers.size === 2 && signers.get(payer) === "signed" && signers.get(feePayer) === "missing";
}
