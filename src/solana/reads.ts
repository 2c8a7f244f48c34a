// Reads: what the chain knows, asked of it with the commitment said in every call. A read that fails throws.
import {
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  type Rpc,
  type SolanaRpcApi,
  type Address as Web3Address,
} from "@solana/web3.js";
import { accountState, lookupTableOf, multisigOf, type RawAccount } from "./accounts.ts";
import type {
  AccountState,
  Address,
  Chain,
  Commitment,
  FinalizedState,
  HistoryEntry,
  LandedTransaction,
  Lifetime,
  Signature,
  SignatureStatus,
} from "./chain.ts";
import { failureOf } from "./failure.ts";
import { readInstruction } from "./read-instruction.ts";
import { readInstructions, wireBytes } from "./transaction.ts";

/** Most accounts, and most signatures, of one call. */
const ACCOUNTS_PER_CALL = 100;
const SIGNATURES_PER_CALL = 256;

export type Deps = { rpc: Rpc<SolanaRpcApi>; mint: Address };

type Reads = Pick<
  Chain,
  "finalized" | "lookupTable" | "multisig" | "lifetime" | "rentExempt" | "statuses" | "history" | "transaction"
>;

export function createReads(deps: Deps): Reads {
  const { rpc } = deps;
  const one = async (address: Address) => (await finalized(deps, [address])).get(address);
  return {
    finalized: (addresses) => finalized(deps, addresses),
    lookupTable: async (address) => lookupTableOf(address, await one(address)),
    multisig: async (address) => multisigOf(await one(address)),
    async lifetime(): Promise<Lifetime> {
      return (await rpc.getLatestBlockhash({ commitment: "confirmed" }).send()).value;
    },
    rentExempt: (bytes) => rpc.getMinimumBalanceForRentExemption(BigInt(bytes), { commitment: "finalized" }).send(),
    statuses: (signatures) => statuses(deps, signatures),
    async history(address, page = {}): Promise<HistoryEntry[]> {
      const found = await rpc.getSignaturesForAddress(address, { commitment: "finalized", ...page }).send();
      return found.map(({ signature, slot, blockTime, err, memo }) => ({
        ...{ signature, slot, blockTimeS: blockTime, failed: err !== null, memo },
      }));
    },
    transaction: (signature) => landedTransaction(deps, signature, "finalized"),
  };
}

async function finalized({ rpc }: Deps, addresses: readonly Address[]): Promise<FinalizedState> {
  // The clock is read first: what the state does not show by then is judged by a clock that is not ahead of it.
  const clock = await rpc.getEpochInfo({ commitment: "finalized" }).send();
  const slot = clock.absoluteSlot;
  const { accounts, oldest } = await accountsAt({ rpc }, addresses, "finalized", slot);
  return {
    ...{ slot, blockHeight: clock.blockHeight, stateSlot: oldest ?? slot, accounts },
    get(address) {
      const account = accounts.get(address);
      if (account === undefined) throw new Error(`${address} was not asked for`);
      return account;
    },
  };
}

export type Accounts = {
  /** Null: the account does not exist. */
  accounts: Map<Address, AccountState | null>;
  /** The slot that the oldest of the reads is true of; null: nothing was asked. */
  oldest: bigint | null;
};

/** Accounts at a commitment, from no block before `minContextSlot`. */
export async function accountsAt(
  { rpc }: Pick<Deps, "rpc">,
  addresses: readonly Address[],
  commitment: Commitment,
  minContextSlot?: bigint,
): Promise<Accounts> {
  const asked = [...new Set(addresses)];
  const accounts = new Map<Address, AccountState | null>();
  let oldest: bigint | null = null;
  for (let from = 0; from < asked.length; from += ACCOUNTS_PER_CALL) {
    const part = asked.slice(from, from + ACCOUNTS_PER_CALL);
    const notBefore = minContextSlot === undefined ? {} : { minContextSlot };
    const config = { commitment, encoding: "base64", ...notBefore } as const;
    const { value, context } = await rpc.getMultipleAccounts(part, config).send();
    oldest = oldest === null || context.slot < oldest ? context.slot : oldest;
    if (value.length !== part.length) throw new Error(`asked for ${part.length} accounts, told of ${value.length}`);
    for (const [at, address] of part.entries()) {
      const raw: RawAccount | null = value[at] ?? null;
      accounts.set(address, raw === null ? null : accountState(raw));
    }
  }
  return { accounts, oldest };
}

async function statuses(deps: Deps, signatures: readonly Signature[]): Promise<(SignatureStatus | null)[]> {
  if (signatures.length > SIGNATURES_PER_CALL) throw new RangeError(`${signatures.length} signatures in one call`);
  if (signatures.length === 0) return [];
  const { value } = await deps.rpc.getSignatureStatuses([...signatures], { searchTransactionHistory: true }).send();
  if (value.length !== signatures.length) throw new Error("told of other signatures than asked for");
  return Promise.all(
    signatures.map(async (signature, at) => {
      const status = value[at] ?? null;
      if (status === null) return null;
      // A server that leaves the level out knows only that the transaction was processed.
      const commitment: Commitment = status.confirmationStatus ?? "processed";
      if (status.err === null) return { slot: status.slot, commitment, failure: null };
      // What a program's code means is known with the program only.
      const landed = commitment === "processed" ? null : await landedTransaction(deps, signature, "confirmed");
      return { slot: status.slot, commitment, failure: landed?.failure ?? failureOf(status.err) };
    }),
  );
}

async function landedTransaction(
  { rpc, mint }: Deps,
  signature: Signature,
  commitment: "confirmed" | "finalized",
): Promise<LandedTransaction | null> {
  const config = { commitment, encoding: "base64", maxSupportedTransactionVersion: 0 } as const;
  const found = await rpc.getTransaction(signature, config).send();
  if (found === null) return null;
  const { meta, transaction } = found;
  if (meta === null) throw new Error(`${signature}: the server tells nothing of what the transaction did`);
  const { messageBytes } = getTransactionDecoder().decode(wireBytes(transaction[0]));
  const message = getCompiledTransactionMessageDecoder().decode(messageBytes);
  const loaded = loadedAddresses(meta);
  const accounts = [...message.staticAccounts, ...loaded.writable, ...loaded.readonly];
  const instructions = readInstructions(message, loaded);
  const programs = instructions.map(({ program }) => program);
  return {
    ...{ signature, slot: found.slot, blockTimeS: found.blockTime, fee: meta.fee, accounts, instructions },
    failure: meta.err === null ? null : failureOf(meta.err, programs),
    memos: instructions.map(readInstruction).flatMap((read) => (read.kind === "memo" ? [read.text] : [])),
    changes: changesOf(accounts, mint, meta.preTokenBalances ?? [], meta.postTokenBalances ?? []),
    opened: accounts.filter((_, at) => isZero(meta.preBalances[at]) && !isZero(meta.postBalances[at])),
  };
}

const isZero = (lamports: bigint | undefined): boolean => BigInt(lamports ?? 0n) === 0n;

type Loaded = { writable: readonly Web3Address[]; readonly: readonly Web3Address[] };

/** Only transactions with lookup tables have some. */
const loadedAddresses = (meta: object): Loaded =>
  "loadedAddresses" in meta && meta.loadedAddresses != null
    ? (meta.loadedAddresses as Loaded)
    : { writable: [], readonly: [] };

type Balance = {
  readonly accountIndex: number;
  readonly mint: Address;
  readonly owner?: Address;
  readonly uiTokenAmount: { readonly amount: string };
};

function changesOf(
  accounts: readonly Address[],
  mint: Address,
  before: readonly Balance[],
  after: readonly Balance[],
): LandedTransaction["changes"] {
  const of = (balances: readonly Balance[], index: number) =>
    balances.find((balance) => balance.accountIndex === index && balance.mint === mint);
  return accounts.flatMap((account, index) => {
    const [was, is] = [of(before, index), of(after, index)];
    const owner = is?.owner ?? was?.owner;
    const amount = BigInt(is?.uiTokenAmount.amount ?? 0) - BigInt(was?.uiTokenAmount.amount ?? 0);
    return owner === undefined || amount === 0n ? [] : [{ account, owner, amount }];
  });
}
