// Holds: what an account may have to pay for a job under way, spoken for until the job's end. Decided by conditional
// writes: a thousand requests at once cannot hold more than there is.
import type { Execute, ExecuteMany, SqlValue } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type LedgerAccountId, openLedger } from "./ledger.ts";

/** Something that may be spent up to `limit` µ$ beside the account's own balance: a key's day, or its whole life. */
export type Budget = { id: string; limit: bigint };
/** µ$ per million tokens. */
export type Price = { input: number; output: number };
export type Hold = {
  jobId: string;
  account: LedgerAccountId;
  /** µ$. */
  amount: bigint;
  /** The dearest it was reckoned with. */
  price: Price;
  budgets: readonly Budget[];
  /** Whose process answers it; null where the job outlives the process. */
  owner: string | null;
  atMs: number;
};
export type HoldRefusal = { code: "insufficient_credit" } | { code: "spend_limit"; budget: string };

/** Holds, or changes nothing. A job holds once. */
export async function hold(execute: Execute, wanted: Hold): Promise<Result<void, HoldRefusal>> {
  const [held] = await holdAll(execute, oneByOne(execute), [wanted]);
  return held ?? ok(undefined);
}

/** Holds those of these that are covered, in their order; each answer says whether its own is. */
export async function holdAll(
  execute: Execute,
  many: ExecuteMany,
  wanted: readonly Hold[],
): Promise<Result<void, HoldRefusal>[]> {
  const accounts = new Purse(await load(execute, AVAILABLE, new Set(wanted.map(({ account }) => account))));
  const ids = new Set(wanted.flatMap(({ budgets: own }) => own.map(({ id }) => id)));
  const used = new Purse(ids.size === 0 ? new Map() : await load(execute, USED, ids));
  const answers = wanted.map(({ account, amount, budgets: own }): Result<void, HoldRefusal> => {
    const spent = own.find(({ id, limit }) => (used.of(id) ?? 0n) + amount > limit);
    if (spent) return err({ code: "spend_limit", budget: spent.id });
    if ((accounts.of(account) ?? -1n) < amount) return err({ code: "insufficient_credit" });
    accounts.add(account, -amount);
    for (const { id } of own) used.add(id, amount);
    return ok(undefined);
  });
  // So that whoever looks an account up finds one without credit, and not none.
  for (const { account } of wanted) if (accounts.of(account) === undefined) await openLedger(execute, account);
  await many("update ledger_accounts set held = held - ? where id = ?", accounts.changes());
  await many(
    "insert into budgets (used, id) values (?, ?) on conflict (id) do update set used = used + excluded.used",
    used.changes(),
  );
  await many(INSERT_HOLD, wanted.filter((_, i) => answers[i]?.ok).map(rowOf));
  return answers;
}

const AVAILABLE = "select id, balance - held from ledger_accounts where id in (select value from json_each(?))";
const USED = "select id, used from budgets where id in (select value from json_each(?))";

async function load(execute: Execute, sql: string, ids: ReadonlySet<string>): Promise<Map<string, bigint>> {
  const rows = await execute(sql, [JSON.stringify([...ids])]);
  return new Map(rows.map(([id, amount]) => [id as string, BigInt(amount as number)]));
}

/** Amounts as they were read, and as they are to be written. */
class Purse {
  private readonly changed = new Map<string, bigint>();
  private readonly amounts: Map<string, bigint>;
  constructor(amounts: Map<string, bigint>) {
    this.amounts = amounts;
  }
  /** Nothing where it is not there. */
  of(id: string): bigint | undefined {
    return this.amounts.get(id);
  }
  add(id: string, amount: bigint): void {
    this.amounts.set(id, (this.amounts.get(id) ?? 0n) + amount);
    this.changed.set(id, (this.changed.get(id) ?? 0n) + amount);
  }
  changes(): [bigint, string][] {
    return [...this.changed].map(([id, amount]) => [amount, id]);
  }
}

const INSERT_HOLD = `insert into holds (job_id, account, amount, price_input, price_output, budgets, owner, created_ms)
  values (?, ?, ?, ?, ?, ?, ?, ?)`;

const rowOf = ({ jobId, account, amount, price, budgets: own, owner, atMs }: Hold): SqlValue[] => [
  jobId,
  account,
  amount,
  price.input,
  price.output,
  own.length === 0 ? null : JSON.stringify(own.map(({ id }) => id)),
  owner,
  atMs,
];

/** `many`, where there is only `execute`. */
export const oneByOne =
  (execute: Execute): ExecuteMany =>
  async (sql, rows) => {
    for (const row of rows) await execute(sql, row);
  };

const giveBack = (execute: Execute, id: string, amount: bigint) =>
  execute("update budgets set used = used - ? where id = ?", [amount, id]);

/**
 * Takes away what jobs hold whose amounts the caller knows, each with what was spent of it: one statement for all of
 * them. Throws where some hold no longer. The caller lowers the accounts' `held`.
 */
export async function takeAll(
  execute: Execute,
  many: ExecuteMany,
  taken: readonly { jobId: string; amount: bigint; spent: bigint; budgets: readonly Budget[] }[],
): Promise<void> {
  if (taken.length === 0) return;
  await execute("delete from holds where job_id in (select value from json_each(?))", [
    JSON.stringify(taken.map(({ jobId }) => jobId)),
  ]);
  const [changed] = await execute("select changes()", []);
  if (Number(changed?.[0]) !== taken.length) throw new Error("a job that ends holds nothing any more");
  const unspent = taken.flatMap(({ amount, spent, budgets: own }) => own.map(({ id }) => [amount - spent, id]));
  await many("update budgets set used = used - ? where id = ?", unspent);
}

export type TakenHold = { account: LedgerAccountId; amount: bigint };

/**
 * Takes the job's hold away, and `spent` of it from its budgets for good. The caller lowers the account's `held` by its
 * amount, in the same transaction. Nothing where the job holds nothing (any more).
 */
export async function takeHold(execute: Execute, jobId: string, spent: bigint): Promise<TakenHold | null> {
  const [row] = await execute("delete from holds where job_id = ? returning account, amount, budgets", [jobId]);
  if (!row) return null;
  const amount = BigInt(row[1] as number);
  if (row[2] !== null) {
    for (const id of JSON.parse(row[2] as string) as string[]) await giveBack(execute, id, amount - spent);
  }
  return { account: row[0] as LedgerAccountId, amount };
}

/** Lets go of all that the job held. False where it held nothing. */
export async function release(execute: Execute, jobId: string): Promise<boolean> {
  const taken = await takeHold(execute, jobId, 0n);
  if (!taken) return false;
  await execute("update ledger_accounts set held = held - ? where id = ?", [taken.amount, taken.account]);
  return true;
}

/** Lets go of what was held for chats of an earlier process of this instance. How many there were. */
export async function releaseOwned(execute: Execute, owner: string): Promise<number> {
  const rows = await execute("select job_id from holds where owner = ?", [owner]);
  for (const [jobId] of rows) await release(execute, jobId as string);
  return rows.length;
}
