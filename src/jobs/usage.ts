// Usage: how much was asked for, in requests, tokens and µ$, by account, key, model and day. Read in pages, and never on
// the event loop: there may be millions of jobs.
import type { SqlValue } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Period } from "../lib/period.ts";
import { idAt } from "./list.ts";

/** What rows may be counted by. Days are UTC's. */
export const USAGE_BY = ["account", "key", "model", "day"] as const;
export type UsageBy = (typeof USAGE_BY)[number];

export type UsageQuery = {
  period: Period;
  by: readonly UsageBy[];
  /** One account's; everybody's where left out. */
  accountId?: string;
};
/** What it is not counted by is not there. */
export type UsageRow = {
  account?: string;
  /** Its id; null for requests without one. */
  key?: string | null;
  key_name?: string | null;
  model?: string;
  /** `2026-03-04`. */
  day?: string;
  /** Jobs that have ended, however they did. */
  requests: number;
  completed: number;
  prompt_tokens: number;
  completion_tokens: number;
  charged_micro_usd: number;
};
/** Where the next page begins. */
export type UsageCursor = { fromMs: number; offset: number };
export type UsagePage = { rows: UsageRow[]; next: UsageCursor | null };

export const USAGE_ROWS = 2_000;
const DAY_MS = 86_400_000;
/** Days that are looked at in one go where rows are counted by day. */
const DAYS = 31;
/** Ids tell a job's time to within what a clock may be put back. */
const ID_MARGIN_MS = DAY_MS;

const COLUMNS: Record<UsageBy, { sql: string; names: readonly (keyof UsageRow)[] }> = {
  day: { sql: "date(j.created_ms / 1000, 'unixepoch')", names: ["day"] },
  account: { sql: "j.account_id", names: ["account"] },
  key: { sql: "j.key_id, k.name", names: ["key", "key_name"] },
  model: { sql: "j.model", names: ["model"] },
};
const SUMS = ["requests", "completed", "prompt_tokens", "completion_tokens", "charged_micro_usd"] as const;
const SUMMED = `count(*), sum(j.state = 'completed'), coalesce(sum(j.prompt_tokens), 0), coalesce(sum(j.completion_tokens), 0),
  coalesce(sum(j.charged_micro_usd), 0)`;

/** Rows in the order of days, accounts, keys and models. */
export async function usagePage(
  db: Pick<Db, "snapshot">,
  { period, by, accountId }: UsageQuery,
  cursor: UsageCursor | null,
): Promise<UsagePage> {
  const groups = (["day", "account", "key", "model"] as const).filter((one) => by.includes(one));
  const isDaily = groups.includes("day");
  for (let at = cursor ?? { fromMs: await firstMs(db, period), offset: 0 }; at.fromMs < period.toMs; ) {
    const { fromMs, offset } = at;
    const endMs = isDaily ? Math.min(period.toMs, (Math.floor(fromMs / DAY_MS) + DAYS) * DAY_MS) : period.toMs;
    const rows = await counted(db, groups, { fromMs, toMs: endMs, offset, accountId });
    if (rows.length === USAGE_ROWS) return { rows, next: { fromMs, offset: offset + USAGE_ROWS } };
    at = { fromMs: endMs, offset: 0 };
    if (rows.length > 0) return { rows, next: endMs < period.toMs ? at : null };
  }
  return { rows: [], next: null };
}

type Part = { fromMs: number; toMs: number; offset: number; accountId: string | undefined };

async function counted(
  db: Pick<Db, "snapshot">,
  groups: readonly UsageBy[],
  { fromMs, toMs, offset, accountId }: Part,
): Promise<UsageRow[]> {
  const columns = groups.map((one) => COLUMNS[one].sql);
  const names = groups.flatMap((one) => COLUMNS[one].names);
  const order = names.map((_, i) => String(i + 1)).join(", ");
  const params: SqlValue[] = [idAt(fromMs - ID_MARGIN_MS), idAt(toMs + ID_MARGIN_MS), fromMs, toMs];
  if (accountId !== undefined) params.push(accountId);
  const sql = `select ${[...columns, SUMMED].join(", ")} from jobs j left join api_keys k on k.id = j.key_id
    where j.id >= ? and j.id < ? and j.created_ms >= ? and j.created_ms < ? and j.ended_ms is not null
    ${accountId === undefined ? "" : "and j.account_id = ?"}
    ${order === "" ? "" : `group by ${order} order by ${order}`} limit ${USAGE_ROWS} offset ${offset}`;
  const rows = await db.snapshot(async (execute) => await execute(sql, params));
  const found = rows.map((row) => Object.fromEntries([...names, ...SUMS].map((name, i) => [name, row[i]])));
  // Without groups there is one row, of nothing where there were no jobs.
  return (found as UsageRow[]).filter(({ requests }) => requests > 0);
}

/** When the first job of the period was made, so that years without any are not looked through day by day. */
async function firstMs(db: Pick<Db, "snapshot">, { fromMs, toMs }: Period): Promise<number> {
  const sql = "select created_ms from jobs where id >= ? order by id limit 1";
  const [row] = await db.snapshot(async (execute) => await execute(sql, [idAt(fromMs)]));
  const first = row === undefined ? toMs : Number(row[0]) - ID_MARGIN_MS;
  return Math.max(fromMs, Math.min(first, toMs));
}
