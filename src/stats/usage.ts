// Usage by the day: the sums that triggers keep, for charts. Exact, as of the last commit: what `jobs/usage.ts` adds up
// from the jobs themselves, without reading them.
import type { SqlRow } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { once } from "../lib/once.ts";

/** Ended jobs of one day, and of one key and model where that is asked for. */
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
  /** What rows are told apart by beside the day; both where left out. What they are not is null, or an empty name. */
  by?: "day" | "key" | "model";
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
  { accountId, fromDay, toDay, by }: UsageDaysQuery,
): Promise<UsageDay[]> {
  const rows =
    accountId === null
      ? await db.snapshot(async (execute) => await execute(select("u.day between ? and ?", by), [fromDay, toDay]))
      : await db.query(select("u.account_id = ? and u.day between ? and ?", by), [accountId, fromDay, toDay]);
  return rows.map(usageDay).reverse();
}

function select(where: string, by: UsageDaysQuery["by"]): string {
  const [key, model] = [by !== "day" && by !== "model", by !== "day" && by !== "key"];
  const groups = ["u.day", ...(key ? ["u.key_id"] : []), ...(model ? ["u.model"] : [])];
  const sums = SUMS.map((sum) => `sum(u.${sum})`).join(", ");
  return `select u.day, ${key ? "nullif(u.key_id, ''), k.name" : "null, null"}, ${model ? "u.model" : "''"}, ${sums}
    from usage_days u ${key ? "left join api_keys k on k.id = u.key_id" : ""} where ${where}
    group by ${groups.join(", ")} order by ${groups.map((group) => `${group} desc`).join(", ")} limit ${MAX_USAGE_DAYS}`;
}

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

const KEEP_MS = 60_000;
/** Spans that are kept ready. */
const MAX_KEPT = 16;

/** Everybody's, as of a minute ago: of a large network it is many rows to add up. */
export function createUsage({ db, clock }: { db: Db; clock: Clock }) {
  const kept = new Map<string, () => Promise<readonly UsageDay[]>>();
  return (query: Omit<UsageDaysQuery, "accountId">): Promise<readonly UsageDay[]> => {
    const name = `${query.fromDay} ${query.toDay} ${query.by ?? ""}`;
    const known = kept.get(name);
    if (known) return known();
    const read = once(clock, KEEP_MS, () => usageDays(db, { accountId: null, ...query }));
    kept.set(name, read);
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(oldest);
    }
    return read();
  };
}
