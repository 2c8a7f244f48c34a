// Check of the books: entries, balances and holds against each other, by the database itself.
import type { Execute } from "../db/executor.ts";
import { checkRows, findings, type LedgerCheck, type LedgerLook } from "./check.ts";

/** Triggers without which rows of the books could be changed. */
const GUARDS = [
  "ledger_transactions_kept",
  "ledger_transactions_fixed",
  "ledger_entries_kept",
  "ledger_entries_fixed",
  "receipts_kept",
  "receipts_fixed",
  "audit_log_in_order",
  "audit_log_not_changed",
  "audit_log_not_deleted",
] as const;

/** All of them, for one snapshot. */
export const bookLooks = (): LedgerLook[] => [
  checkGuards,
  checkTransactions,
  checkEntries,
  checkBalances,
  checkWhole,
  checkCovered,
  checkHeld,
];

async function checkGuards(execute: Execute): Promise<LedgerCheck> {
  const found = findings("the database guards the rows of the books");
  const rows = await execute("select name from sqlite_schema where type = 'trigger'", []);
  const there = new Set(rows.map(([name]) => name));
  found.looked(GUARDS.length);
  for (const name of GUARDS) {
    if (!there.has(name))
      found.fault(`trigger ${name}`, "it is not there: somebody has made rows changeable that never change");
  }
  return found.check;
}

const checkTransactions = (execute: Execute) =>
  checkRows(execute, "each transaction's entries sum to zero", {
    count: "select count(*) from ledger_transactions",
    wrong: `select t.id, t.kind, t.cause, coalesce(e.total, 0), coalesce(e.n, 0) from ledger_transactions t
      left join (select transaction_id, sum(amount) as total, count(*) as n from ledger_entries group by transaction_id) e
        on e.transaction_id = t.id
      where coalesce(e.total, 0) <> 0 or e.n = 1 or (t.kind = 'settlement' and coalesce(e.n, 0) not in (2, 3))`,
    tell: ([id, kind, cause, total, n]) => ({
      row: `transaction ${id} (${kind}, ${cause})`,
      message:
        n === 0
          ? "it has no entries: what it moved is gone"
          : total === 0
            ? `it has ${n} entries: some are not its own, or are missing`
            : `its entries sum to ${total} µ$: money was ${Number(total) > 0 ? "made" : "lost"} there`,
    }),
  });

const checkEntries = (execute: Execute) =>
  checkRows(execute, "each entry belongs to a transaction and an account", {
    count: "select count(*) from ledger_entries",
    wrong: `select e.account, e.transaction_id, e.amount, t.id is null from ledger_entries e
      left join ledger_transactions t on t.id = e.transaction_id
      left join ledger_accounts a on a.id = e.account
      where t.id is null or a.id is null or e.amount = 0`,
    tell: ([account, transaction, amount, orphan]) => ({
      row: `entry of ${account} in transaction ${transaction}`,
      message:
        amount === 0
          ? "it moves nothing"
          : orphan
            ? `${amount} µ$ moved for no transaction`
            : `${amount} µ$ moved to an account that is not there`,
    }),
  });

const checkBalances = (execute: Execute) =>
  checkRows(execute, "each balance is the sum of its entries", {
    count: "select count(*) from ledger_accounts",
    wrong: `select a.id, a.balance, coalesce(e.total, 0) from ledger_accounts a
      left join (select account, sum(amount) as total from ledger_entries group by account) e on e.account = a.id
      where a.balance <> coalesce(e.total, 0)`,
    tell: ([id, balance, total]) => ({
      row: `account ${id}`,
      message: `its balance is ${balance} µ$, its entries sum to ${total}: one of them was changed by hand`,
    }),
  });

async function checkWhole(execute: Execute): Promise<LedgerCheck> {
  const found = findings("all balances together are zero");
  const [row] = await execute("select count(*), coalesce(sum(balance), 0) from ledger_accounts", []);
  found.looked(Number(row?.[0] ?? 0));
  const sum = Number(row?.[1] ?? 0);
  if (sum !== 0) found.fault("all accounts", `they sum to ${sum} µ$: money was ${sum > 0 ? "made" : "lost"}`);
  return found.check;
}

const checkCovered = (execute: Execute) =>
  checkRows(execute, "no client or node is below zero, or below what is held", {
    count: "select count(*) from ledger_accounts",
    wrong: `select id, balance, held, kind from ledger_accounts
      where held < 0 or (kind <> 'system' and (balance < 0 or balance < held))
        or kind <> case when id like 'account/%' then 'client' when id like 'node/%' then 'node' else 'system' end`,
    tell: ([id, balance, held, kind]) => ({
      row: `account ${id}`,
      message: `its balance is ${balance} µ$, of which ${held} are held; it is kept as one of kind ${kind}`,
    }),
  });

const checkHeld = (execute: Execute) =>
  checkRows(execute, "what is held of an account is the sum of its holds", {
    count: "select count(*) from holds",
    wrong: `select coalesce(a.id, h.account), a.held, coalesce(h.total, 0), coalesce(h.least, 0) from ledger_accounts a
      full join (select account, sum(amount) as total, min(amount) as least from holds group by account) h on h.account = a.id
      where a.id is null or a.held <> coalesce(h.total, 0) or h.least < 0`,
    tell: ([id, held, total, least]) => ({
      row: `account ${id}`,
      message:
        held === null
          ? `${total} µ$ are held of it, and it is not there`
          : held === total
            ? `one of its holds is of ${least} µ$`
            : `${held} µ$ are held of it, its holds sum to ${total}: it can spend too ${Number(held) > Number(total) ? "little" : "much"}`,
    }),
  });
