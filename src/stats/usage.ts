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
  /** Of all keys or models together that are not among the largest. */
  others?: true;
};

export type UsageDaysQuery = {
  /** Null: everybody's, added up. */
  accountId: string | null;
  /** The first and the last, both included. */
  fromDay: number;
  toDay: number;
  /** What rows are told apart by beside the day; both where left out. What they are not is null, or an empty name. Of
   * keys and models those with the most requests are told apart, and all others are one. */
  by?: "day" | "key" | "model";
};

/** Keys or models that are told apart: with many more, what is read would have no end. */
export const MOST_GROUPS = 199;

const SUMS = ["requests", "completed", "prompt_tokens", "completion_tokens", "charged_micro_usd"];

/**
 * Oldest day first; days of nothing are left out. One account's days are read at once, all else off the event loop: an
 * account may have thousands of keys. Everybody's take a while: keep them.
 */
export async function usageDays(
  db: Pick<Db, "query" | "snapshot">,
  { accountId, fromDay, toDay, by }: UsageDaysQuery,
): Promise<UsageDay[]> {
  const where = `${accountId === null ? "" : "u.account_id = ?3 and "}u.day between ?1 and ?2`;
  const [sql, params] = [select(where, by), accountId === null ? [fromDay, toDay] : [fromDay, toDay, accountId]];
  const few = accountId !== null && by === "day";
  const rows = few ? await db.query(sql, params) : await db.snapshot(async (execute) => await execute(sql, params));
  return rows.map(usageDay).reverse();
}

const TOLD = { key: "u.key_id", model: "u.model" };
const NAMED = "left join api_keys k on k.id = u.key_id";

function select(where: string, by: UsageDaysQuery["by"]): string {
  const sums = SUMS.map((sum) => `sum(u.${sum})`).join(", ");
  if (by === "day") {
    return `select u.day, null, null, '', 0, ${sums} from usage_days u where ${where} group by 1 order by 1 desc`;
  }
  if (by === undefined) {
    return `select u.day, nullif(u.key_id, ''), k.name, u.model, 0, ${sums} from usage_days u ${NAMED} where ${where}
      group by u.day, u.key_id, u.model order by u.day desc, u.key_id desc, u.model desc`;
  }
  const told = TOLD[by];
  const name = by === "key" ? "nullif(l.name, ''), k.name, ''" : "null, null, coalesce(l.name, '')";
  // Added up by day and name first: of everybody's there are tens of thousands, which are read once.
  return `with named as materialized (select u.day, ${told} as name, ${SUMS.map((sum) => `sum(u.${sum}) as ${sum}`).join(", ")}
      from usage_days u where ${where} group by 1, 2),
    largest as materialized (select name from named group by 1 order by sum(requests) desc, 1 limit ${MOST_GROUPS})
    select u.day, ${name}, l.name is null, ${sums} from named u left join largest l on l.name = u.name
      ${by === "key" ? "left join api_keys k on k.id = l.name" : ""}
    group by u.day, l.name order by u.day desc, l.name desc`;
}

const usageDay = ([day, keyId, keyName, model, others, ...sums]: SqlRow): UsageDay => {
  const [requests = 0, completed = 0, promptTokens = 0, completionTokens = 0, charged = 0] = sums as number[];
  return {
    day: Number(day),
    keyId: keyId as string | null,
    keyName: keyName as string | null,
    model: String(model),
    ...{ requests, completed, promptTokens, completionTokens, charged },
    ...(others === 1 ? { others: true as const } : {}),
  };
};

const KEEP_MS = 60_000;
/** Nobody waits for what was read lately. */
const STALE_MS = 600_000;
/** Spans that are kept ready. */
const MAX_KEPT = 16;

/** Everybody's, as of a minute ago: of a large network it is many rows to add up. */
export function createUsage({ db, clock }: { db: Db; clock: Clock }) {
  const kept = new Map<string, () => Promise<readonly UsageDay[]>>();
  return (query: Omit<UsageDaysQuery, "accountId">): Promise<readonly UsageDay[]> => {
    const name = `${query.fromDay} ${query.toDay} ${query.by ?? ""}`;
    const known = kept.get(name);
    if (known) return known();
    const read = once(clock, KEEP_MS, () => usageDays(db, { accountId: null, ...query }), { staleMs: STALE_MS });
    kept.set(name, read);
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(oldest);
    }
    return read();
  };
}
