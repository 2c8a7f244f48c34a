// Movements: what changed an account, the newest first, each with the balance after it. In pages for people, which begin
// at what the account has now, so that a page costs the same however long its history is.
import type { SqlRow } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Period } from "../lib/period.ts";
import { MOVEMENTS, movementOf, type StatementRow } from "./statement.ts";

/** Where a page begins: what is older, or newer, than this transaction. */
export type MovementCursor = {
  to: "older" | "newer";
  transaction: number;
  /** µ$: of `newer` after the transaction, of `older` before it. */
  balance: bigint;
};
export type MovementPage = {
  /** The newest first. */
  rows: StatementRow[];
  newer: MovementCursor | null;
  older: MovementCursor | null;
};
export type MovementQuery = {
  /** As in `ledger_accounts`. */
  account: string;
  /** Null: all of it. */
  period: Period | null;
  limit: number;
};

/** With what the account has at that very moment. */
const NEWEST = MOVEMENTS.replace("select ", "select (select balance from ledger_accounts where id = e.account), ");

export async function movementPage(
  db: Pick<Db, "query" | "snapshot">,
  query: MovementQuery,
  cursor: MovementCursor | null,
): Promise<MovementPage> {
  if (cursor === null) return await firstPage(db, query);
  const { account, limit } = query;
  const isOlder = cursor.to === "older";
  const [within, times] = bounds(query);
  const sql = `${MOVEMENTS} where e.account = ? and e.transaction_id ${isOlder ? "<" : ">"} ?${within}
    order by e.transaction_id ${isOlder ? "desc" : "asc"} limit ?`;
  const found = await looking(db, query, (look) => look(sql, [account, cursor.transaction, ...times, limit + 1]));
  if (isOlder) return pageOf(downwards(found.slice(0, limit), account, cursor.balance), true, found.length > limit);
  let balance = cursor.balance;
  const rows = found.slice(0, limit).map((row) => {
    const movement = movementOf(row, account);
    balance += movement.amount;
    return { ...movement, balance };
  });
  return pageOf(rows.reverse(), found.length > limit, true);
}

/** All statements of a page see the same moment; where they may read much, off the event loop. */
const looking = <T>(
  db: Pick<Db, "query" | "snapshot">,
  { period }: MovementQuery,
  act: (look: Look) => Promise<T>,
): Promise<T> =>
  period === null
    ? act((sql, params) => db.query(sql, params))
    : db.snapshot((execute) => act(async (sql, params) => await execute(sql, params)));
type Look = (sql: string, params: readonly (string | number)[]) => Promise<SqlRow[]>;

const bounds = ({ period }: MovementQuery): [string, number[]] =>
  period === null ? ["", []] : [" and t.created_ms >= ? and t.created_ms < ?", [period.fromMs, period.toMs]];

function firstPage(db: Pick<Db, "query" | "snapshot">, query: MovementQuery): Promise<MovementPage> {
  const { account, period, limit } = query;
  const [within, times] = bounds(query);
  const sql = `${NEWEST} where e.account = ?${within} order by e.transaction_id desc limit ?`;
  return looking(db, query, async (look) => {
    const found = await look(sql, [account, ...times, limit + 1]);
    const now = BigInt((found[0]?.[0] ?? 0) as number);
    const since = period === null ? 0n : await movedSince(look, account, period.toMs);
    const rows = found.slice(0, limit).map(([, ...row]) => row);
    return pageOf(downwards(rows, account, now - since), false, found.length > limit);
  });
}

async function movedSince(look: Look, account: string, atMs: number): Promise<bigint> {
  const [row] = await look(
    `select coalesce(sum(e.amount), 0) from ledger_entries e join ledger_transactions t on t.id = e.transaction_id
     where e.account = ? and t.created_ms >= ?`,
    [account, atMs],
  );
  return BigInt((row?.[0] ?? 0) as number);
}

/** `balance`: after the first of the rows, which is the newest. */
function downwards(found: readonly SqlRow[], account: string, balance: bigint): StatementRow[] {
  let after = balance;
  return found.map((row) => {
    const movement = { ...movementOf(row, account), balance: after };
    after -= movement.amount;
    return movement;
  });
}

function pageOf(rows: StatementRow[], isNewer: boolean, isOlder: boolean): MovementPage {
  const [first, last] = [rows.at(0), rows.at(-1)];
  return {
    rows,
    newer: first && isNewer ? { to: "newer", transaction: first.transaction, balance: first.balance } : null,
    older: last && isOlder ? { to: "older", transaction: last.transaction, balance: last.balance - last.amount } : null,
  };
}

/** As text for a URL. */
export const movementCursorText = ({ to, transaction, balance }: MovementCursor): string =>
  `${to}:${transaction}:${balance}`;
/** Null for what no page gave. */
export function readMovementCursor(text: string): MovementCursor | null {
  const [, to, transaction, balance] = /^(older|newer):(\d{1,15}):(-?\d{1,16})$/.exec(text) ?? [];
  if (to === undefined || balance === undefined) return null;
  return { to: to === "older" ? "older" : "newer", transaction: Number(transaction), balance: BigInt(balance) };
}
