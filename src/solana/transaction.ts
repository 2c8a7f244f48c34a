// Transaction: from instructions to signed bytes, and back from bytes that anybody may have made.

import {
  AccountRole,
  appendTransactionMessageInstructions,
  type CompilableTransactionMessage,
  type CompiledTransactionMessage,
  compileTransaction,
  compressTransactionMessageUsingAddressLookupTables,
  createTransactionMessage,
  getBase58Decoder,
  getBase64Decoder,
  getBase64Encoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  getTransactionEncoder,
  type IInstruction,
  partiallySignTransaction,
  pipe,
  type Signature,
  type SignatureBytes,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  type Transaction,
  verifySignature,
} from "@solana/web3.js";
import { getSetComputeUnitLimitInstruction, getSetComputeUnitPriceInstruction } from "@solana-program/compute-budget";
import { err, ok, type Result } from "../lib/result.ts";
import { addressBytes } from "./address.ts";
import type {
  Address,
  Budget,
  Compose,
  Composed,
  DecodedTransaction,
  Instruction,
  Signer,
  TooLarge,
  Wire,
} from "./chain.ts";

/** Bytes of one packet, which a transaction must fit into. */
export const MAX_WIRE_BYTES = 1232;

/** Compiles and signs a version 0 transaction. */
export async function compose(what: Compose): Promise<Result<Composed, TooLarge>> {
  const { feePayer, instructions, signers, lifetime, budget, lookupTables = [] } = what;
  const all = [...(budget === undefined ? [] : budgetInstructions(budget)), ...instructions.map(toWeb3)];
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (empty) => setTransactionMessageFeePayer(feePayer, empty),
    (payed) => setTransactionMessageLifetimeUsingBlockhash(lifetime, payed),
    (limited) => appendTransactionMessageInstructions(all, limited),
    (full) => compressTransactionMessageUsingAddressLookupTables(full, addressesByTable(lookupTables)),
  );
  const compiled = compileTransaction(message as CompilableTransactionMessage);
  const signed = await partiallySignTransaction(keyPairs(signers), compiled);
  const composed = composedOf(signed, lifetime.lastValidBlockHeight);
  return composed.bytes > MAX_WIRE_BYTES ? err({ code: "too_large", bytes: composed.bytes }) : ok(composed);
}

/** Instructions that `compose` puts first where there is a budget. */
export const BUDGET_INSTRUCTIONS = 2;

const budgetInstructions = ({ units, microLamports }: Budget): IInstruction[] => [
  getSetComputeUnitLimitInstruction({ units }),
  getSetComputeUnitPriceInstruction({ microLamports }),
];

const keyPairs = (signers: readonly Signer[]) => signers.map(({ keyPair }) => keyPair);

const addressesByTable = (tables: Compose["lookupTables"] = []): Record<Address, Address[]> =>
  Object.fromEntries(tables.map(({ address, addresses }) => [address, [...addresses]]));

const ROLES = {
  signer: { writable: AccountRole.WRITABLE_SIGNER, readonly: AccountRole.READONLY_SIGNER },
  other: { writable: AccountRole.WRITABLE, readonly: AccountRole.READONLY },
} as const;

const toWeb3 = ({ program, accounts, data }: Instruction): IInstruction => ({
  programAddress: program,
  accounts: accounts.map(({ address, signer, writable }) => ({
    address,
    role: ROLES[signer ? "signer" : "other"][writable ? "writable" : "readonly"],
  })),
  data,
});

/** Adds the signer's signature. Throws where the transaction does not ask for it. */
export async function cosign(wire: Wire, signer: Signer): Promise<Composed> {
  const transaction = getTransactionDecoder().decode(wireBytes(wire));
  if (!Object.hasOwn(transaction.signatures, signer.address))
    throw new Error(`the transaction does not ask for a signature of ${signer.address}`);
  // How long a stranger's transaction lives is not in its bytes: whoever cosigns asks the chain.
  return composedOf(await partiallySignTransaction([signer.keyPair], transaction), 0n);
}

function composedOf(transaction: Transaction, lastValidBlockHeight: bigint): Composed {
  const bytes = getTransactionEncoder().encode(transaction);
  return {
    wire: getBase64Decoder().decode(bytes) as Wire,
    signature: payerSignature(transaction),
    complete: !Object.values(transaction.signatures).includes(null),
    lastValidBlockHeight,
    bytes: bytes.length,
  };
}

function payerSignature({ signatures }: Transaction): Signature | null {
  const bytes = Object.values(signatures)[0];
  return bytes == null ? null : (getBase58Decoder().decode(bytes) as Signature);
}

export const wireBytes = (wire: string): Uint8Array => new Uint8Array(getBase64Encoder().encode(wire));

/** Null where the bytes are no transaction, are too many, or read in more than one way. */
export async function decode(wire: string): Promise<DecodedTransaction | null> {
  if (wire.length > Math.ceil(MAX_WIRE_BYTES / 3) * 4) return null;
  try {
    const bytes = wireBytes(wire);
    const transaction = getTransactionDecoder().decode(bytes);
    const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
    if (getBase64Decoder().decode(getTransactionEncoder().encode(transaction)) !== wire) return null;
    return await decoded(wire as Wire, transaction, message);
  } catch {
    // Whatever a decoder stumbles over, it is not a transaction.
    return null;
  }
}

async function decoded(wire: Wire, transaction: Transaction, message: CompiledTransactionMessage) {
  const [feePayer] = message.staticAccounts;
  if (feePayer === undefined || (message.version !== "legacy" && message.version !== 0)) return null;
  const signers = new Map<Address, "signed" | "missing" | "invalid">();
  for (const [address, signature] of Object.entries(transaction.signatures))
    signers.set(address as Address, await signatureState(address as Address, signature, transaction));
  const lookups = message.version === "legacy" ? [] : (message.addressTableLookups ?? []);
  return {
    ...{ wire, version: message.version, feePayer, signers, signature: payerSignature(transaction) },
    blockhash: message.lifetimeToken,
    lookupTables: lookups.map(({ lookupTableAddress }) => lookupTableAddress),
    instructions: lookups.length > 0 ? null : readInstructions(message, { writable: [], readonly: [] }),
  } satisfies DecodedTransaction;
}

async function signatureState(address: Address, signature: SignatureBytes | null, { messageBytes }: Transaction) {
  if (signature === null) return "missing";
  const key = await crypto.subtle.importKey("raw", new Uint8Array(addressBytes(address)), "Ed25519", true, ["verify"]);
  return (await verifySignature(key, signature, messageBytes)) ? "signed" : "invalid";
}

/** The instructions with their accounts by address. Throws where an index leads nowhere. */
export function readInstructions(
  message: CompiledTransactionMessage,
  loaded: { writable: readonly Address[]; readonly: readonly Address[] },
): Instruction[] {
  const { header, staticAccounts, instructions } = message;
  const addresses = [...staticAccounts, ...loaded.writable, ...loaded.readonly];
  const isSigner = (index: number) => index < header.numSignerAccounts;
  const isWritable = (index: number) => {
    if (isSigner(index)) return index < header.numSignerAccounts - header.numReadonlySignerAccounts;
    if (index < staticAccounts.length) return index < staticAccounts.length - header.numReadonlyNonSignerAccounts;
    return index < staticAccounts.length + loaded.writable.length;
  };
  const at = (index: number): Address => {
    const address = addresses[index];
    if (address === undefined) throw new RangeError(`account ${index} of ${addresses.length}`);
    return address;
  };
  return instructions.map(({ programAddressIndex, accountIndices = [], data = new Uint8Array() }) => ({
    program: at(programAddressIndex),
    accounts: accountIndices.map((index) => ({
      address: at(index),
      signer: isSigner(index),
      writable: isWritable(index),
    })),
    data: new Uint8Array(data),
  }));
}
