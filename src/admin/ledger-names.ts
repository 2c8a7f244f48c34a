// Ledger names: which account of the ledger somebody means.
import { and, eq, or, sql } from "drizzle-orm";
import { accounts, users } from "../accounts/schema.ts";
import type { Db } from "../db/open.ts";
import { clientLedger, type LedgerAccountId, nodeLedger, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { nodes } from "../registry/schema.ts";
import type { AdminError } from "./operations.ts";

const HINT = "`infernet credits show` lists those with money; `infernet users list` and `infernet nodes list` the rest";

/**
 * An account's id, its name, its owner's email address, a node's key or name, or a ledger account's own id. A name that
 * several have is refused.
 */
export async function ledgerNamed(
  { read }: Pick<Db, "read">,
  text: string,
): Promise<Result<LedgerAccountId, AdminError>> {
  const system = Object.values(SYSTEM_ACCOUNTS).find((id) => id === text);
  if (system) return ok(system);
  const id = text.replace(/^(account|node)\//, "");
  const found = new Set<LedgerAccountId>();
  if (!text.startsWith("node/")) {
    const mine = text === id ? or(eq(accounts.id, id), eq(accounts.name, id)) : eq(accounts.id, id);
    const rows = await read.select({ id: accounts.id }).from(accounts).where(mine).limit(2);
    const exact = rows.find((row) => row.id === id);
    if (exact) return ok(clientLedger(exact.id));
    for (const row of rows) found.add(clientLedger(row.id));
    const owner = await read.select({ id: users.accountId }).from(users).where(eq(users.email, id.toLowerCase())).get();
    if (owner) found.add(clientLedger(owner.id));
  }
  if (!text.startsWith("account/")) {
    // The index is of names in any case.
    const named = and(sql`${nodes.name} = ${id} collate nocase`, eq(nodes.name, id));
    const mine = text === id ? or(eq(nodes.pubkey, id), named) : eq(nodes.pubkey, id);
    const rows = await read.select({ pubkey: nodes.pubkey }).from(nodes).where(mine).limit(2);
    for (const { pubkey } of rows) found.add(nodeLedger(pubkey));
  }
  const [only, another] = found;
  if (only === undefined) return err({ code: "not_found", message: "no account has that name or id", hint: HINT });
  if (another === undefined) return ok(only);
  return err({ code: "conflict", message: "several accounts have that name: give an id", hint: HINT });
}
