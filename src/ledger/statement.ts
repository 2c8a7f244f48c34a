// Statement: what an account had, each movement since, and what it has after. Read in pages. Transactions are only added,
// so all pages of a statement agree by leaving out what was booked after the first.
import type { SqlRow, SqlValue } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Period } from "../lib/period.ts";
import { SYSTEM_ACCOUNTS } from "./ledger.ts";
import type { TransactionKind } from "./schema.ts";

export const STATEMENT_ROWS = 500;

export type StatementRow = {
  transaction: number;
  atMs: number;
  kind: TransactionKind;
  /** What brought it about. */
  cause: string;
  /** In somebody's words; null where nobody gave one. */
  reason: string | null;
  /** Ledger accounts on the other side. */
  counterparts: string[];
  /** Of a settlement; else null. */
  model: string | null;
  /** µ$; below zero it left the account. */
  amount: bigint;
  /** After it. */
  balance: bigint;
};
/** Where the next page begins. */
export type StatementCursor = { upTo: number; after: number; balance: bigint };
export type StatementPage = {
  /** Before this page's rows; on the first page at the period's beginning. */
  opening: bigint;
  rows: StatementRow[];
  /** After this page's rows; on the last page at the period's end. */
  closing: bigint;
  next: StatementCursor | null;
};

const SYSTEM = Object.values(SYSTEM_ACCOUNTS)
  .map((id) => `'${id}'`)
  .join(", ");
/** Of entries `e` and their transactions `t`, each with what is told of it. */
export const MOVEMENTS = `select t.id, t.created_ms, t.kind, t.cause, t.reason, e.amount, r.node, r.account, r.model,
    (select group_concat(o.account, ' ') from ledger_entries o
      where o.account in (${SYSTEM}) and o.transaction_id = t.id and o.account <> e.account)
  from ledger_entries e
  join ledger_transactions t on t.id = e.transaction_id
  left join receipts r on t.kind = 'settlement' and r.attempt = t.cause`;
const ROWS = `${MOVEMENTS}
  where e.account = ? and e.transaction_id > ? and e.transaction_id <= ? and t.created_ms >= ? and t.created_ms < ?
  order by e.transaction_id limit ${STATEMENT_ROWS}`;

/** One page, in the order of booking. `account`: as in `ledger_accounts`. */
export async function statementPage(
  db: Pick<Db, "snapshot">,
  account: string,
  { fromMs, toMs }: Period,
  cursor: StatementCursor | null,
): Promise<StatementPage> {
  const { upTo, after, balance } = cursor ?? (await beginning(db, account, fromMs));
  const found = await look(db, ROWS, [account, after, upTo, fromMs, toMs]);
  let running = balance;
  const rows = found.map((row): StatementRow => {
    const movement = movementOf(row, account);
    running += movement.amount;
    return { ...movement, balance: running };
  });
  const last = rows.at(-1);
  const next = last && rows.length === STATEMENT_ROWS ? { upTo, after: last.transaction, balance: running } : null;
  return { opening: balance, rows, closing: running, next };
}

/** A row of `MOVEMENTS`. */
export function movementOf(row: SqlRow, account: string): Omit<StatementRow, "balance"> {
  const [transaction, atMs, kind, cause, reason, moved, node, payer, model, system] = row;
  const counterparts = kind === "settlement" ? [`node/${node}`, String(payer)] : [];
  if (typeof system === "string") counterparts.push(...system.split(" "));
  return {
    transaction: Number(transaction),
    atMs: Number(atMs),
    kind: kind as TransactionKind,
    cause: String(cause),
    reason: reason as string | null,
    counterparts: counterparts.filter((other) => other !== account),
    model: model as string | null,
    amount: BigInt(moved as number),
  };
}

async function beginning(db: Pick<Db, "snapshot">, account: string, fromMs: number): Promise<StatementCursor> {
  const [row] = await look(
    db,
    `select (select coalesce(max(id), 0) from ledger_transactions), coalesce(sum(e.amount), 0) from ledger_entries e
     join ledger_transactions t on t.id = e.transaction_id where e.account = ? and t.created_ms < ?`,
    [account, fromMs],
  );
  return { upTo: Number(row?.[0] ?? 0), after: 0, balance: BigInt((row?.[1] ?? 0) as number) };
}

/** Off the event loop: an account may have millions of movements. */
const look = (db: Pick<Db, "snapshot">, sql: string, params: readonly SqlValue[]) =>
  db.snapshot(async (execute) => await execute(sql, params));
