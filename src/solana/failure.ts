// Failure: the chain's errors by name. A program's code means something only together with the program.
import { SYSTEM_PROGRAM_ADDRESS } from "@solana-program/system";
import { ASSOCIATED_TOKEN_PROGRAM_ADDRESS, TOKEN_PROGRAM_ADDRESS } from "@solana-program/token";
import type { Address, FailureReason, TransactionFailure } from "./chain.ts";

/** Codes of the Token program (TokenError). */
const TOKEN_CODES: Record<number, FailureReason> = {
  0: "lamports_too_low",
  1: "insufficient_funds",
  2: "mint_mismatch",
  3: "mint_mismatch",
  4: "owner_mismatch",
  6: "account_exists",
  17: "account_frozen",
  18: "decimals_mismatch",
};
/** Codes of the System program (SystemError). */
const SYSTEM_CODES: Record<number, FailureReason> = { 0: "account_exists", 1: "lamports_too_low" };

const CODES: Record<string, Record<number, FailureReason>> = {
  [TOKEN_PROGRAM_ADDRESS]: TOKEN_CODES,
  [SYSTEM_PROGRAM_ADDRESS]: SYSTEM_CODES,
  // 1 is the System program's, which it calls to make the account.
  [ASSOCIATED_TOKEN_PROGRAM_ADDRESS]: { 0: "owner_mismatch", 1: "lamports_too_low" },
};

/** Errors that all programs share. An account that is missing belongs to the System program and holds nothing. */
const INSTRUCTION_ERRORS: Record<string, FailureReason> = {
  InsufficientFunds: "insufficient_funds",
  InvalidAccountData: "account_missing",
  UninitializedAccount: "account_missing",
  IncorrectProgramId: "account_missing",
  InvalidAccountOwner: "account_missing",
  AccountAlreadyInitialized: "account_exists",
  MissingRequiredSignature: "signature_missing",
  ComputationalBudgetExceeded: "out_of_compute",
  ProgramFailedToComplete: "out_of_compute",
};

/** Errors of the transaction as a whole. */
const TRANSACTION_ERRORS: Record<string, FailureReason> = {
  AccountNotFound: "lamports_too_low",
  InsufficientFundsForFee: "lamports_too_low",
  InsufficientFundsForRent: "lamports_too_low",
  InvalidRentPayingAccount: "lamports_too_low",
  BlockhashNotFound: "blockhash_expired",
  AlreadyProcessed: "already_processed",
  SignatureFailure: "signature_missing",
  MissingSignatureForFee: "signature_missing",
  AddressLookupTableNotFound: "lookup_table_invalid",
  InvalidAddressLookupTableOwner: "lookup_table_invalid",
  InvalidAddressLookupTableData: "lookup_table_invalid",
  InvalidAddressLookupTableIndex: "lookup_table_invalid",
};

/** The RPC's `err` by name. `programs`: those of the transaction's instructions, where they are known. */
export function failureOf(error: unknown, programs: readonly Address[] = []): TransactionFailure {
  const detail = JSON.stringify(error, (_key, value) => (typeof value === "bigint" ? Number(value) : value)) ?? "null";
  const base = { account: null, code: null, detail: detail.slice(0, 1_000) };
  const instructionError = field(error, "InstructionError");
  if (Array.isArray(instructionError)) {
    const instruction = Number(instructionError[0]);
    const custom = field(instructionError[1], "Custom");
    if (custom === undefined) {
      const reason = INSTRUCTION_ERRORS[String(instructionError[1])] ?? "other";
      return { ...base, instruction, reason };
    }
    const code = Number(custom);
    const reason = CODES[programs[instruction] ?? ""]?.[code] ?? "other";
    return { ...base, instruction, code, reason };
  }
  const name = typeof error === "string" ? error : Object.keys(error ?? {})[0];
  return { ...base, instruction: null, reason: TRANSACTION_ERRORS[name ?? ""] ?? "other" };
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
