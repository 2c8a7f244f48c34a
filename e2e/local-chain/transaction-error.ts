// Transaction error: litesvm's failures in the shape the RPC gives them, `{"InstructionError":[1,{"Custom":1}]}`.
import type { FailedTransactionMetadata } from "litesvm";

/** As in the RPC's `err`: a bare name, or a name with what it is about. */
export type TransactionError = string | { readonly [name: string]: unknown };

/** litesvm tells the error's name only in Rust's debug form, which names it as the RPC does. */
export function transactionError(failed: FailedTransactionMetadata): TransactionError {
  const debug = /err: (.*?), meta:/s.exec(failed.toString())?.[1];
  if (debug === undefined) throw new Error(`litesvm's failure reads in no known way: ${failed.toString()}`);
  const [, instruction, name, argument] = /^InstructionError\((\d+), (\w+)(?:\((.*)\))?\)$/s.exec(debug) ?? [];
  if (name !== undefined)
    return { InstructionError: [Number(instruction), name === "Custom" ? { Custom: Number(argument) } : name] };
  const [, about, index] = /^(\w+) \{ account_index: (\d+) \}$/.exec(debug) ?? [];
  if (about !== undefined) return { [about]: { account_index: Number(index) } };
  const [, indexed, of] = /^(\w+)\((\d+)\)$/.exec(debug) ?? [];
  return indexed === undefined ? debug : { [indexed]: Number(of) };
}
