// Balances: what each account of the ledger has.
import type { Db } from "../db/open.ts";
import { SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { LEDGER_KINDS } from "../ledger/schema.ts";
import { ok } from "../lib/result.ts";
import { ledgerNamed } from "./ledger-names.ts";
import type { BalanceView } from "./money-operations.ts";
import type { Answer } from "./operation.ts";

const COLUMNS = `select l.id, l.kind, l.balance, l.held, l.funding, coalesce(a.name, nullif(n.name, '')) from ledger_accounts l
  left join accounts a on l.kind = 'client' and a.id = substr(l.id, 9)
  left join nodes n on l.kind = 'node' and n.pubkey = substr(l.id, 6)`;

type Asked = {
  account?: string | undefined;
  kind?: LedgerKind | undefined;
  limit: number;
  cursor?: string | undefined;
};
type LedgerKind = (typeof LEDGER_KINDS)[number];

/** Where the ids of a kind stand in their order; those of the network are few, and in two places. */
const SPANS: Record<LedgerKind, readonly [string, string]> = {
  client: ["account/", "account0"],
  node: ["node/", "node0"],
  system: ["", "\uffff"],
};

/** In the order of their ids, after the one that `cursor` names; or the one account, though it never had any. */
export async function listBalances(
  db: Pick<Db, "read" | "query">,
  { account, kind, limit, cursor = "" }: Asked,
): Answer<{ accounts: BalanceView[]; next: string | null }> {
  if (account !== undefined) return await oneBalance(db, account);
  const [from, to] = kind === undefined ? SPANS.system : SPANS[kind];
  const ids = kind === "system" ? `and l.id in (${SYSTEM})` : "";
  const rows = await db.query(`${COLUMNS} where l.id > ? and l.id >= ? and l.id < ? ${ids} order by l.id limit ?`, [
    ...[cursor, from, to, limit],
  ]);
  const accounts = rows.map(view);
  return ok({ accounts, next: accounts.length === limit ? (accounts.at(-1)?.account ?? null) : null });
}

const SYSTEM = Object.values(SYSTEM_ACCOUNTS)
  .map((id) => `'${id}'`)
  .join(", ");

async function oneBalance(
  db: Pick<Db, "read" | "query">,
  named: string,
): Answer<{ accounts: BalanceView[]; next: string | null }> {
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
