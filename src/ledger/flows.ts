// Flows: money that came into the books and left them, by the day. Counted from the accounts that are the other side of
// it, so that the many movements between clients and nodes are not read.
import type { Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { SYSTEM_ACCOUNTS } from "./ledger.ts";
import type { TransactionKind } from "./schema.ts";

export type Flow = {
  /** UTC's, counted from the Unix epoch. */
  day: number;
  kind: TransactionKind;
  /** A payout that an admin made in another way than on the chain. */
  outside: boolean;
  /** µ$ into the books, and out of them. */
  into: bigint;
  out: bigint;
};

const OTHER_SIDE = [
  SYSTEM_ACCOUNTS.grants,
  SYSTEM_ACCOUNTS.adjustments,
  SYSTEM_ACCOUNTS.treasury,
  SYSTEM_ACCOUNTS.allowances,
  SYSTEM_ACCOUNTS.x402,
];
const DAY_MS = 86_400_000;
const SUMS = `select t.created_ms / ${DAY_MS}, t.kind, t.cause like 'outside/%',
    coalesce(sum(case when e.amount < 0 then -e.amount end), 0), coalesce(sum(case when e.amount > 0 then e.amount end), 0)
  from ledger_entries e join ledger_transactions t on t.id = e.transaction_id
  where e.account in (${OTHER_SIDE.map((id) => `'${id}'`).join(", ")}) and e.transaction_id > ? and t.created_ms >= ?
  group by 1, 2, 3 order by 1`;

/** From that day on, the oldest first. Off the event loop. */
export async function moneyFlows(db: Pick<Db, "snapshot">, fromDay: number): Promise<Flow[]> {
  const fromMs = fromDay * DAY_MS;
  const rows = await db.snapshot(async (execute) => await execute(SUMS, [await before(execute, fromMs), fromMs]));
  return rows.map(([day, kind, outside, into, out]) => ({
    day: Number(day),
    kind: kind as TransactionKind,
    outside: Number(outside) === 1,
    into: BigInt(into as number),
    out: BigInt(out as number),
  }));
}

/** Transactions are numbered in the order of booking, and coordinators' clocks may differ: so many are looked at twice. */
const MARGIN = 1_000;

/** A transaction before which all are older than `ms`. */
async function before(execute: Execute, ms: number): Promise<number> {
  const [row] = await execute("select coalesce(max(id), 0) from ledger_transactions", []);
  let [low, high] = [0, Number(row?.[0] ?? 0) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [at] = await execute("select created_ms from ledger_transactions where id >= ? order by id limit 1", [
      middle,
    ]);
    if (Number(at?.[0] ?? Number.MAX_SAFE_INTEGER) < ms) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1 - MARGIN);
}
