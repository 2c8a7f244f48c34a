// Parsed transaction: what the chain must know of a wire transaction before and after running it.
import {
  type Address,
  type CompiledTransactionMessage,
  getAddressDecoder,
  getBase58Decoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  type ReadonlyUint8Array,
  type Transaction,
} from "@solana/web3.js";
import { type Account, SYSTEM_PROGRAM } from "./vm.ts";

const MEMO_PROGRAM = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
/** Address lookup tables hold a header of 56 bytes, then addresses of 32. */
const LOOKUP_TABLE_HEADER = 56;
/** System instruction 4: AdvanceNonceAccount. */
const ADVANCE_NONCE = 4;

export type ParsedTransaction = {
  transaction: Transaction;
  message: CompiledTransactionMessage;
  wire: Uint8Array;
  signature: string;
  /** Static accounts, then those of lookup tables: writable, then read-only. Instructions index into it. */
  addresses: Address[];
  loaded: { writable: Address[]; readonly: Address[] };
  /** The durable nonce that it lives by, if it does. */
  nonceAccount: Address | null;
  /** As getSignaturesForAddress gives it: `[length] text; …`. */
  memo: string | null;
};

/** Throws on what is no transaction. Tables that are missing contribute no addresses: running it will fail. */
export function parseTransaction(wire: Uint8Array, account: (of: Address) => Account | null): ParsedTransaction {
  const transaction = getTransactionDecoder().decode(wire);
  const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
  const [first] = Object.values(transaction.signatures);
  if (first === undefined) throw new Error("a transaction has a signature");
  const loaded = loadedAddresses(message, account);
  const addresses = [...message.staticAccounts, ...loaded.writable, ...loaded.readonly];
  return {
    transaction,
    message,
    wire,
    signature: base58(first ?? new Uint8Array(64)),
    addresses,
    loaded,
    nonceAccount: nonceAccount(message, addresses),
    memo: memo(message, addresses),
  };
}

export const base58 = (bytes: ReadonlyUint8Array): string => getBase58Decoder().decode(bytes);

function loadedAddresses(message: CompiledTransactionMessage, account: (of: Address) => Account | null) {
  const loaded = { writable: [] as Address[], readonly: [] as Address[] };
  if (message.version === "legacy") return loaded;
  for (const lookup of message.addressTableLookups ?? []) {
    const table = account(lookup.lookupTableAddress);
    if (table === null) continue;
    const at = (index: number): Address => getAddressDecoder().decode(table.data, LOOKUP_TABLE_HEADER + 32 * index);
    const inTable = (index: number) => LOOKUP_TABLE_HEADER + 32 * (index + 1) <= table.data.length;
    loaded.writable.push(...lookup.writableIndices.filter(inTable).map(at));
    loaded.readonly.push(...lookup.readableIndices.filter(inTable).map(at));
  }
  return loaded;
}

function nonceAccount(message: CompiledTransactionMessage, addresses: readonly Address[]): Address | null {
  const [first] = message.instructions;
  const isAdvance =
    first !== undefined &&
    addresses[first.programAddressIndex] === SYSTEM_PROGRAM &&
    first.data?.[0] === ADVANCE_NONCE &&
    first.data[1] === 0;
  return (isAdvance && addresses[first.accountIndices?.[0] ?? -1]) || null;
}

function memo(message: CompiledTransactionMessage, addresses: readonly Address[]): string | null {
  const memos = message.instructions
    .filter((instruction) => addresses[instruction.programAddressIndex] === MEMO_PROGRAM)
    .map(({ data = new Uint8Array() }) => `[${data.length}] ${new TextDecoder().decode(new Uint8Array(data))}`);
  return memos.length === 0 ? null : memos.join("; ");
}
