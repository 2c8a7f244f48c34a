// Funding: all that brings money in and keeps it in line with the chain, made once and run for as long as the process
// lives. Several processes may, on one database.

import type { Caller } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type Address, type Chain, ChainUnreachable, type Commitment, type Signer } from "../solana/chain.ts";
import { type AllowanceDeps, observeAllowance } from "./allowances.ts";
import { checkDueDeposits, type DepositDeps } from "./deposits.ts";
import { allowances } from "./funding-schema.ts";
import { advanceSends, type OnceKinds } from "./once.ts";
import { type OpeningTransaction, openAllowanceTransaction } from "./open-allowance.ts";
import { closeEpoch, oracleKind } from "./oracle.ts";
import { slashKind, slashPledge } from "./pledge-slash.ts";
import { stakeMoves } from "./stake-moves.ts";
import { followProposals, proposeStakeTransfer } from "./stake-proposals.ts";
import {
  createStakeTransaction,
  depositStakeTransaction,
  type StakeTransactionDeps,
  submitStakeTransaction,
} from "./stake-transactions.ts";
import {
  forgetStake,
  listStakes,
  type NewStake,
  observeStakes,
  registerStake,
  type StakeDeps,
  type StakeRule,
  stakeOf,
  stakeRule,
} from "./stakes.ts";
import { createPrepaid, type Prepaid } from "./x402.ts";

export type FundingSettings = {
  pollMs: number;
  /** µ$. */
  maxUnsettled: bigint;
  /** Takes deposits and prepaid chats; null: neither is offered. */
  treasury: Address | null;
  depositTtlMs: number;
  x402: { commitment: Exclude<Commitment, "processed">; minimum: bigint; repeatMs: number } | null;
  /** `minimum`: µ$; `exempt`: the coordinator's own node. */
  stake: { minimum: bigint; arbiter: Address | null; exempt: string | null };
  /** Null: nothing is published. */
  epochMs: number | null;
};
export type FundingDeps = {
  db: Db;
  clock: Clock;
  log: Log;
  random: (bytes: number) => Uint8Array;
  chain: Chain;
  settlement: Signer;
  /** Secret: seeds of the oracle's markers follow from it. */
  markerKey: Uint8Array;
  /** Told who may work as stakes are now. */
  staked(rule: StakeRule): void;
};

export type Funding = {
  chain: Chain;
  allowances: AllowanceDeps;
  /** Whom clients may approve. */
  delegates: readonly { address: Address; kind: "key" }[];
  deposits: DepositDeps | null;
  prepaid: Prepaid | null;
  stakes: StakeDeps & StakeTransactionDeps;
  oracle: boolean;
  /** Looks whether an account has more to spend than the ledger knows; true where it looked. */
  replenish(accountId: string): Promise<boolean>;
  /** What is done with stakes. */
  desk: StakeDesk;
  /** A transaction with which a wallet opens a token account of its own and approves what may be taken out of it. */
  openAllowance(wanted: Parameters<typeof openAllowanceTransaction>[1]): Promise<OpeningTransaction>;
  /** Stakes were changed here. */
  restake(): Promise<void>;
  /** Everything once, now. */
  round(): Promise<void>;
  /** Resolves when what is under way has ended; nothing is begun any more. */
  stop(): Promise<void>;
};

export type StakeDesk = ReturnType<typeof stakeDesk>;

/** The functions of stakes over their dependencies, so that whoever calls them loads no chain client. */
const stakeDesk = (deps: StakeDeps & StakeTransactionDeps) => ({
  /** Of all nodes, or of one. */
  list: async (node?: string) =>
    node === undefined ? await listStakes(deps) : [(await stakeOf(deps, node)) ?? []].flat(),
  create: (wallet: Address) => createStakeTransaction(deps, wallet),
  deposit: (node: string, amount: bigint) => depositStakeTransaction(deps, node, amount),
  register: (stake: NewStake, by: Caller) => registerStake(deps, stake, by),
  forget: (node: string, by: Caller) => forgetStake(deps, node, by),
  propose: (transfer: Parameters<typeof proposeStakeTransfer>[1], by: Caller) =>
    proposeStakeTransfer(deps, transfer, by),
  slash: (wanted: Parameters<typeof slashPledge>[1], by: Caller) => slashPledge(deps, wanted, by),
  submit: (transaction: string) => submitStakeTransaction(deps, transaction),
  moves: (node: string, limit: number) => stakeMoves(deps, node, limit),
});

/** An account whose requests are refused one after the other asks the chain no more often. */
const REPLENISH_EVERY_MS = 1_000;

/** Starts it all; a first round is under way then. */
export function runFunding(deps: FundingDeps, settings: FundingSettings): Funding {
  const { db, clock, log, chain, settlement, random } = deps;
  const { treasury, pollMs, x402, epochMs, stake } = settings;
  const base = { db, clock, chain, random };
  const allowanceDeps: AllowanceDeps = { ...base, settlement: settlement.address, maxUnsettled: settings.maxUnsettled };
  const deposits = treasury === null ? null : { ...base, treasury, ttlMs: settings.depositTtlMs, pollMs };
  const prepaid =
    treasury === null || x402 === null ? null : createPrepaid({ ...base, log, signer: settlement, treasury, ...x402 });
  const stakes = { ...base, signer: settlement, settlement: settlement.address, arbiter: stake.arbiter, treasury };
  const kinds: OnceKinds = { slash: slashKind(stakes), oracle: oracleKind };
  const looked = new Map<string, number>();
  let stopped = false;
  let round: Promise<void> | null = null;

  async function quietly(what: string, act: () => Promise<unknown>): Promise<void> {
    if (stopped) return;
    try {
      await act();
    } catch (error) {
      // Nothing is known then, so nothing changes; the next round asks again.
      if (error instanceof ChainUnreachable) log.warn("the chain does not answer", { what, reason: error.message });
      else log.error("a look at the chain failed; it is tried again", { what, err: error });
    }
  }
  const restake = async () => deps.staked(await stakeRule({ db }, stake.minimum, stake.exempt));
  async function once(): Promise<void> {
    for (const { accountId } of await db.read.select({ accountId: allowances.accountId }).from(allowances))
      await quietly("allowances", () => observeAllowance(allowanceDeps, accountId));
    if (deposits) await quietly("deposits", () => checkDueDeposits(deposits));
    if (prepaid) await quietly("prepaid chats", () => prepaid.follow());
    await quietly("stakes", () => observeStakes(stakes));
    await quietly("stakes", restake);
    await quietly("stakes", () => followProposals(stakes));
    if (epochMs !== null)
      await quietly("the oracle", () => closeEpoch({ db, clock, epochMs, markerKey: deps.markerKey }));
    await quietly("transactions", () => advanceSends({ db, clock, log, chain, signer: settlement }, kinds));
  }
  const go = (): Promise<void> => {
    round ??= once().finally(() => {
      round = null;
    });
    return round;
  };
  const stopRounds = clock.every(pollMs, () => void quietly("everything", go));
  void quietly("everything", go);

  return {
    chain,
    allowances: allowanceDeps,
    delegates: [{ address: settlement.address, kind: "key" }],
    deposits,
    prepaid,
    stakes,
    desk: stakeDesk(stakes),
    openAllowance: (wanted) => openAllowanceTransaction({ chain, random }, wanted),
    oracle: epochMs !== null,
    async replenish(accountId) {
      const nowMs = clock.nowMs();
      if (nowMs - (looked.get(accountId) ?? 0) < REPLENISH_EVERY_MS) return false;
      if (looked.size > MAX_LOOKED) looked.clear();
      looked.set(accountId, nowMs);
      let isThere = false;
      await quietly("an allowance", async () => {
        isThere = (await observeAllowance(allowanceDeps, accountId)) !== null;
      });
      return isThere;
    },
    restake,
    round: go,
    async stop() {
      stopped = true;
      stopRounds();
      await round;
    },
  };
}
const MAX_LOOKED = 10_000;
