// Diagnosis: which account is at fault, and in what way. The Token program says "insufficient funds" of an account that
// was drained and of an allowance that is too small alike; the accounts tell them apart.
import type { AccountState, Address, Instruction, TransactionFailure } from "./chain.ts";
import { readInstruction } from "./read-instruction.ts";

type Transfer = Extract<ReturnType<typeof readInstruction>, { kind: "transfer" }>;

/** The accounts that `diagnose` wants to see; none where there is nothing to tell apart. */
export function accountsToSee({ instruction }: TransactionFailure, instructions: readonly Instruction[]): Address[] {
  const failed = transferAt(instructions, instruction);
  return failed === null ? [] : [failed.source, failed.destination];
}

/** The failure in more words, as far as the accounts (read after it, so perhaps changed since) bear them out. */
export function diagnose(
  failure: TransactionFailure,
  instructions: readonly Instruction[],
  accounts: ReadonlyMap<Address, AccountState | null>,
): TransactionFailure {
  const failed = transferAt(instructions, failure.instruction);
  if (failed === null) return failure;
  const at = (account: Address, reason = failure.reason): TransactionFailure => ({ ...failure, account, reason });
  const source = accounts.get(failed.source)?.token ?? null;
  const destination = accounts.get(failed.destination)?.token ?? null;
  switch (failure.reason) {
    case "insufficient_funds": {
      const asked = drawn(instructions.slice(0, (failure.instruction ?? 0) + 1), failed);
      if (source !== null && source.amount < asked) return at(failed.source, "balance_too_low");
      const isDelegate = source?.delegate === failed.authority;
      if (source !== null && isDelegate && source.delegatedAmount < asked)
        return at(failed.source, "allowance_exceeded");
      return at(failed.source);
    }
    case "owner_mismatch":
      if (source === null) return at(failed.source);
      return at(failed.source, source.delegate === null ? "delegate_revoked" : "delegate_replaced");
    case "account_missing":
      return at(source === null ? failed.source : failed.destination);
    case "account_frozen":
      return at(source?.frozen === false && destination?.frozen === true ? failed.destination : failed.source);
    case "mint_mismatch":
      return at(source?.mint === failed.mint ? failed.destination : failed.source);
    default:
      return failure;
  }
}

function transferAt(instructions: readonly Instruction[], index: number | null): Transfer | null {
  const instruction = index === null ? undefined : instructions[index];
  const read = instruction === undefined ? null : readInstruction(instruction);
  return read?.kind === "transfer" ? read : null;
}

/** What the same authority takes from the same account in these instructions. */
function drawn(instructions: readonly Instruction[], { source, authority }: Transfer): bigint {
  const transfers = instructions.map(readInstruction).filter((read) => read.kind === "transfer");
  return transfers
    .filter((transfer) => transfer.source === source && transfer.authority === authority)
    .reduce((sum, { amount }) => sum + amount, 0n);
}
