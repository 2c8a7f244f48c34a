// Receipts: reading those that were issued. Writing is settlement's (settlement.ts); nothing changes one afterwards.
import { and, asc, desc, eq, gt, gte, inArray, lt, or, type SQL, sql } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { nodeChains, receipts } from "./schema.ts";

/** What is left out is not asked for. */
export type ReceiptFilter = {
  /** Pubkey. */
  node?: string | undefined;
  /** Of the ledger: `account/<account id>`. */
  account?: string | undefined;
  /** Of jobs that ended then or later. */
  sinceMs?: number | undefined;
  /** Of jobs that ended before. */
  untilMs?: number | undefined;
};

export type IssuedReceipt = {
  node: string;
  seq: number;
  attempt: string;
  account: string;
  model: string;
  payoutId: string | null;
  bytes: Uint8Array;
  digest: Uint8Array;
  signature: Uint8Array;
  /** Its node vouches for it. */
  countersigned: boolean;
};

/** How far a node vouches. */
export type IssuedHead = { node: string; seq: number; digest: Uint8Array; sig: Uint8Array };

type Deps = { db: Pick<Db, "read"> };

const COLUMNS = {
  node: receipts.node,
  seq: receipts.seq,
  attempt: receipts.attempt,
  account: receipts.account,
  model: receipts.model,
  payoutId: receipts.payoutId,
  bytes: receipts.bytes,
  digest: receipts.digest,
  signature: receipts.signature,
  covered: nodeChains.countersignedSeq,
};

const matches = ({ node, account, sinceMs, untilMs }: ReceiptFilter): (SQL | undefined)[] => [
  node === undefined ? undefined : eq(receipts.node, node),
  account === undefined ? undefined : eq(receipts.account, account),
  sinceMs === undefined ? undefined : gte(receipts.finishedMs, sinceMs),
  untilMs === undefined ? undefined : lt(receipts.finishedMs, untilMs),
];

const select = ({ db }: Deps, where: readonly (SQL | undefined)[]) =>
  db.read
    .select(COLUMNS)
    .from(receipts)
    .innerJoin(nodeChains, eq(nodeChains.node, receipts.node))
    .where(and(...where));

type Row = Awaited<ReturnType<typeof select>>[number];
const issued = ({ covered, bytes, digest, signature, ...row }: Row): IssuedReceipt => ({
  ...row,
  bytes: new Uint8Array(bytes),
  digest: new Uint8Array(digest),
  signature: new Uint8Array(signature),
  countersigned: covered >= row.seq,
});

/** The newest jobs first; those before the attempt `before`, where it is given. */
export async function newestReceipts(
  deps: Deps,
  { before, limit, ...filter }: ReceiptFilter & { before?: string | undefined; limit: number },
): Promise<IssuedReceipt[]> {
  const where = [...matches(filter), before === undefined ? undefined : lt(receipts.attempt, before)];
  // Attempts begin with their job's id, which begins with the time.
  const rows = await select(deps, where).orderBy(desc(receipts.attempt)).limit(limit);
  return rows.map(issued);
}

/** By node and number, after the one given: chain by chain, in order. */
export async function receiptsInOrder(
  deps: Deps,
  { after, limit, ...filter }: ReceiptFilter & { after: { node: string; seq: number } | null; limit: number },
): Promise<IssuedReceipt[]> {
  const next =
    after === null
      ? undefined
      : or(gt(receipts.node, after.node), and(eq(receipts.node, after.node), gt(receipts.seq, after.seq)));
  const rows = await select(deps, [...matches(filter), next])
    .orderBy(asc(receipts.node), asc(receipts.seq))
    .limit(limit);
  return rows.map(issued);
}

/** A job may have this many attempts that delivered. */
const MAX_OF_JOB = 1000;

/** Those of a job, of an attempt, or one by its node and number. */
export async function findReceipts(
  deps: Deps,
  which: { job: string } | { attempt: string } | { node: string; seq: number },
  account?: string,
): Promise<IssuedReceipt[]> {
  const where =
    "job" in which
      ? // "/" stands behind ".".
        and(gt(receipts.attempt, `${which.job}.`), lt(receipts.attempt, `${which.job}/`))
      : "attempt" in which
        ? eq(receipts.attempt, which.attempt)
        : and(eq(receipts.node, which.node), eq(receipts.seq, which.seq));
  const rows = await select(deps, [where, ...matches({ account })])
    .orderBy(asc(receipts.attempt))
    .limit(MAX_OF_JOB);
  return rows.map(issued);
}

/** What a job's receipts say of money, in the order of its attempts. */
export const amountsOfJob = ({ db }: Deps, job: string) =>
  db.read
    .select({
      node: receipts.node,
      seq: receipts.seq,
      attempt: receipts.attempt,
      gross: receipts.gross,
      nodeAmount: receipts.nodeAmount,
      fee: receipts.fee,
    })
    .from(receipts)
    .where(and(gt(receipts.attempt, `${job}.`), lt(receipts.attempt, `${job}/`)))
    .orderBy(asc(receipts.seq))
    .limit(MAX_OF_JOB);
export type JobAmount = Awaited<ReturnType<typeof amountsOfJob>>[number];

/** All receipts of that number, whichever node's. */
export async function receiptsNumbered(deps: Deps, seq: number): Promise<IssuedReceipt[]> {
  const rows = await select(deps, [
    eq(receipts.seq, seq),
    sql`${receipts.node} in (select node from node_chains)`,
  ]).limit(MAX_OF_JOB);
  return rows.map(issued);
}

/** How far these nodes vouch; those that do not are left out. */
export async function headsOf({ db }: Deps, nodes: readonly string[]): Promise<IssuedHead[]> {
  if (nodes.length === 0) return [];
  const rows = await db.read
    .select({
      node: nodeChains.node,
      seq: nodeChains.countersignedSeq,
      sig: nodeChains.countersignedSig,
      digest: receipts.digest,
    })
    .from(nodeChains)
    .innerJoin(receipts, and(eq(receipts.node, nodeChains.node), eq(receipts.seq, nodeChains.countersignedSeq)))
    .where(inArray(nodeChains.node, [...nodes]));
  return rows.flatMap(({ sig, digest, ...row }) =>
    sig === null ? [] : [{ ...row, sig: new Uint8Array(sig), digest: new Uint8Array(digest) }],
  );
}
