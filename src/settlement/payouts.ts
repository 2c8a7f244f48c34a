// Payouts: what is known of them.
import { and, asc, desc, eq, inArray, type SQL, sql } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { PAYABLE_COLUMNS, type PayableReceipt, payableReceipt } from "./legs.ts";
import {
  type PayoutAttemptRow,
  type PayoutLegRow,
  type PayoutRow,
  type PayoutState,
  payoutAttempts,
  payoutLegs,
  payouts,
} from "./schema.ts";

type Reader = { db: Pick<Db, "read" | "query"> };

export async function getPayout({ db }: Reader, id: string): Promise<PayoutRow | undefined> {
  const [row] = await db.read.select().from(payouts).where(eq(payouts.id, id));
  return row;
}

/** Whether the node has ever been paid. */
export async function wasPaid({ db }: Reader, node: string): Promise<boolean> {
  const rows = await db.query("select 1 from payouts where node = ? and state = 'paid' limit 1", [node]);
  return rows.length > 0;
}

/** Sources in the order of their names, the same in every process. */
export const legsOf = ({ db }: Reader, id: string): Promise<PayoutLegRow[]> =>
  db.read.select().from(payoutLegs).where(eq(payoutLegs.payoutId, id)).orderBy(asc(payoutLegs.source));

/** The oldest first. */
export const attemptsOf = ({ db }: Reader, id: string): Promise<PayoutAttemptRow[]> =>
  db.read
    .select()
    .from(payoutAttempts)
    .where(eq(payoutAttempts.payoutId, id))
    .orderBy(asc(payoutAttempts.createdMs), asc(payoutAttempts.lastValidHeight));

/** Those in these states, the oldest first. */
export const payoutsIn = ({ db }: Reader, states: readonly PayoutState[], limit = 1_000): Promise<PayoutRow[]> =>
  db.read
    .select()
    .from(payouts)
    .where(inArray(payouts.state, [...states]))
    .orderBy(asc(payouts.createdMs), asc(payouts.id))
    .limit(limit);

export type PayoutFilter = {
  node?: string;
  /** Of the nodes that belong to this account. */
  accountId?: string;
  state?: PayoutState;
  /** Id of the last one of the page before. */
  before?: string;
};

/** The newest first. */
export async function listPayouts({ db }: Reader, limit: number, filter: PayoutFilter = {}): Promise<PayoutRow[]> {
  const wanted: (SQL | undefined)[] = [
    filter.node === undefined ? undefined : eq(payouts.node, filter.node),
    filter.state === undefined ? undefined : eq(payouts.state, filter.state),
    filter.accountId === undefined
      ? undefined
      : sql`${payouts.node} in (select pubkey from nodes where account_id = ${filter.accountId})`,
    filter.before === undefined
      ? undefined
      : sql`(created_ms, first_seq, id) < (select created_ms, first_seq, id from payouts where id = ${filter.before})`,
  ];
  return await db.read
    .select()
    .from(payouts)
    .where(and(...wanted))
    .orderBy(desc(payouts.createdMs), desc(payouts.firstSeq), desc(payouts.id))
    .limit(limit);
}

/** Receipts of a payout, by number. */
export async function receiptsOf({ db }: Reader, id: string): Promise<PayableReceipt[]> {
  const rows = await db.query(`select ${PAYABLE_COLUMNS} from receipts where payout_id = ? order by seq`, [id]);
  return rows.map(payableReceipt);
}

/** A receipt as it was signed. */
export type SignedReceipt = { seq: number; bytes: Uint8Array; signature: Uint8Array };

/** Receipts of a payout after number `after`, as they were signed, so many at most. */
export async function signedReceiptsOf(
  { db }: Reader,
  id: string,
  after: number,
  limit: number,
): Promise<SignedReceipt[]> {
  const rows = await db.query(
    "select seq, bytes, signature from receipts where payout_id = ? and seq > ? order by seq limit ?",
    [id, after, limit],
  );
  return rows.map(([seq, bytes, signature]) => ({
    seq: Number(seq),
    bytes: new Uint8Array(bytes as Uint8Array),
    signature: new Uint8Array(signature as Uint8Array),
  }));
}
