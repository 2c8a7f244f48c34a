// Balances: what each account of the ledger has.
import type { Db } from "../db/open.ts";
import { ok } from "../lib/result.ts";
import { ledgerNamed } from "./ledger-names.ts";
import type { BalanceView } from "./money-operations.ts";
import type { Answer } from "./operation.ts";

const ROWS = 500;
const COLUMNS = `select l.id, l.kind, l.balance, l.held, l.funding, coalesce(a.name, nullif(n.name, '')) from ledger_accounts l
  left join accounts a on l.id = 'account/' || a.id
  left join nodes n on l.id = 'node/' || n.pubkey`;

/** In the order of their ids, after the one that `cursor` names; or the one that is `named`, though it never had any. */
export async function listBalances(
  db: Pick<Db, "read" | "query">,
  named: string | undefined,
  cursor: string | undefined,
): Answer<{ accounts: BalanceView[]; next: string | null }> {
  if (named === undefined) {
    const rows = await db.query(`${COLUMNS} where l.id > ? order by l.id limit ${ROWS}`, [cursor ?? ""]);
    const accounts = rows.map(view);
    return ok({ accounts, next: accounts.length === ROWS ? (accounts.at(-1)?.account ?? null) : null });
  }
  const account = await ledgerNamed(db, named);
  if (!account.ok) return account;
  const [row] = await db.query(`${COLUMNS} where l.id = ?`, [account.value]);
  const kind = account.value.startsWith("node/") ? "node" : "client";
  return ok({ accounts: [view(row ?? [account.value, kind, 0, 0, null, null])], next: null });
}

const view = ([id, kind, balance, held, funding, name]: readonly unknown[]): BalanceView => ({
  account: String(id),
  kind: String(kind),
  name: name as string | null,
  funding: funding as string | null,
  balance_micro_usd: Number(balance),
  held_micro_usd: Number(held),
  available_micro_usd: Number(balance) - Number(held),
});
