// VM: litesvm (the real System, Token, ATA, Memo and lookup-table programs in this process) in web3.js' types. It keeps
// accounts and runs transactions; age, slots, commitment and history are the chain's.
import { createHash } from "node:crypto";
import {
  type Address,
  address,
  getBase58Encoder,
  type Lamports,
  lamports,
  type ReadonlyUint8Array,
  type Transaction,
} from "@solana/web3.js";
import { FailedTransactionMetadata, LiteSVM } from "litesvm";
import { type TransactionError, transactionError } from "./transaction-error.ts";

export const SYSTEM_PROGRAM = address("11111111111111111111111111111111");

export type Account = {
  owner: Address;
  lamports: bigint;
  data: Uint8Array;
  executable: boolean;
};

/** What running a transaction came to. `error` null: it succeeded. */
export type Execution = { error: TransactionError | null; logs: string[]; unitsConsumed: bigint };

/** litesvm's types come of another major of the same library: the same values, other brands. */
type VmAddress = Parameters<LiteSVM["getAccount"]>[0];
type VmLamports = Parameters<LiteSVM["airdrop"]>[1];
type VmTransaction = Parameters<LiteSVM["sendTransaction"]>[0];
const vmAddress = (of: Address): VmAddress => of as string as VmAddress;
const vmLamports = (of: Lamports): VmLamports => of as bigint as VmLamports;
const vmTransaction = (of: Transaction): VmTransaction => of as unknown as VmTransaction;

export type Vm = ReturnType<typeof createVm>;

/** A fresh ledger. Lifetimes and duplicates are the caller's to check. */
export function createVm() {
  const svm = new LiteSVM().withBlockhashCheck(false).withTransactionHistory(0n);
  const slotHash = svm.latestBlockhash();

  return {
    account(of: Address): Account | null {
      const found = svm.getAccount(vmAddress(of));
      if (!found.exists || found.lamports === 0n) return null;
      const { programAddress, data, executable } = found;
      return { owner: address(programAddress), lamports: found.lamports, data: new Uint8Array(data), executable };
    },
    /** Writes an account as it is, past all rules; null removes it. */
    setAccount(of: Address, account: Account | null): void {
      const { owner, lamports: balance, data, executable } = account ?? NOTHING;
      svm.setAccount({
        address: vmAddress(of),
        programAddress: vmAddress(owner),
        lamports: vmLamports(lamports(balance)),
        data,
        executable,
        space: BigInt(data.length),
      });
    },
    ownedBy: (program: Address): Address[] =>
      svm.getProgramAccounts(vmAddress(program)).map((account) => address(account.address)),
    run(transaction: Transaction): Execution {
      const outcome = svm.sendTransaction(vmTransaction(transaction));
      const failed = outcome instanceof FailedTransactionMetadata;
      const meta = failed ? outcome.meta() : outcome;
      const error = failed ? transactionError(outcome) : null;
      return { error, logs: meta.logs(), unitsConsumed: meta.computeUnitsConsumed() };
    },
    simulate(transaction: Transaction, { checkSignatures }: { checkSignatures: boolean }): Execution {
      svm.withSigverify(checkSignatures);
      try {
        const outcome = svm.simulateTransaction(vmTransaction(transaction));
        const error = outcome instanceof FailedTransactionMetadata ? transactionError(outcome) : null;
        return { error, logs: outcome.meta().logs(), unitsConsumed: outcome.meta().computeUnitsConsumed() };
      } finally {
        svm.withSigverify(true);
      }
    },
    /** Lamports out of nothing. */
    airdrop(to: Address, amount: bigint): void {
      const outcome = svm.airdrop(vmAddress(to), vmLamports(lamports(amount)));
      if (outcome === null || outcome instanceof FailedTransactionMetadata)
        throw new Error(`airdrop failed: ${outcome?.toString() ?? "nothing left"}`);
    },
    rentExempt: (bytes: number): bigint => svm.minimumBalanceForRentExemption(BigInt(bytes)),
    /** Moves what durable nonces are made of: once a slot. */
    tick(): void {
      svm.expireBlockhash();
    },
    /** The value a durable nonce takes when it is advanced now. */
    nextNonce(): Uint8Array {
      const blockhash = getBase58Encoder().encode(svm.latestBlockhash());
      return sha256(new TextEncoder().encode("DURABLE_NONCE"), blockhash);
    },
    /** The clock that programs see, and the recent slots (newest first) that lookup tables are checked against. */
    setClock({ slot, unixTimeS, recentSlots }: { slot: bigint; unixTimeS: bigint; recentSlots: bigint[] }): void {
      const clock = svm.getClock();
      clock.slot = slot;
      clock.unixTimestamp = unixTimeS;
      svm.setClock(clock);
      svm.setSlotHashes(recentSlots.map((recent) => ({ slot: recent, hash: slotHash })) as SlotHashes);
    },
  };
}
/** Plain objects are what the native side takes; the declaration asks for its class, which has no constructor. */
type SlotHashes = Parameters<LiteSVM["setSlotHashes"]>[0];

const NOTHING: Account = { owner: SYSTEM_PROGRAM, lamports: 0n, data: new Uint8Array(), executable: false };

export function sha256(...parts: ReadonlyUint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(new Uint8Array(part));
  return new Uint8Array(hash.digest());
}
