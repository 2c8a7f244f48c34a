// Receipt rows: what lists show of receipts, read by index from the newest on, without their bytes.
import type { SqlRow, SqlValue } from "../db/executor.ts";
import type { Db } from "../db/open.ts";

export type ReceiptRow = {
  node: string;
  seq: number;
  attempt: string;
  /** Of the ledger. */
  account: string;
  model: string;
  /** µ$. */
  gross: number;
  nodeAmount: number;
  fee: number;
  finishedMs: number;
  payoutId: string | null;
  /** Its node vouches for it. */
  countersigned: boolean;
};
/** From `fromMs` on, up to and without `toMs`; null: no bound. */
export type ReceiptSpan = { fromMs: number | null; toMs: number | null };

type Reader = Pick<Db, "query">;

const ROWS = `select r.node, r.seq, r.attempt, r.account, r.model, r.gross, r.node_amount, r.fee, r.finished_ms, r.payout_id,
  c.countersigned_seq >= r.seq from receipts r join node_chains c on c.node = r.node`;

const rowOf = ([
  node,
  seq,
  attempt,
  account,
  model,
  gross,
  nodeAmount,
  fee,
  ms,
  payout,
  signed,
]: SqlRow): ReceiptRow => ({
  ...{ node: String(node), seq: Number(seq), attempt: String(attempt), account: String(account), model: String(model) },
  ...{ gross: Number(gross), nodeAmount: Number(nodeAmount), fee: Number(fee), finishedMs: Number(ms) },
  ...{ payoutId: payout as string | null, countersigned: Number(signed) === 1 },
});

/** Those that an account paid, by when their jobs were made; those before the attempt `before`, where it is given. */
export async function accountReceiptRows(
  db: Reader,
  account: string,
  { span: { fromMs, toMs }, before, limit }: { span: ReceiptSpan; before: string | null; limit: number },
): Promise<ReceiptRow[]> {
  const where = ["r.account = ?"];
  const params: SqlValue[] = [account];
  const bound = (what: string, value: SqlValue) => {
    where.push(what);
    params.push(value);
  };
  if (before !== null) bound("r.attempt < ?", before);
  if (fromMs !== null) bound("r.attempt >= ?", attemptAt(fromMs));
  if (toMs !== null) bound("r.attempt < ?", attemptAt(toMs));
  const rows = await db.query(`${ROWS} where ${where.join(" and ")} order by r.attempt desc limit ?`, [
    ...params,
    limit,
  ]);
  return rows.map(rowOf);
}

/** One node's, by their numbers from the highest on; those below `below`, where it is given. */
export async function nodeReceiptRows(
  db: Reader,
  node: string,
  { span: { fromMs, toMs }, below, limit }: { span: ReceiptSpan; below: number | null; limit: number },
): Promise<ReceiptRow[]> {
  const [head] = await db.query("select seq from node_chains where node = ?", [node]);
  const last = Number(head?.[0] ?? 0);
  const [least, past] = await Promise.all([
    fromMs === null ? 1 : seqAt(db, node, last, fromMs),
    toMs === null ? last + 1 : seqAt(db, node, last, toMs),
  ]);
  const rows = await db.query(`${ROWS} where r.node = ? and r.seq >= ? and r.seq < ? order by r.seq desc limit ?`, [
    ...[node, least, below === null ? past : Math.min(below, past), limit],
  ]);
  return rows.map(rowOf);
}

/** Those of a job, in the order of its attempts. */
export async function jobReceiptRows(db: Reader, job: string): Promise<ReceiptRow[]> {
  // "/" stands behind ".".
  const bounds = [`${job}.`, `${job}/`];
  const rows = await db.query(`${ROWS} where r.attempt > ? and r.attempt < ? order by r.attempt limit 1000`, bounds);
  return rows.map(rowOf);
}

/** The first number of a chain whose job ended at `ms` or later: numbers have no gap, and follow the time. */
async function seqAt(db: Reader, node: string, last: number, ms: number): Promise<number> {
  let [low, high] = [1, last + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [row] = await db.query("select finished_ms from receipts where node = ? and seq = ?", [node, middle]);
    if (Number(row?.[0] ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How ids of jobs begin that were made at that time: UUIDv7 (RFC 9562 §5.7) has the milliseconds first. */
function attemptAt(ms: number): string {
  const hex = Math.max(0, ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}`;
}
