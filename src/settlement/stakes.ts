// Stakes: what nodes put up, as it is final on the chain. A pledge is an approval and lasts until its owner revokes it; an
// enforceable stake stands in an account that two of three (node, coordinator, arbiter) must sign for.
import { asc, eq } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import { MAX_AMOUNT } from "../ledger/ledger.ts";
import { least } from "../lib/amounts.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { AccountState, Address, Chain } from "../solana/chain.ts";
import { type StakeRow, stakes, type Unspendable } from "./funding-schema.ts";
import { type Spendable, spendableIn } from "./spendable.ts";

export type StakeDeps = {
  db: Db;
  clock: Clock;
  chain: Pick<Chain, "mint" | "finalized" | "multisig">;
  /** The coordinator's key. */
  settlement: Address;
  /** `[stake] arbiter`. */
  arbiter: Address | null;
};

export type NewStake = {
  nodePubkey: string;
  wallet: Address;
  tokenAccount: Address;
  /** Of an enforceable stake: whom the token account belongs to. */
  multisig: Address | null;
};
export type StakeRefusal =
  | { code: "token_account_taken" }
  | { code: "stake_there" }
  /** Not two of node, coordinator and arbiter. */
  | { code: "wrong_multisig" }
  | { code: "unspendable"; why: Unspendable };

/**
 * Takes the token account as the node's stake. What it is worth is read from the chain before that, in one look, so that
 * nothing is stored where the chain cannot be asked; and again and again after it.
 */
export async function registerStake(
  deps: StakeDeps,
  wanted: NewStake,
  by: Caller,
): Promise<Result<StakeRow, StakeRefusal>> {
  const { db, clock, chain, settlement, arbiter } = deps;
  const { nodePubkey, wallet, tokenAccount, multisig } = wanted;
  if (multisig !== null && !(await isTwoOfThree(deps, multisig, wallet))) return err({ code: "wrong_multisig" });
  const state = await chain.finalized([tokenAccount]);
  const there = state.get(tokenAccount);
  const atMs = clock.nowMs();
  const kind = multisig === null ? "pledge" : "multisig";
  const [balance = null, cap = null] = heldIn(there, chain.mint, kind).map((held) =>
    held === null ? null : Number(held),
  );
  const { amount, why } = worth({ wallet, multisig }, there, chain.mint, settlement);
  if (why !== null) return err({ code: "unspendable", why });
  const stake: StakeRow = {
    ...{ nodePubkey, kind, wallet, tokenAccount, multisig, registeredMs: atMs },
    ...{ arbiter: multisig === null ? null : arbiter, unspendable: null, balance, cap },
    ...{ amount: Number(least(amount, MAX_AMOUNT)), observedSlot: Number(state.stateSlot), observedMs: atMs },
  };
  const stored = await db.writer.transact(async (tx, execute): Promise<Result<void, StakeRefusal>> => {
    const there = await execute("select 1 from stakes where node_pubkey = ?", [nodePubkey]);
    if (there.length > 0) return err({ code: "stake_there" });
    const taken = await execute(
      "select 1 from stakes where token_account = ? union all select 1 from allowances where token_account = ?",
      [tokenAccount, tokenAccount],
    );
    if (taken.length > 0) return err({ code: "token_account_taken" });
    await tx.insert(stakes).values(stake);
    const after = { kind: stake.kind, wallet, token_account: tokenAccount };
    await audit(tx, { ...by, atMs, action: "stake.pledged", subject: `node/${nodePubkey}`, after });
    return ok(undefined);
  });
  return stored.ok ? ok(stake) : stored;
}

async function isTwoOfThree({ chain, settlement, arbiter }: StakeDeps, multisig: Address, wallet: Address) {
  const found = await chain.multisig(multisig);
  if (found === null || arbiter === null || found.required !== 2 || found.signers.length !== 3) return false;
  return (
    new Set([wallet, settlement, arbiter]).size === 3 &&
    [wallet, settlement, arbiter].every((one) => found.signers.includes(one))
  );
}

/** What could be slashed of it. */
function worth(
  { wallet, multisig }: Pick<StakeRow, "wallet" | "multisig">,
  state: AccountState | null,
  mint: Address,
  settlement: Address,
): Spendable {
  if (multisig === null) return spendableIn(state, { mint, wallet, delegate: settlement });
  const token = state?.token ?? null;
  if (token === null || token.mint !== mint) return { amount: 0n, why: "gone" };
  if (token.owner !== multisig) return { amount: 0n, why: "other_owner" };
  if (token.frozen) return { amount: 0n, why: "frozen" };
  // Somebody could take it away whom the three once let.
  return token.delegate === null ? { amount: token.amount, why: null } : { amount: 0n, why: "other_delegate" };
}

export const stakeOf = async ({ db }: { db: Pick<Db, "read"> }, nodePubkey: string): Promise<StakeRow | undefined> =>
  db.read.select().from(stakes).where(eq(stakes.nodePubkey, nodePubkey)).get();

export const listStakes = ({ db }: { db: Pick<Db, "read"> }): Promise<StakeRow[]> =>
  db.read.select().from(stakes).orderBy(asc(stakes.registeredMs), asc(stakes.nodePubkey));

/** Lets a stake go: the node has none here any more. What is on the chain stays as it is. */
export async function forgetStake({ db, clock }: Pick<StakeDeps, "db" | "clock">, nodePubkey: string, by: Caller) {
  const atMs = clock.nowMs();
  return await db.writer.transact(async (tx) => {
    const [gone] = await tx.delete(stakes).where(eq(stakes.nodePubkey, nodePubkey)).returning();
    if (!gone) return false;
    const before = { kind: gone.kind, token_account: gone.tokenAccount, amount: gone.amount };
    await audit(tx, { ...by, atMs, action: "stake.withdrawn", subject: `node/${nodePubkey}`, before });
    return true;
  });
}

/** Accounts of one read: all of one moment. */
const AT_ONCE = 100;

/** Reads what all stakes are worth. Throws where the chain cannot be asked: then nothing changes. */
export async function observeStakes(deps: StakeDeps): Promise<void> {
  const { db, chain, clock, settlement } = deps;
  const all = await listStakes(deps);
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const part = all.slice(from, from + AT_ONCE);
    const state = await chain.finalized(part.map(({ tokenAccount }) => tokenAccount as Address));
    const rows = part.map((stake) => {
      const there = state.get(stake.tokenAccount as Address);
      const { amount, why } = worth(stake, there, chain.mint, settlement);
      const seen = [least(amount, MAX_AMOUNT), why, ...heldIn(there, chain.mint, stake.kind)];
      return [...seen, state.stateSlot, clock.nowMs(), stake.nodePubkey, state.stateSlot];
    });
    await db.writer.batch(
      `update stakes set amount = ?, unspendable = ?, balance = ?, cap = ?, observed_slot = ?, observed_ms = ?
       where node_pubkey = ? and observed_slot <= ?`,
      rows,
    );
  }
}

/** What the account holds, and, of a pledge, the most that may be taken of it. */
function heldIn(state: AccountState | null, mint: Address, kind: StakeRow["kind"]): (bigint | null)[] {
  const token = state?.token ?? null;
  if (token === null || token.mint !== mint) return [null, null];
  return [least(token.amount, MAX_AMOUNT), kind === "pledge" ? least(token.delegatedAmount, MAX_AMOUNT) : null];
}

/** Why a node is given no work, by node; all others have no stake at all. */
export type StakeRule = { reasonOf(nodePubkey: string): string | null };

/** Who may work where `minimum` µ$ are needed. `exempt`: the coordinator's own node. */
export async function stakeRule(
  deps: { db: Pick<Db, "read"> },
  minimum: bigint,
  exempt: string | null,
): Promise<StakeRule> {
  const staked = new Map((await listStakes(deps)).map((row) => [row.nodePubkey, row]));
  return {
    reasonOf(nodePubkey) {
      if (minimum === 0n || nodePubkey === exempt) return null;
      const stake = staked.get(nodePubkey);
      if (stake && BigInt(stake.amount) >= minimum) return null;
      const has = stake ? `has ${stake.amount} µ$ at stake` : "has nothing at stake";
      const why = stake?.unspendable ? ` (${stake.unspendable.replace("_", " ")})` : "";
      return `it ${has}${why}; this network asks for ${minimum} µ$`;
    },
  };
}
