// Allowances: a client's own token account pays for its jobs. What the ledger lets the client spend follows the chain, as
// it is final, less what was used and not yet paid there. funding.md tells why that counts nothing twice.
import { eq } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { endFunding, fundFrom, type OtherFunding } from "../ledger/funding.ts";
import { clientLedger, MAX_AMOUNT, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { least, most } from "../lib/amounts.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Address, Chain, FinalizedState, Signature } from "../solana/chain.ts";
import { type AllowanceRow, allowances } from "./funding-schema.ts";
import { type MarkerChain, markerStory } from "./markers.ts";
import { type Spendable, spendableIn } from "./spendable.ts";

export type AllowanceChain = MarkerChain & Pick<Chain, "mint" | "finalized" | "statuses">;
export type AllowanceDeps = {
  db: Db;
  clock: Clock;
  chain: AllowanceChain;
  /** The settlement key's address: markers of payouts belong to it. */
  settlement: Address;
  /** `[solana] max_unsettled`: most that an account may have used or reserved without its being paid on the chain, µ$. */
  maxUnsettled: bigint;
};

/** What a client says of its token account, once its wallet has vouched for it. */
export type NewAllowance = { accountId: string; wallet: Address; tokenAccount: Address; delegate: Address };
export type RegisterRefusal =
  | OtherFunding
  /** The token account pays for another account, or is a stake. */
  | { code: "token_account_taken" }
  /** The account has another allowance: that has to be ended first. */
  | { code: "allowance_there" }
  /** Nothing can be spent from it by what is final. */
  | { code: "unspendable"; why: NonNullable<Spendable["why"]> };

/** Has the token account pay for the account from now on. Looks at the chain first: it must be spendable there. */
export async function registerAllowance(
  deps: AllowanceDeps,
  wanted: NewAllowance,
  by: Caller,
): Promise<Result<AllowanceRow, RegisterRefusal>> {
  const { db, chain, clock } = deps;
  const state = await chain.finalized([wanted.tokenAccount]);
  const { why } = spendableIn(state.get(wanted.tokenAccount), { ...wanted, mint: chain.mint });
  if (why !== null) return err({ code: "unspendable", why });
  const atMs = clock.nowMs();
  const registered = await db.writer.transact(async (tx, execute): Promise<Result<void, RegisterRefusal>> => {
    const { accountId, wallet, tokenAccount, delegate } = wanted;
    const [known] = await execute("select token_account, delegate from allowances where account_id = ?", [accountId]);
    if (known?.[0] === tokenAccount && known[1] === delegate) return ok(undefined);
    if (known) return err({ code: "allowance_there" });
    if (await isTaken(execute, tokenAccount)) return err({ code: "token_account_taken" });
    const funded = await fundFrom(execute, clientLedger(accountId), "allowance");
    if (!funded.ok) return funded;
    // Receipts name it, so that payouts know whom to take from.
    await execute("update ledger_accounts set wallet = ? where id = ?", [tokenAccount, clientLedger(accountId)]);
    await execute(
      `insert into allowances (account_id, wallet, token_account, delegate, since_transaction, registered_ms)
       values (?, ?, ?, ?, (select coalesce(max(id), 0) from ledger_transactions), ?)`,
      [accountId, wallet, tokenAccount, delegate, atMs],
    );
    const after = { wallet, token_account: tokenAccount, delegate };
    await audit(tx, { ...by, atMs, action: "allowance.registered", subject: clientLedger(accountId), after });
    return ok(undefined);
  });
  if (!registered.ok) return registered;
  const row = await observeAllowance(deps, wanted.accountId);
  if (row === null) throw new Error("an allowance was ended while it was registered");
  return ok(row);
}

async function isTaken(execute: Execute, tokenAccount: string): Promise<boolean> {
  const rows = await execute(
    "select 1 from allowances where token_account = ? union all select 1 from stakes where token_account = ?",
    [tokenAccount, tokenAccount],
  );
  return rows.length > 0;
}

export async function allowanceOf({ db }: { db: Pick<Db, "read"> }, accountId: string): Promise<AllowanceRow | null> {
  return (await db.read.select().from(allowances).where(eq(allowances.accountId, accountId)).get()) ?? null;
}

/** µ$ that were used and, as far as was seen, not paid on the chain yet. */
export type Unsettled = { unsettled: bigint; held: bigint };

/** Ends it, once everything used is paid and nothing is reserved. Revoking the approval is the wallet's. */
export async function endAllowance(
  deps: AllowanceDeps,
  accountId: string,
  by: Caller,
): Promise<Result<void, { code: "no_allowance" } | ({ code: "unsettled" } & Unsettled)>> {
  await observeAllowance(deps, accountId);
  const atMs = deps.clock.nowMs();
  return await deps.db.writer.transact(async (tx, execute) => {
    const row = await tx.select().from(allowances).where(eq(allowances.accountId, accountId)).get();
    if (!row) return err({ code: "no_allowance" });
    const { balance, held } = await booked(execute, accountId);
    const unsettled = BigInt(row.mirrored) - balance - BigInt(row.paidOut);
    if (unsettled !== 0n || held !== 0n) return err({ code: "unsettled", unsettled, held });
    await move(execute, row, -balance, `${row.observedSlot}/end`, atMs);
    await execute("delete from allowances where account_id = ?", [accountId]);
    await endFunding(execute, clientLedger(accountId));
    const before = { wallet: row.wallet, token_account: row.tokenAccount, delegate: row.delegate };
    await audit(tx, { ...by, atMs, action: "allowance.ended", subject: clientLedger(accountId), before });
    return ok(undefined);
  });
}

/**
 * Looks at the chain and brings the ledger's balance in line. The row as it is then; null where the account has no
 * allowance. Throws where the chain cannot be asked: then nothing changes.
 */
export async function observeAllowance(deps: AllowanceDeps, accountId: string): Promise<AllowanceRow | null> {
  const row = await allowanceOf(deps, accountId);
  if (row === null) return null;
  const seen = await look(deps, row);
  await deps.db.writer.transact((_, execute) => mirror(deps, execute, row, seen));
  return allowanceOf(deps, accountId);
}

/** A finalized state: what can be spent in it, and which payouts are in it for certain. */
type Seen = { slot: bigint; spendable: Spendable; counted: string[] };
type OpenLeg = { payoutId: string; state: string; signature: string | null };

/** With the token account itself, what one read of the chain takes: only one read is of one moment. */
const MAX_MARKERS = 99;

async function look(deps: AllowanceDeps, row: AllowanceRow): Promise<Seen> {
  const { db, chain, settlement } = deps;
  const legs = await openLegs(db, row.tokenAccount);
  const addresses = await Promise.all(legs.map(({ payoutId }) => chain.markerAddress(settlement, payoutId)));
  const tokenAccount = row.tokenAccount as Address;
  const state = await chain.finalized([tokenAccount, ...addresses]);
  const isMarked = (at: number) => state.get(addresses[at] ?? tokenAccount) !== null;
  const paid = await paidIn(
    chain,
    state,
    legs.filter(({ state: how }, at) => how === "paid" && !isMarked(at)),
  );
  for (const [at, leg] of legs.entries())
    if (isMarked(at) && (leg.state === "paid" || (await isMade(deps, leg)))) paid.add(leg.payoutId);
  const counted = legs.filter((leg) => leg.state === "written_off" || paid.has(leg.payoutId));
  return {
    slot: state.stateSlot,
    spendable: spendableIn(state.get(tokenAccount), { ...row, mint: chain.mint }),
    counted: counted.map(({ payoutId }) => payoutId),
  };
}

/** Whether a payment made the marker: a client that puts lamports there itself has paid nothing. */
const isMade = async ({ chain, settlement }: AllowanceDeps, { payoutId }: OpenLeg): Promise<boolean> =>
  (await markerStory(chain, settlement, payoutId)).made !== null;

/** Payouts that take from the account and are not counted as paid; the oldest, as many as one read takes. */
async function openLegs({ query }: Pick<Db, "query">, tokenAccount: string): Promise<OpenLeg[]> {
  const rows = await query(
    `select l.payout_id, p.state, p.signature from payout_legs l join payouts p on p.id = l.payout_id
     where l.source = ? and not exists (
       select 1 from allowance_payouts a where a.token_account = l.source and a.payout_id = l.payout_id)
     order by p.created_ms, p.id limit ${MAX_MARKERS}`,
    [tokenAccount],
  );
  return rows.map(([payoutId, state, signature]) => ({
    payoutId: payoutId as string,
    state: state as string,
    signature: signature as string | null,
  }));
}

/** Of payouts whose markers are gone (their rent was taken back): those that were paid by the slot of `state`. */
async function paidIn(
  chain: AllowanceChain,
  { stateSlot }: FinalizedState,
  legs: readonly OpenLeg[],
): Promise<Set<string>> {
  const known = legs.filter((leg) => leg.signature !== null);
  if (known.length === 0) return new Set();
  const statuses = await chain.statuses(known.map(({ signature }) => signature as Signature));
  const isIn = (at: number) => {
    const status = statuses[at];
    return status?.commitment === "finalized" && status.failure === null && status.slot <= stateSlot;
  };
  return new Set(known.filter((_, at) => isIn(at)).map(({ payoutId }) => payoutId));
}

const booked = async (execute: Execute, accountId: string): Promise<{ balance: bigint; held: bigint }> => {
  const [row] = await execute("select balance, held from ledger_accounts where id = ?", [clientLedger(accountId)]);
  return { balance: BigInt((row?.[0] ?? 0) as number), held: BigInt((row?.[1] ?? 0) as number) };
};

/**
 * The ledger as `seen` says. What was used is what came in by mirroring less what is left; of it, what `seen` has as
 * paid is gone from the token account too, and the rest is in it still.
 */
async function mirror(deps: AllowanceDeps, execute: Execute, { accountId, tokenAccount }: AllowanceRow, seen: Seen) {
  const [now] = await execute(
    "select mirrored, paid_out, since_transaction from allowances where account_id = ? and token_account = ? and observed_slot <= ?",
    [accountId, tokenAccount, seen.slot],
  );
  // Ended meanwhile, or somebody saw more than this.
  if (!now) return;
  const [mirrored = 0n, paidBefore = 0n, since = 0n] = now.map((value) => BigInt(value as number));
  const paidOut = paidBefore + (await count(execute, tokenAccount, seen));
  const { balance, held } = await booked(execute, accountId);
  const used = mirrored - balance - paidOut;
  const limit = least(seen.spendable.amount, deps.maxUnsettled, MAX_AMOUNT);
  const wanted = most(held, limit - used);
  const atMs = deps.clock.nowMs();
  const moved = await move(
    execute,
    { accountId, sinceTransaction: Number(since) },
    wanted - balance,
    `${seen.slot}`,
    atMs,
  );
  await execute(
    `update allowances set mirrored = ?, paid_out = ?, observed_slot = ?, observed_ms = ?, spendable = ?, unspendable = ?
     where account_id = ?`,
    [
      mirrored + moved,
      paidOut,
      seen.slot,
      atMs,
      least(seen.spendable.amount, MAX_AMOUNT),
      seen.spendable.why,
      accountId,
    ],
  );
}

/** Notes payouts that the state has, each once; what they came to. */
async function count(execute: Execute, tokenAccount: string, { counted, slot }: Seen): Promise<bigint> {
  let total = 0n;
  for (const payoutId of counted) {
    const [row] = await execute(
      `insert into allowance_payouts (payout_id, token_account, amount, slot)
       select payout_id, source, node_amount + fee, ? from payout_legs where payout_id = ? and source = ?
       on conflict do nothing returning amount`,
      [slot, payoutId, tokenAccount],
    );
    total += BigInt((row?.[0] ?? 0) as number);
  }
  return total;
}

/** Moves the difference; what was moved. Nothing where this very observation was mirrored by somebody else. */
async function move(
  execute: Execute,
  { accountId, sinceTransaction }: Pick<AllowanceRow, "accountId" | "sinceTransaction">,
  amount: bigint,
  observation: string,
  atMs: number,
): Promise<bigint> {
  if (amount === 0n) return 0n;
  const posted = await post(execute, {
    kind: "allowance",
    cause: `allowance/${accountId}/${sinceTransaction}/${observation}`,
    atMs,
    entries: [
      { account: SYSTEM_ACCOUNTS.allowances, amount: -amount },
      { account: clientLedger(accountId), amount },
    ],
  });
  if (posted.ok) return amount;
  if (posted.error === "not_covered") throw new Error("an allowance was lowered below what is held of it");
  return 0n;
}
