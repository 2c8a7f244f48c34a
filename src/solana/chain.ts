// Chain: what the rest of the house knows of Solana. Settlement works against this type; src/solana implements it.
// Amounts are bigints: base units of the mint (1 µ$ each) or lamports. What is asked of the chain is a value, absence
// included; not being able to ask is thrown (`ChainUnreachable`): it is never evidence of anything.
import type { Address, Blockhash, Signature } from "@solana/web3.js";
import type { Result } from "../lib/result.ts";

/** base58, 32 bytes; from `parseAddress`. */
export type { Address, Signature };
/** A whole signed transaction in base64, as it goes over the wire. Sending the same one again is always safe. */
export type Wire = string & { readonly __wire: unique symbol };

/** How sure a block is. Money is decided at "finalized" only: nothing takes that back. */
export type Commitment = "processed" | "confirmed" | "finalized";

/** A key that can sign. Only src/solana looks inside. */
export type Signer = { readonly address: Address; readonly keyPair: CryptoKeyPair };

/** What a program is asked to do. Plain data: who must sign is said here, with which key only when signing. */
export type Instruction = {
  readonly program: Address;
  readonly accounts: readonly { readonly address: Address; readonly signer: boolean; readonly writable: boolean }[];
  readonly data: Uint8Array;
};

/** A token account of the SPL Token program. */
export type TokenAccount = {
  mint: Address;
  owner: Address;
  amount: bigint;
  /** Who may spend beside the owner, and how much of it. */
  delegate: Address | null;
  delegatedAmount: bigint;
  /** By the mint's authority: nothing moves in or out. */
  frozen: boolean;
};

/** An SPL multisig: `required` of `signers` act for it. */
export type Multisig = { required: number; signers: Address[] };

export type AccountState = {
  /** The program it belongs to. */
  owner: Address;
  lamports: bigint;
  data: Uint8Array;
  /** Null: it is no token account. */
  token: TokenAccount | null;
};

/** Finalized state of some accounts, never older than its own clock. Null: the account does not exist. */
export type FinalizedState = {
  /**
   * Both were finalized before the accounts were read. So a transaction whose last valid block height is below
   * `blockHeight`, and that left no trace in `accounts`, never landed and never will.
   */
  slot: bigint;
  blockHeight: bigint;
  /** The slot that the accounts are true of (the RPC's `context.slot`), at least `slot`; of several reads, the oldest. */
  stateSlot: bigint;
  accounts: ReadonlyMap<Address, AccountState | null>;
  /** Of an account that was asked for; throws for others. */
  get(address: Address): AccountState | null;
};

/** Why a transaction fails, would fail, or failed on the chain. */
export type FailureReason =
  /** The delegate may spend less than this. */
  | "allowance_exceeded"
  /** The account holds less than this. */
  | "balance_too_low"
  /** Less than this, and the account could not be looked at to tell which. */
  | "insufficient_funds"
  /** Nobody may spend beside the owner any more. */
  | "delegate_revoked"
  /** Somebody else may. */
  | "delegate_replaced"
  /** Not the owner, nor (as far as could be seen) the delegate. */
  | "owner_mismatch"
  | "account_missing"
  | "account_frozen"
  | "mint_mismatch"
  | "decimals_mismatch"
  /** An account that should be made is there: a payout's marker says so where it was paid before. */
  | "account_exists"
  /** The payer lacks lamports for the fee, or for what an account costs. */
  | "lamports_too_low"
  | "blockhash_expired"
  | "already_processed"
  | "signature_missing"
  | "out_of_compute"
  | "lookup_table_invalid"
  | "other";

export type TransactionFailure = {
  reason: FailureReason;
  /** Which one of the instructions given to `prepare`, else of all in the transaction; null: the transaction as a whole. */
  instruction: number | null;
  /** The account at fault, where that is known: a drained client's token account, say. */
  account: Address | null;
  /** The program's own code. */
  code: number | null;
  /** For logs: the chain's error as JSON. */
  detail: string;
};

export type SignatureStatus = { slot: bigint; commitment: Commitment; failure: TransactionFailure | null };

/** A lifetime: the transaction can land until the chain is higher than `lastValidBlockHeight`. */
export type Lifetime = { blockhash: Blockhash; lastValidBlockHeight: bigint };

export type LookupTable = { address: Address; addresses: readonly Address[] };
export type LookupTableState = LookupTable & {
  authority: Address | null;
  /** Addresses added in this slot can be used from the next one on. */
  lastExtendedSlot: bigint;
  /** Null: in use. Some 512 slots after it the table can be closed. */
  deactivationSlot: bigint | null;
};

/** What a transaction bids: units it may use, and micro-lamports for each. */
export type Budget = { units: number; microLamports: bigint };

export type Compose = {
  feePayer: Address;
  instructions: readonly Instruction[];
  /** Keys to sign with; missing ones leave the transaction partially signed. */
  signers: readonly Signer[];
  lifetime: Lifetime;
  budget?: Budget;
  lookupTables?: readonly LookupTable[];
};

export type Composed = {
  wire: Wire;
  /** The fee payer's; null where it has not signed. */
  signature: Signature | null;
  /** All that must sign have. */
  complete: boolean;
  lastValidBlockHeight: bigint;
  /** At most 1232. */
  bytes: number;
};
export type TooLarge = { code: "too_large"; bytes: number };

export type Prepare = Omit<Compose, "lifetime" | "budget">;
/** Ready to be persisted, then sent. `fee`: lamports that the fee payer pays at most. */
export type Prepared = Composed & { signature: Signature; budget: Budget; fee: bigint };
export type PrepareRefusal = TooLarge | { code: "would_fail"; failure: TransactionFailure };

export type Simulation = { failure: TransactionFailure | null; units: bigint; logs: string[] };

/** What the chain says to bytes that are sent. `refused`: it knows, at that moment, that they cannot land. */
export type SendRefusal = { code: "refused"; failure: TransactionFailure };

export type HistoryEntry = {
  signature: Signature;
  slot: bigint;
  blockTimeS: bigint | null;
  failed: boolean;
  /** As the RPC gives it, `[length] text`. From a stranger. */
  memo: string | null;
};
export type HistoryPage = {
  /** Newest first: what is older than this one. */
  before?: Signature;
  /** Down to this one, without it. */
  until?: Signature;
  /** At most 1000, which it also is by default. */
  limit?: number;
  /** `confirmed`: with what a fork may still take back, for showing only. Left out: `finalized`. */
  commitment?: "confirmed" | "finalized";
};

/** What a finalized transaction did to token accounts. */
export type LandedTransaction = {
  signature: Signature;
  slot: bigint;
  blockTimeS: bigint | null;
  failure: TransactionFailure | null;
  fee: bigint;
  /** All accounts it names, those of lookup tables too. */
  accounts: readonly Address[];
  memos: readonly string[];
  instructions: readonly Instruction[];
  /** Token accounts of this mint whose amount differs: base units in (above 0) or out (below). */
  changes: readonly { account: Address; owner: Address; amount: bigint }[];
  /** Accounts that held no lamports before it, and do after. */
  opened: readonly Address[];
};

/** A transaction read from its bytes, which may come from a stranger. */
export type DecodedTransaction = {
  version: "legacy" | 0;
  feePayer: Address;
  /** Who must sign, and whether they have; signatures are checked. */
  signers: ReadonlyMap<Address, "signed" | "missing" | "invalid">;
  /** Of the fee payer; null: missing. */
  signature: Signature | null;
  blockhash: string;
  /** Where tables are named, `instructions` cannot be read without them, and is null. */
  lookupTables: readonly Address[];
  instructions: readonly Instruction[] | null;
  wire: Wire;
};

/** An instruction as its program reads it; `other`: none that this house writes or accepts. */
export type ReadInstruction =
  | {
      kind: "transfer";
      source: Address;
      mint: Address;
      destination: Address;
      authority: Address;
      amount: bigint;
      decimals: number;
      /** Accounts beyond the transfer's own: a Solana Pay reference, or a multisig's signers. */
      more: readonly Address[];
    }
  | { kind: "memo"; text: string; signers: readonly Address[] }
  | { kind: "unit_limit"; units: number }
  | { kind: "unit_price"; microLamports: bigint }
  | { kind: "create_token_account"; payer: Address; account: Address; owner: Address; mint: Address }
  | { kind: "create_marker"; payer: Address; marker: Address; base: Address; seed: string; lamports: bigint }
  | { kind: "other" };

/** Builders of instructions; the signers they name must be among those of the transaction. */
export type Instructions = {
  /** TransferChecked of this mint. `references` ride along for Solana Pay; `multisigSigners` act for a multisig. */
  transfer(transfer: {
    source: Address;
    destination: Address;
    authority: Address;
    amount: bigint;
    references?: readonly Address[];
    multisigSigners?: readonly Address[];
  }): Instruction;
  approve(approval: { source: Address; owner: Address; delegate: Address; amount: bigint }): Instruction;
  revoke(revocation: { source: Address; owner: Address }): Instruction;
  /** At most 566 bytes fit beside nothing else. */
  memo(text: string, signers?: readonly Address[]): Instruction;
  /** The owner's associated token account; does nothing where it is there. */
  createTokenAccount(of: { payer: Address; owner: Address }): Promise<Instruction>;
  /** A token account beside the associated one; `account` must sign. Two instructions, `lamports` from `rentExempt`. */
  openTokenAccount(of: { payer: Address; account: Address; owner: Address; lamports: bigint }): Instruction[];
  /** Gives its rent back; it must be empty. */
  closeTokenAccount(of: { account: Address; owner: Address; destination: Address }): Instruction;
  /** An empty account at `markerAddress(base, seed)`: fails with `account_exists` where it is there. */
  createMarker(of: { payer: Address; base: Address; seed: string; lamports: bigint }): Promise<Instruction>;
  /** Takes the marker's lamports back, and thereby removes it. */
  reclaimMarker(of: { base: Address; seed: string; lamports: bigint; destination: Address }): Promise<Instruction>;
  /** `required` of `signers` act for `account`, which must sign. Two instructions. */
  createMultisig(of: {
    payer: Address;
    account: Address;
    required: number;
    signers: readonly Address[];
    lamports: bigint;
  }): Instruction[];
  /** A new table; its address follows from authority and slot. `recentSlot` must be finalized and below 512 slots old. */
  createLookupTable(of: {
    payer: Address;
    authority: Address;
    recentSlot: bigint;
  }): Promise<{ instruction: Instruction; address: Address }>;
  /** At most 20 addresses fit into one transaction. */
  extendLookupTable(of: {
    table: Address;
    payer: Address;
    authority: Address;
    addresses: readonly Address[];
  }): Instruction;
  deactivateLookupTable(of: { table: Address; authority: Address }): Instruction;
  closeLookupTable(of: { table: Address; authority: Address; destination: Address }): Instruction;
  read(instruction: Instruction): ReadInstruction;
};

/** How an RPC URL does, for `status` and `doctor`. `url` is its origin only: keys stand in the path. */
export type EndpointHealth = {
  url: string;
  state: "ok" | "unknown" | "failing" | "other_cluster";
  /** The last failure's, in words. */
  error: string | null;
  /** Not asked before then, unless all fail. */
  retryAtMs: number | null;
};

export type Chain = {
  /** Of the cluster: base58 of 32 bytes. */
  readonly genesisHash: string;
  readonly mint: Address;
  /** Always 6: another mint is refused at start. */
  readonly decimals: 6;
  readonly instructions: Instructions;

  /** The clock is read first, the state after it and never from before it; above 100 accounts in several reads. */
  finalized(addresses: readonly Address[]): Promise<FinalizedState>;
  /** Finalized; null: no such table. */
  lookupTable(address: Address): Promise<LookupTableState | null>;
  /** Finalized; null: no such multisig. */
  multisig(address: Address): Promise<Multisig | null>;
  /** Of a new transaction: confirmed, so that it lives long and other nodes know it. */
  lifetime(): Promise<Lifetime>;
  /** Lamports that an account of that size must hold. */
  rentExempt(bytes: number): Promise<bigint>;
  /** In the order asked; null: not known, which proves nothing. At most 256 signatures at once. */
  statuses(signatures: readonly Signature[]): Promise<(SignatureStatus | null)[]>;
  /** Transactions that name the address, newest first; finalized ones, unless the page says otherwise. */
  history(address: Address, page?: HistoryPage): Promise<HistoryEntry[]>;
  /** Null: not known at finalized. */
  transaction(signature: Signature): Promise<LandedTransaction | null>;

  /** The owner's associated token account for this mint, there or not. */
  tokenAccountOf(owner: Address): Promise<Address>;
  /** Where `createMarker` makes its account. `seed`: at most 32 bytes. */
  markerAddress(base: Address, seed: string): Promise<Address>;

  /** Compiles and signs; asks the chain nothing. */
  compose(what: Compose): Promise<Result<Composed, TooLarge>>;
  /** Adds a signature to a partially signed transaction. Throws where the key is not asked for. */
  cosign(wire: Wire, signer: Signer): Promise<Composed>;
  /** Null: not a transaction. */
  decode(wire: string): Promise<DecodedTransaction | null>;
  /** Simulates, bids, signs: all keys must be at hand. Nothing is sent. */
  prepare(what: Prepare): Promise<Result<Prepared, PrepareRefusal>>;
  /** Runs it against the newest confirmed state, which it does not change. Signatures are checked where all are there. */
  simulate(wire: Wire): Promise<Simulation>;
  /**
   * Hands the bytes to the cluster. Ok says that an RPC server took them, nothing more; `check` has it simulate first.
   * Throws `ChainUnreachable` where nobody is known to have them: they may land all the same.
   */
  send(wire: Wire, options?: { check: boolean }): Promise<Result<Signature, SendRefusal>>;

  endpoints(): EndpointHealth[];
};

/** No RPC URL gave an answer. Nothing is known of what was asked. */
export class ChainUnreachable extends Error {
  override readonly name = "ChainUnreachable";
}
