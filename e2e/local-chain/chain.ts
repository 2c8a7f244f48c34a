// Local chain: one ledger with blocks, forks and finality around litesvm, for tests. It keeps what a program that moves
// money must get right: blockhashes that expire, reads that lag, blocks that vanish, transactions that land and fail.
import type { Address } from "@solana/web3.js";
import { type Blockhashes, createBlockhashes } from "./blockhashes.ts";
import { type Commitment, commitmentOf, depthOf, FINALIZED_DEPTH } from "./commitment.ts";
import { feeOf } from "./fee.ts";
import { type Balances, createHistory, type History } from "./history.ts";
import { createJournal } from "./journal.ts";
import { base58, type ParsedTransaction, parseTransaction } from "./parsed-transaction.ts";
import { tokenBalances } from "./token-balances.ts";
import type { TransactionError } from "./transaction-error.ts";
import { type Account, createVm, type Execution, SYSTEM_PROGRAM, sha256, type Vm } from "./vm.ts";

const FIRST_SLOT = 1_000n;
/** Slots and heights differ, as on a cluster, so that nobody takes one for the other. */
const SKIPPED_SLOTS = 100n;
const FIRST_BLOCK_TIME_S = 1_760_000_000n;
/** Slots whose hashes programs see. */
const RECENT_SLOTS = 512n;
/** Enough that a nonce of one fork is never one of another. */
const NONCES_PER_FORK = 1_000;

/** A block, as seen at some commitment. */
export type Bank = { slot: bigint; height: bigint };
/** A point that the chain can fork from while it is not final. */
export type Snapshot = { slot: bigint; height: bigint; position: number };

export type LocalChain = ReturnType<typeof createLocalChain>;

/**
 * A new chain. `instant`: a transaction lands as it is sent, and a block follows. `mempool`: it waits for `advance`.
 * `genesis` names the cluster: another one has another genesis hash.
 */
export function createLocalChain({ mode = "instant" as "instant" | "mempool", genesis = "local-chain" } = {}) {
  const vm: Vm = createVm();
  const blockhashes: Blockhashes = createBlockhashes();
  const history: History = createHistory();
  const journal = createJournal();
  const chain = {
    mode,
    genesisHash: base58(sha256(new TextEncoder().encode(genesis))),
    /** What the last transactions bid for a unit, in micro-lamports, for getRecentPrioritizationFees. */
    recentPriorityFees: [0n] as bigint[],
    vm,
    blockhashes,
    history,
    bank,
    account,
    addressesOwnedBy,
    parse: (wire: Uint8Array): ParsedTransaction => parseTransaction(wire, vm.account),
    ageError,
    simulate,
    submit,
    airdrop,
    advance,
    finalize: () => advance(Number(FINALIZED_DEPTH)),
    snapshot,
    restore,
    commitmentOfSlot: (landedIn: bigint): Commitment => commitmentOf(slot - landedIn),
    blockTimeS,
  };

  let slot = FIRST_SLOT;
  let fork = 0;
  let airdrops = 0;
  let pending: Uint8Array[] = [];
  let clockIsSet = false;
  for (let at = FIRST_SLOT - FINALIZED_DEPTH; at <= slot; at += 1n)
    blockhashes.push(fork, at - SKIPPED_SLOTS, FINALIZED_DEPTH);

  function blockTimeS(): bigint {
    return FIRST_BLOCK_TIME_S + ((slot - FIRST_SLOT) * 4n) / 10n;
  }

  function bank(commitment: Commitment): Bank {
    const at = slot - depthOf(commitment);
    return { slot: at, height: at - SKIPPED_SLOTS };
  }

  function account(of: Address, commitment: Commitment): Account | null {
    const past = journal.asOf(of, bank(commitment).slot);
    return past === undefined ? vm.account(of) : past;
  }

  /** Also those that were the program's at that commitment, and are gone now. */
  function addressesOwnedBy(program: Address, commitment: Commitment): Address[] {
    const candidates = new Set([...vm.ownedBy(program), ...journal.addresses()]);
    return [...candidates].filter((of) => account(of, commitment)?.owner === program);
  }

  /** Why a block at that commitment would not take the transaction's lifetime; null: it would. */
  function ageError({ message, nonceAccount }: ParsedTransaction, commitment: Commitment): TransactionError | null {
    if (blockhashes.isValid(message.lifetimeToken, bank(commitment).height)) return null;
    const nonce = nonceAccount === null ? null : vm.account(nonceAccount);
    // A nonce account keeps its nonce at bytes 40 to 72; one advanced in this very block cannot be used again in it.
    const holds = nonce?.owner === SYSTEM_PROGRAM && base58(nonce.data.slice(40, 72)) === message.lifetimeToken;
    return holds && base58(vm.nextNonce()) !== message.lifetimeToken ? null : "BlockhashNotFound";
  }

  function setClock(): void {
    if (clockIsSet) return;
    const recentSlots = Array.from({ length: Number(RECENT_SLOTS) }, (_, back) => slot - 1n - BigInt(back));
    vm.setClock({ slot, unixTimeS: blockTimeS(), recentSlots });
    clockIsSet = true;
  }

  /** Runs it against the newest state and forgets it; its age is not looked at. */
  function simulate({ transaction }: ParsedTransaction, options: { checkSignatures: boolean }): Execution {
    setClock();
    return vm.simulate(transaction, options);
  }

  function submit(wire: Uint8Array): void {
    if (chain.mode === "mempool") pending.push(wire);
    else {
      land(wire);
      advance(1);
    }
  }

  /** Puts a transaction into the block, unless it is there or too old: then it is dropped silently, as by a leader. */
  function land(wire: Uint8Array): void {
    const parsed = chain.parse(wire);
    if (history.find(parsed.signature) !== undefined || ageError(parsed, "processed") !== null) return;
    setClock();
    const before = balances(parsed.addresses);
    const accounts = new Map(parsed.addresses.map((of) => [of, vm.account(of)]));
    const { error, logs, unitsConsumed } = vm.run(parsed.transaction);
    const after = balances(parsed.addresses);
    // Where not even the fee could be charged, the transaction never enters a block.
    if (error !== null && after.lamports[0] === before.lamports[0]) return;
    if (error !== null && parsed.nonceAccount !== null) advanceNonce(parsed.nonceAccount);
    const { signature, addresses } = parsed;
    history.add({
      ...{ signature, slot, blockTimeS: blockTimeS(), error, parsed, addresses, fee: feeOf(parsed) },
      ...{ logs, unitsConsumed, before, after, position: journal.position() },
    });
    for (const [of, was] of accounts) journal.record(slot, of, was);
  }

  /** A cluster advances the nonce of a transaction that fails, too; litesvm does not. */
  function advanceNonce(of: Address): void {
    const nonce = vm.account(of);
    if (nonce === null) return;
    const data = new Uint8Array(nonce.data);
    data.set(vm.nextNonce(), 40);
    vm.setAccount(of, { ...nonce, data });
  }

  function balances(addresses: readonly Address[]): Balances {
    const lamports = addresses.map((of) => vm.account(of)?.lamports ?? 0n);
    return { lamports, tokens: tokenBalances(vm.account, addresses) };
  }

  /** Lamports out of nothing, in this block; returns the signature to ask for. */
  function airdrop(to: Address, lamports: bigint): string {
    const before = { lamports: [vm.account(to)?.lamports ?? 0n], tokens: [] };
    const position = journal.position();
    journal.record(slot, to, vm.account(to));
    vm.airdrop(to, lamports);
    const seed = new TextEncoder().encode(`airdrop/${airdrops++}`);
    const signature = base58(new Uint8Array([...sha256(seed), ...sha256(seed, seed)]));
    const after = balances([to]);
    history.add({
      ...{ signature, slot, blockTimeS: blockTimeS(), error: null, parsed: null, addresses: [to] },
      ...{ fee: 0n, logs: [], unitsConsumed: 0n, before, after, position },
    });
    if (chain.mode === "instant") advance(1);
    return signature;
  }

  /** Makes blocks; what waits lands in the first of them. */
  function advance(blocks = 1): void {
    for (let block = 0; block < blocks; block += 1) {
      slot += 1n;
      clockIsSet = false;
      vm.tick();
      blockhashes.push(fork, slot - SKIPPED_SLOTS, FINALIZED_DEPTH);
      const landing = pending;
      pending = [];
      for (const wire of landing) land(wire);
    }
    journal.prune(bank("finalized").slot);
  }

  function snapshot(): Snapshot {
    return { ...bank("processed"), position: journal.position() };
  }

  /**
   * Switches to a fork from the snapshot on: what landed since is gone and its blockhashes are unknown, while slots,
   * heights and what is final only ever go forward. What waited is lost too: senders must send again.
   */
  function restore(from: Snapshot): void {
    if (from.slot <= bank("finalized").slot) throw new Error(`slot ${from.slot} is final: the chain cannot fork there`);
    pending = [];
    journal.rollBack(from.position, vm.setAccount);
    history.rollBack(from.position);
    fork += 1;
    for (let nonce = 0; nonce < NONCES_PER_FORK; nonce += 1) vm.tick();
    blockhashes.rollBack(from.height);
    for (let height = from.height + 1n; height <= bank("processed").height; height += 1n)
      blockhashes.push(fork, height, FINALIZED_DEPTH);
    clockIsSet = false;
  }

  return chain;
}
