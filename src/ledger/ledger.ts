// Ledger: money moves here and nowhere else. A movement is a transaction whose entries sum to zero; it is unique by its
// cause, and the database refuses one that would leave a client or a node with less than is held of it.
import { eq } from "drizzle-orm";
import type { Drizzle, Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { ledgerAccounts, type TransactionKind } from "./schema.ts";

/** Accounts of the network itself; there from the first migration on. They may be below zero. */
export const SYSTEM_ACCOUNTS = {
  fees: "platform/fees",
  grants: "platform/grants",
  adjustments: "platform/adjustments",
  slashed: "platform/slashed",
  treasury: "chain/treasury",
  allowances: "chain/allowances",
  x402: "chain/x402",
} as const;
export type SystemAccount = (typeof SYSTEM_ACCOUNTS)[keyof typeof SYSTEM_ACCOUNTS];
/** Of a client (`accounts.id`), of what a node earned (its pubkey), or of the network. */
export type LedgerAccountId = `account/${string}` | `node/${string}` | SystemAccount;

export const clientLedger = (accountId: string): LedgerAccountId => `account/${accountId}`;
export const nodeLedger = (pubkey: string): LedgerAccountId => `node/${pubkey}`;

/** µ$; above zero it gains. */
export type Entry = { account: LedgerAccountId; amount: bigint };
export type Movement = {
  kind: TransactionKind;
  /** What brought it about: moves money once, however often it is posted. */
  cause: string;
  atMs: number;
  entries: readonly Entry[];
  actor?: string;
  reason?: string;
};

export type PostRefusal =
  /** This cause has moved its money already. */
  | "posted_already"
  /** It would take more than there is beside what is held. */
  | "not_covered";

/** What SQLite keeps exactly and JavaScript's numbers too. */
export const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Posts a movement inside the caller's transaction, whose `execute` it is. Entries of zero are left out; accounts that
 * are new are opened. Refused, it has changed nothing. Throws where entries do not sum to zero.
 */
export async function post(execute: Execute, movement: Movement): Promise<Result<number, PostRefusal>> {
  const entries = summed(movement.entries);
  const [known] = await execute("select 1 from ledger_transactions where cause = ?", [movement.cause]);
  if (known) return err("posted_already");
  const changed: Entry[] = [];
  for (const entry of entries) {
    await openLedger(execute, entry.account);
    if (await add(execute, entry)) {
      changed.push(entry);
      continue;
    }
    for (const { account, amount } of changed) await add(execute, { account, amount: -amount });
    return err("not_covered");
  }
  return ok(await writeMovement(execute, movement, entries));
}

/** The rows of a movement whose balances are, or will be, changed by the caller. */
export async function writeMovement(
  execute: Execute,
  { kind, cause, atMs, actor, reason }: Omit<Movement, "entries">,
  entries: readonly Entry[],
): Promise<number> {
  const [row] = await execute(
    "insert into ledger_transactions (kind, cause, created_ms, actor, reason) values (?, ?, ?, ?, ?) returning id",
    [kind, cause, atMs, actor ?? null, reason ?? null],
  );
  const id = Number(row?.[0]);
  for (const { account, amount } of entries) {
    await execute("insert into ledger_entries (account, transaction_id, amount) values (?, ?, ?)", [
      account,
      id,
      amount,
    ]);
  }
  return id;
}

/** Opens the account where it is new. */
export const openLedger = (execute: Execute, account: LedgerAccountId) =>
  execute("insert into ledger_accounts (id, kind) values (?, ?) on conflict do nothing", [account, kindOf(account)]);

const kindOf = (account: LedgerAccountId) =>
  account.startsWith("account/") ? "client" : account.startsWith("node/") ? "node" : "system";

/** False where it is not covered. */
async function add(execute: Execute, { account, amount }: Entry): Promise<boolean> {
  const rows = await execute(
    "update ledger_accounts set balance = balance + ? where id = ? and (kind = 'system' or balance + ? >= held) returning id",
    [amount, account, amount],
  );
  return rows.length === 1;
}

/** One entry for each account, none of them zero, first those that lose. */
function summed(entries: readonly Entry[]): Entry[] {
  const sums = new Map<LedgerAccountId, bigint>();
  let total = 0n;
  for (const { account, amount } of entries) {
    if (amount > MAX_AMOUNT || amount < -MAX_AMOUNT) throw new Error(`an amount of ${amount} µ$ is out of bounds`);
    sums.set(account, (sums.get(account) ?? 0n) + amount);
    total += amount;
  }
  if (total !== 0n) throw new Error(`entries sum to ${total} µ$ and not to zero`);
  return [...sums]
    .map(([account, amount]) => ({ account, amount }))
    .filter(({ amount }) => amount !== 0n)
    .sort((a, b) => (a.amount < b.amount ? -1 : 1));
}

/** µ$. `available`: what may be spent. */
export type Balance = { balance: bigint; held: bigint; available: bigint };

/** What an account has; nothing where it was never opened. */
export async function balanceOf({ read }: Pick<Db, "read"> | { read: Drizzle }, id: LedgerAccountId): Promise<Balance> {
  const [row] = await read.select().from(ledgerAccounts).where(eq(ledgerAccounts.id, id));
  const balance = BigInt(row?.balance ?? 0);
  const held = BigInt(row?.held ?? 0);
  return { balance, held, available: balance - held };
}
