// Earnings: what a node earned, and where that is now. Amounts are µ$.
import type { Db } from "../db/open.ts";
import { balanceOf, nodeLedger } from "../ledger/ledger.ts";

export type EarningsTotal = {
  /** Owed, and in no payout. */
  unpaid: bigint;
  /** In payouts that are not final yet, stuck ones included. */
  inPayout: bigint;
  /** Of that: waits for whoever pays it. */
  stuck: bigint;
  /** On the chain. */
  paid: bigint;
};
export type EarningsRow = {
  /** YYYY-MM-DD, UTC. */
  day: string;
  model: string;
  receipts: number;
  gross: bigint;
  nodeAmount: bigint;
  fee: bigint;
};

/** Receipts looked at for the table: of a node with more, the latest. */
const MAX_LOOKED_AT = 200_000;
const MAX_ROWS = 1_000;

export async function earningsTotal(db: Pick<Db, "read" | "query">, node: string): Promise<EarningsTotal> {
  const { balance, held } = await balanceOf(db, nodeLedger(node));
  const [row] = await db.query(
    `select coalesce(sum(case when state = 'stuck' then node_amount end), 0),
       coalesce(sum(case when state = 'paid' then node_amount end), 0) from payouts where node = ?`,
    [node],
  );
  const [stuck, paid] = [BigInt((row?.[0] ?? 0) as number), BigInt((row?.[1] ?? 0) as number)];
  return { unpaid: balance - held, inPayout: held, stuck, paid };
}

/** By day and model, the newest first, from `sinceMs` on. */
export async function earningsByDay(db: Pick<Db, "query">, node: string, sinceMs: number): Promise<EarningsRow[]> {
  const rows = await db.query(
    `select date(finished_ms / 1000, 'unixepoch') as day, model, count(*), sum(gross), sum(node_amount), sum(fee)
     from receipts where node = ? and seq > (select max(seq) - ${MAX_LOOKED_AT} from receipts where node = ?)
       and finished_ms >= ?
     group by day, model order by day desc, sum(node_amount) desc, model limit ${MAX_ROWS}`,
    [node, node, sinceMs],
  );
  return rows.map(([day, model, receipts, gross, nodeAmount, fee]) => ({
    day: String(day),
    model: String(model),
    receipts: Number(receipts),
    gross: BigInt(gross as number),
    nodeAmount: BigInt(nodeAmount as number),
    fee: BigInt(fee as number),
  }));
}
