// Deposits: money that clients pay into the treasury, which holds it for them. A payment is found by the reference that it
// names, believed once it is final, and credited once, whenever it comes.
import { and, desc, eq, gt, lte } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import { SYSTEM_CALLER } from "../accounts/caller.ts";
import type { Drizzle, Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { fundFrom, type OtherFunding } from "../ledger/funding.ts";
import { clientLedger, MAX_AMOUNT, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { least } from "../lib/amounts.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { addressOf } from "../solana/address.ts";
import type { Address, Chain, HistoryEntry, LandedTransaction, Signature } from "../solana/chain.ts";
import { type DepositPaymentRow, type DepositRow, depositPayments, deposits } from "./funding-schema.ts";

export type DepositChain = Pick<Chain, "mint" | "tokenAccountOf" | "history" | "transaction">;
export type DepositDeps = {
  db: Db;
  clock: Clock;
  chain: DepositChain;
  random: (bytes: number) => Uint8Array;
  /** The wallet that is paid. */
  treasury: Address;
  /** `[solana] deposit_expires_h`, in ms. */
  ttlMs: number;
  /** `[solana] poll_s`, in ms: how soon an open request is looked at again. */
  pollMs: number;
};

/** The account has so many requests that have not expired: each is looked for on the chain. */
export type TooManyDeposits = { code: "too_many_deposits"; most: number };
const MAX_OPEN = 100;

/** Asks for a payment of `amount` µ$, or of as much as the payer likes. */
export async function requestDeposit(
  { db, clock, random, ttlMs, pollMs }: DepositDeps,
  { accountId, amount }: { accountId: string; amount: bigint | null },
): Promise<Result<DepositRow, OtherFunding | TooManyDeposits>> {
  const nowMs = clock.nowMs();
  const row: DepositRow = {
    reference: addressOf(random(32)),
    accountId,
    amount: amount === null ? null : Number(amount),
    createdMs: nowMs,
    expiresMs: nowMs + ttlMs,
    cursor: null,
    dueMs: nowMs + pollMs,
  };
  return await db.writer.transact(async (tx, execute) => {
    const open = and(eq(deposits.accountId, accountId), gt(deposits.expiresMs, nowMs));
    if ((await tx.$count(deposits, open)) >= MAX_OPEN) return err({ code: "too_many_deposits", most: MAX_OPEN });
    const funded = await fundFrom(execute, clientLedger(accountId), "deposit");
    if (!funded.ok) return funded;
    await tx.insert(deposits).values(row);
    return ok(row);
  });
}

/** An account's own request with what came of it; null where it has none of that reference. */
export async function depositOf(
  { db }: Pick<DepositDeps, "db">,
  accountId: string,
  reference: string,
): Promise<{ deposit: DepositRow; payments: DepositPaymentRow[] } | null> {
  const mine = and(eq(deposits.reference, reference), eq(deposits.accountId, accountId));
  const deposit = await db.read.select().from(deposits).where(mine).get();
  if (!deposit) return null;
  const payments = await db.read
    .select()
    .from(depositPayments)
    .where(eq(depositPayments.reference, reference))
    .orderBy(depositPayments.slot)
    .limit(MAX_SHOWN);
  return { deposit, payments };
}

/** An account's requests, the newest first. */
export const listDeposits = (
  { db }: Pick<DepositDeps, "db">,
  accountId: string,
  limit: number,
): Promise<DepositRow[]> =>
  db.read
    .select()
    .from(deposits)
    .where(eq(deposits.accountId, accountId))
    .orderBy(desc(deposits.createdMs))
    .limit(limit);

/** Payments that anybody may make in any number are shown up to here. */
const MAX_SHOWN = 100;
/** Requests looked at in one round. */
const MAX_DUE = 50;
/** A request is looked at again after a tenth of its age, but no later than this … */
const LATEST_MS = 6 * 3_600_000;
/** … and after this time only when its account asks. */
const WATCHED_MS = 90 * 86_400_000;

/** Looks at those that are due; how many payments were credited. Throws where the chain cannot be asked. */
export async function checkDueDeposits(deps: DepositDeps): Promise<number> {
  const { db, clock } = deps;
  const due = await db.read
    .select()
    .from(deposits)
    .where(lte(deposits.dueMs, clock.nowMs()))
    .orderBy(deposits.dueMs)
    .limit(MAX_DUE);
  let credited = 0;
  for (const row of due) credited += await checkDeposit(deps, row);
  return credited;
}

/** Looks for payments of one request; how many were credited. What the chain does not tell now is found the next time. */
export async function checkDeposit(deps: DepositDeps, { reference }: Pick<DepositRow, "reference">): Promise<number> {
  const { db, clock } = deps;
  const row = await db.read.select().from(deposits).where(eq(deposits.reference, reference)).get();
  if (!row) return 0;
  let credited = 0;
  // The oldest first: wherever this ends, all before the cursor was dealt with.
  const entries = (await entriesAfter(deps.chain, row)).reverse();
  for (const entry of entries.slice(0, MAX_LOOKED_AT)) {
    const landed = entry.failed ? null : await deps.chain.transaction(entry.signature);
    if (landed === null && !entry.failed) break;
    if (await dealWith(deps, row, entry, landed)) credited += 1;
  }
  const ageMs = clock.nowMs() - row.createdMs;
  const pauseMs = ageMs > WATCHED_MS ? null : Math.min(LATEST_MS, Math.max(deps.pollMs, ageMs / 10));
  const waitMs = entries.length > MAX_LOOKED_AT ? 0 : pauseMs;
  await db.writer.transact((tx) =>
    tx
      .update(deposits)
      .set({ dueMs: waitMs === null ? Number.MAX_SAFE_INTEGER : Math.round(clock.nowMs() + waitMs) })
      .where(eq(deposits.reference, reference)),
  );
  return credited;
}

/** A payment that is on the chain and not final yet: a fork may take it back, so nothing is credited for it. */
export type SeenPayment = Pick<HistoryEntry, "signature">;

/** Payments that name the request and are not final yet, newest first. Throws where the chain cannot be asked. */
export async function seenPayments(
  { chain }: Pick<DepositDeps, "chain">,
  { reference, cursor }: Pick<DepositRow, "reference" | "cursor">,
): Promise<SeenPayment[]> {
  const until = cursor === null ? {} : { until: cursor as Signature };
  const found = await chain.history(reference as Address, { ...until, limit: MAX_SEEN, commitment: "confirmed" });
  return found.filter(({ failed }) => !failed).map(({ signature }) => ({ signature }));
}
const MAX_SEEN = 20;

/** Transactions of one look: anybody may name a reference as often as they like, and others wait for theirs. */
const MAX_LOOKED_AT = 100;

const PAGE = 1000;

/** All that names the reference after the cursor, newest first. */
async function entriesAfter(chain: DepositChain, { reference, cursor }: DepositRow): Promise<HistoryEntry[]> {
  const until = cursor === null ? {} : { until: cursor as Signature };
  const found: HistoryEntry[] = [];
  for (;;) {
    const oldest = found.at(-1);
    const before = oldest === undefined ? {} : { before: oldest.signature };
    const page = await chain.history(reference as Address, { ...until, ...before, limit: PAGE });
    found.push(...page);
    if (page.length < PAGE) return found;
  }
}

/** Credits it, or says why not; true where it was credited. Done once, however often it is seen. */
async function dealWith(
  deps: DepositDeps,
  row: DepositRow,
  entry: HistoryEntry,
  landed: LandedTransaction | null,
): Promise<boolean> {
  const { amount, refused } = await worth(deps, landed);
  const atMs = deps.clock.nowMs();
  const { reference, accountId } = row;
  const { signature } = entry;
  return await deps.db.writer.transact(async (tx, execute) => {
    await tx.update(deposits).set({ cursor: signature }).where(eq(deposits.reference, reference));
    const known = and(eq(depositPayments.reference, reference), eq(depositPayments.signature, signature));
    if (await tx.select().from(depositPayments).where(known).get()) return false;
    const credited = refused === null ? await credit(execute, accountId, signature, amount, atMs) : { refused };
    const transaction = "transaction" in credited ? credited.transaction : null;
    const why = "refused" in credited ? credited.refused : null;
    await tx.insert(depositPayments).values({
      ...{ signature, reference, transaction, refused: why, seenMs: atMs },
      slot: Number(entry.slot),
      amount: Number(least(amount, MAX_AMOUNT)),
    });
    if (transaction !== null) await note(tx, { accountId, signature, amount, atMs });
    return transaction !== null;
  });
}

type Refused = NonNullable<DepositPaymentRow["refused"]>;

/** What it brought the treasury. */
async function worth(
  { chain, treasury }: DepositDeps,
  landed: LandedTransaction | null,
): Promise<{ amount: bigint; refused: Refused | null }> {
  if (landed === null || landed.failure !== null) return { amount: 0n, refused: "failed" };
  const account = await chain.tokenAccountOf(treasury);
  const amount = landed.changes.reduce((sum, change) => (change.account === account ? sum + change.amount : sum), 0n);
  if (amount > MAX_AMOUNT) return { amount, refused: "too_large" };
  if (amount > 0n) return { amount, refused: null };
  return { amount: 0n, refused: landed.changes.length === 0 ? "wrong_mint" : "wrong_destination" };
}

async function credit(
  execute: Execute,
  accountId: string,
  signature: string,
  amount: bigint,
  atMs: number,
): Promise<{ transaction: number } | { refused: Refused }> {
  const prepaid = await execute("select 1 from x402_payments where signature = ?", [signature]);
  if (prepaid.length > 0) return { refused: "credited_already" };
  const account = clientLedger(accountId);
  const funded = await fundFrom(execute, account, "deposit");
  if (!funded.ok) return { refused: "other_funding" };
  const posted = await post(execute, {
    kind: "deposit",
    cause: `deposit/${signature}`,
    atMs,
    entries: [
      { account: SYSTEM_ACCOUNTS.treasury, amount: -amount },
      { account, amount },
    ],
  });
  return posted.ok ? { transaction: posted.value } : { refused: "credited_already" };
}

async function note(
  tx: Drizzle,
  { accountId, signature, amount, atMs }: { accountId: string; signature: string; amount: bigint; atMs: number },
): Promise<void> {
  const after = { amount: Number(amount), signature };
  await audit(tx, { ...SYSTEM_CALLER, atMs, action: "deposit.credited", subject: clientLedger(accountId), after });
}
