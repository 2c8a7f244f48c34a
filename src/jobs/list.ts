// List: jobs in the order of their times, filtered, a page at a time. Each query goes along an index, and where no index
// knows a filter it looks through so many jobs and no more: there may be millions.
import { desc, inArray } from "drizzle-orm";
import type { SqlValue } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { type JobRow, jobs } from "./schema.ts";
import { type JobState, LIVE_STATES } from "./states.ts";

/** What is left out is not asked for. */
export type JobFilter = {
  accountId?: string | undefined;
  /** The API key that asked. */
  keyId?: string | undefined;
  /** Pubkey of the node that has it, or had it last. */
  node?: string | undefined;
  states?: readonly JobState[] | undefined;
  model?: string | undefined;
  kind?: JobRow["kind"] | undefined;
  /** Made then or later. */
  sinceMs?: number | undefined;
  /** How the id begins. */
  idPrefix?: string | undefined;
};

/** Job ids that a page begins behind: `before` goes to older ones, `after` to newer ones. */
export type JobCursor = { before?: string | undefined; after?: string | undefined };

export type JobPage = {
  /** The newest first. */
  rows: JobRow[];
  /** Cursors of the pages beside it; null where there are none. */
  older: string | null;
  newer: string | null;
  /** So many jobs were looked through, and not all of them fit; null where all there are were. */
  looked: number | null;
};

/** Jobs looked through for one page where no index knows the filter. */
export const JOB_WINDOW = 5_000;

/**
 * Up to `limit` jobs. `window`: how many are looked through where no index knows the filter; left out, as many as it
 * takes, which may be all of the account's.
 */
export async function listJobs(
  db: Pick<Db, "read" | "query">,
  filter: JobFilter,
  { limit, window, before, after }: JobCursor & { limit: number; window?: number },
): Promise<JobPage> {
  const { hint, along, beside } = wayOf(filter);
  const isUp = after !== undefined && before === undefined;
  if (before !== undefined) along.push({ sql: "id < ?", params: [before] });
  if (isUp) along.push({ sql: "id > ?", params: [after] });
  const order = `order by id ${isUp ? "asc" : "desc"}`;
  const ids = async (conditions: readonly Condition[], tail: string): Promise<string[]> => {
    const where = conditions.length === 0 ? "" : `where ${conditions.map(({ sql }) => sql).join(" and ")}`;
    const sql = `select id from jobs ${hint} ${where} ${order} ${tail}`;
    return (
      await db.query(
        sql,
        conditions.flatMap(({ params }) => params),
      )
    ).map(([id]) => String(id));
  };
  const bounded = beside.length > 0 && window !== undefined;
  const [edge = null] = bounded ? await ids(along, `limit 1 offset ${window - 1}`) : [];
  const upTo: Condition[] = edge === null ? [] : [{ sql: `id ${isUp ? "<=" : ">="} ?`, params: [edge] }];
  const found = await ids([...along, ...beside, ...upTo], `limit ${limit + 1}`);
  const page = found.slice(0, limit);
  const rows =
    page.length === 0 ? [] : await db.read.select().from(jobs).where(inArray(jobs.id, page)).orderBy(desc(jobs.id));
  const isMore = found.length > limit;
  /** Where the way goes on, and whence it came. */
  const ahead = isMore ? (page.at(-1) ?? null) : edge;
  const back = before ?? after;
  const behind = back === undefined ? null : (page[0] ?? back);
  return {
    rows,
    older: isUp ? behind : ahead,
    newer: isUp ? ahead : behind,
    looked: edge !== null && !isMore && window !== undefined ? window : null,
  };
}

/** Ids of the account's jobs, or of everybody's, that are newer than `id`, the oldest first. */
export async function jobsAfter(
  db: Pick<Db, "query">,
  accountId: string | null,
  id: string,
  limit: number,
): Promise<string[]> {
  const mine = accountId === null ? "" : "account_id = ? and";
  const sql = `select id from jobs where ${mine} id > ? order by id limit ${limit}`;
  return (await db.query(sql, accountId === null ? [id] : [accountId, id])).map(([one]) => String(one));
}

type Condition = { sql: string; params: SqlValue[] };
/** The index that is gone along, what it knows of the filter, and what each row is asked for beside. */
type Way = { hint: string; along: Condition[]; beside: Condition[] };

const FAILED: readonly JobState[] = ["failed", "expired"];
const isWithin = (states: readonly JobState[] | undefined, all: readonly JobState[]): boolean =>
  states !== undefined && states.length > 0 && states.every((state) => all.includes(state));
/** Written out: a partial index is only used for a condition that SQLite can read. */
const written = (states: readonly JobState[]): Condition => ({
  sql: `state in (${states.map((state) => `'${state}'`).join(", ")})`,
  params: [],
});

function wayOf({ accountId, keyId, node, states, model, kind, sinceMs, idPrefix }: JobFilter): Way {
  const along: Condition[] = [];
  const beside: Condition[] = [];
  let hint = "";
  const isLive = isWithin(states, LIVE_STATES);
  if (isLive) {
    hint = "indexed by jobs_live";
    along.push(written(LIVE_STATES));
  } else if (accountId !== undefined) hint = "indexed by jobs_account";
  else if (node !== undefined) hint = "indexed by jobs_node";
  else if (isWithin(states, FAILED)) {
    hint = "indexed by jobs_failed";
    along.push(written(FAILED));
  }
  const by = (column: string, value: string | undefined, index: string) => {
    if (value === undefined) return;
    const isAlong = hint === `indexed by ${index}`;
    (isAlong ? along : beside).push({ sql: `${isAlong ? "" : "+"}${column} = ?`, params: [value] });
  };
  by("account_id", accountId, "jobs_account");
  by("node_pubkey", node, "jobs_node");
  by("key_id", keyId, "");
  by("model", model, "");
  by("kind", kind, "");
  if (states !== undefined && states.length > 0) {
    beside.push({ sql: `+state in (${states.map(() => "?").join(", ")})`, params: [...states] });
  }
  if (sinceMs !== undefined) along.push({ sql: "id >= ?", params: [idAt(sinceMs)] });
  if (idPrefix !== undefined) {
    // "g" stands behind all hexadecimal digits and the dash.
    along.push({ sql: "id >= ? and id < ?", params: [idPrefix, `${idPrefix}g`] });
  }
  return { hint, along, beside };
}

/** The least UUIDv7 of a moment (RFC 9562 §5.7): ids are in the order of their times. */
export function idAt(ms: number): string {
  const hex = Math.max(0, ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
