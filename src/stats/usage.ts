// Usage by the day: the sums that triggers keep, for charts. Exact, as of the last commit: what `jobs/usage.ts` adds up
// from the jobs themselves, without reading them.
import type { SqlRow } from "../db/executor.ts";
import type { Db } from "../db/open.ts";

/** Ended jobs of one day, key and model. */
export type UsageDay = {
  /** UTC's, counted from the Unix epoch. */
  day: number;
  /** Null where no key asked. */
  keyId: string | null;
  /** Null for no key, and for one that is not known any more. */
  keyName: string | null;
  model: string;
  requests: number;
  completed: number;
  promptTokens: number;
  completionTokens: number;
  /** µ$. */
  charged: number;
};

export type UsageDaysQuery = {
  /** Null: everybody's, added up. */
  accountId: string | null;
  /** The first and the last, both included. */
  fromDay: number;
  toDay: number;
};

/** No more rows than this are given: of more, the newest days. */
export const MAX_USAGE_DAYS = 20_000;

const SUMS = ["requests", "completed", "prompt_tokens", "completion_tokens", "charged_micro_usd"];

/**
 * Oldest day first; days of nothing are left out. One account's are read at once, everybody's off the event loop: keep
 * those for a while.
 */
export async function usageDays(
  db: Pick<Db, "query" | "snapshot">,
  { accountId, fromDay, toDay }: UsageDaysQuery,
): Promise<UsageDay[]> {
  const rows =
    accountId === null
      ? await db.snapshot(async (execute) => await execute(select("u.day between ? and ?"), [fromDay, toDay]))
      : await db.query(select("u.account_id = ? and u.day between ? and ?"), [accountId, fromDay, toDay]);
  return rows.map(usageDay).reverse();
}

const select = (where: string): string => `select u.day, nullif(u.key_id, ''), k.name, u.model,
  ${SUMS.map((sum) => `sum(u.${sum})`).join(", ")}
  from usage_days u left join api_keys k on k.id = u.key_id where ${where}
  group by u.day, u.key_id, u.model order by u.day desc, u.key_id desc, u.model desc limit ${MAX_USAGE_DAYS}`;

const usageDay = ([day, keyId, keyName, model, ...sums]: SqlRow): UsageDay => {
  const [requests = 0, completed = 0, promptTokens = 0, completionTokens = 0, charged = 0] = sums as number[];
  return {
    day: Number(day),
    keyId: keyId as string | null,
    keyName: keyName as string | null,
    model: String(model),
    ...{ requests, completed, promptTokens, completionTokens, charged },
  };
};
