// Read instruction: what an instruction says to its program, for those that this house writes or accepts. The bytes may
// come from a stranger: what does not read exactly is `other`.
import {
  COMPUTE_BUDGET_PROGRAM_ADDRESS,
  ComputeBudgetInstruction,
  getSetComputeUnitLimitInstructionDataDecoder,
  getSetComputeUnitPriceInstructionDataDecoder,
  identifyComputeBudgetInstruction,
} from "@solana-program/compute-budget";
import { MEMO_PROGRAM_ADDRESS } from "@solana-program/memo";
import { getCreateAccountWithSeedInstructionDataCodec, SYSTEM_PROGRAM_ADDRESS } from "@solana-program/system";
import {
  ASSOCIATED_TOKEN_PROGRAM_ADDRESS,
  getTransferCheckedInstructionDataCodec,
  TOKEN_PROGRAM_ADDRESS,
} from "@solana-program/token";
import type { Address, Instruction, ReadInstruction } from "./chain.ts";

/** Token instruction 12. */
const TRANSFER_CHECKED = 12;
const TRANSFER_CHECKED_BYTES = 10;
/** Associated token instructions: none or 0 creates, 1 creates where it is missing. */
const CREATE_IDEMPOTENT = 1;
/** System instruction 3. */
const CREATE_ACCOUNT_WITH_SEED = 3;
const LIMIT_BYTES = 5;
const PRICE_BYTES = 9;

const OTHER: ReadInstruction = { kind: "other" };

export function readInstruction(instruction: Instruction): ReadInstruction {
  switch (instruction.program) {
    case TOKEN_PROGRAM_ADDRESS:
      return transfer(instruction);
    case MEMO_PROGRAM_ADDRESS:
      return memo(instruction);
    case COMPUTE_BUDGET_PROGRAM_ADDRESS:
      return budget(instruction);
    case ASSOCIATED_TOKEN_PROGRAM_ADDRESS:
      return tokenAccount(instruction);
    case SYSTEM_PROGRAM_ADDRESS:
      return marker(instruction);
    default:
      return OTHER;
  }
}

/** The first accounts of an instruction; null where it has fewer. */
function first<const N extends readonly string[]>(
  { accounts }: Instruction,
  names: N,
): Record<N[number], Address> | null {
  if (accounts.length < names.length) return null;
  return Object.fromEntries(names.map((name, at) => [name, accounts[at]?.address])) as Record<N[number], Address>;
}

function transfer(instruction: Instruction): ReadInstruction {
  const { data, accounts } = instruction;
  const named = first(instruction, ["source", "mint", "destination", "authority"]);
  if (named === null || data[0] !== TRANSFER_CHECKED || data.length !== TRANSFER_CHECKED_BYTES) return OTHER;
  const { amount, decimals } = getTransferCheckedInstructionDataCodec().decode(data);
  return { kind: "transfer", ...named, amount, decimals, more: accounts.slice(4).map(({ address }) => address) };
}

function memo({ data, accounts }: Instruction): ReadInstruction {
  const text = new TextDecoder("utf-8", { fatal: false }).decode(data);
  return { kind: "memo", text, signers: accounts.filter(({ signer }) => signer).map(({ address }) => address) };
}

function budget({ data }: Instruction): ReadInstruction {
  const kind = data.length === 0 ? null : identified(data);
  if (kind === ComputeBudgetInstruction.SetComputeUnitLimit && data.length === LIMIT_BYTES)
    return { kind: "unit_limit", units: getSetComputeUnitLimitInstructionDataDecoder().decode(data).units };
  if (kind === ComputeBudgetInstruction.SetComputeUnitPrice && data.length === PRICE_BYTES)
    return {
      kind: "unit_price",
      microLamports: getSetComputeUnitPriceInstructionDataDecoder().decode(data).microLamports,
    };
  return OTHER;
}

/** The generated client throws for what it does not know. */
function identified(data: Uint8Array): ComputeBudgetInstruction | null {
  try {
    return identifyComputeBudgetInstruction(data);
  } catch {
    return null;
  }
}

function tokenAccount(instruction: Instruction): ReadInstruction {
  const named = first(instruction, ["payer", "account", "owner", "mint"]);
  const { data } = instruction;
  const creates = data.length === 0 || (data.length === 1 && (data[0] === 0 || data[0] === CREATE_IDEMPOTENT));
  return named !== null && creates ? { kind: "create_token_account", ...named } : OTHER;
}

function marker(instruction: Instruction): ReadInstruction {
  const named = first(instruction, ["payer", "marker"]);
  const { data } = instruction;
  if (named === null || data[0] !== CREATE_ACCOUNT_WITH_SEED) return OTHER;
  try {
    const read = getCreateAccountWithSeedInstructionDataCodec().decode(data);
    if (read.space !== 0n || read.programAddress !== SYSTEM_PROGRAM_ADDRESS) return OTHER;
    return { kind: "create_marker", ...named, base: read.base, seed: read.seed, lamports: read.amount };
  } catch {
    // Cut short: the System program refuses it, too.
    return OTHER;
  }
}
