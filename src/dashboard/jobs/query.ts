// Query: what a list of jobs is asked for, out of its address, and what somebody searches for, understood.
import { eq, or, sql } from "drizzle-orm";
import { accounts, users } from "../../accounts/schema.ts";
import type { Db } from "../../db/open.ts";
import type { JobCursor, JobFilter } from "../../jobs/list.ts";
import { JOB_STATES, type JobState, LIVE_STATES } from "../../jobs/states.ts";
import { nodes } from "../../registry/schema.ts";

/** As they stand in the address and in the form. */
export type JobsAsked = {
  q: string;
  state: string;
  model: string;
  kind: string;
  since: string;
  node: string;
  key: string;
  /** An admin's only. */
  account: string;
};
export type JobsQuery = {
  asked: JobsAsked;
  filter: JobFilter;
  cursor: JobCursor;
  /** What was searched for is nobody's and nothing's. */
  unknown: boolean;
};
type Scope = { accountId: string } | "all";

const NAMES = ["q", "state", "model", "kind", "since", "node", "key", "account"] as const;
const MAX_CHARS = 256;
const HOUR_MS = 3_600_000;
export const SINCE: Readonly<Record<string, number>> = {
  "1h": HOUR_MS,
  "24h": 24 * HOUR_MS,
  "7d": 168 * HOUR_MS,
  "30d": 720 * HOUR_MS,
};
/** Words for several states. */
const GROUPS: Readonly<Record<string, readonly JobState[]>> = { live: LIVE_STATES, failed: ["failed", "expired"] };

/** The address of a list with what is asked; what is not asked is left out. */
export function jobsPath(path: string, asked: JobsAsked, cursor: JobCursor = {}): string {
  const query = new URLSearchParams();
  for (const name of NAMES) if (asked[name] !== "") query.set(name, asked[name]);
  if (cursor.before !== undefined) query.set("before", cursor.before);
  if (cursor.after !== undefined) query.set("after", cursor.after);
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

export async function jobsQuery(
  db: Pick<Db, "read">,
  query: URLSearchParams,
  scope: Scope,
  nowMs: number,
): Promise<JobsQuery> {
  const text = (name: string) => (query.get(name) ?? "").trim().slice(0, MAX_CHARS);
  const asked = Object.fromEntries(NAMES.map((name) => [name, text(name)])) as JobsAsked;
  if (scope !== "all") asked.account = "";
  const sinceMs = SINCE[asked.since];
  const states = GROUPS[asked.state] ?? JOB_STATES.filter((state) => state === asked.state);
  const found = asked.q === "" ? {} : await searched(db, asked.q, scope);
  const kind = asked.kind === "chat" || asked.kind === "async" ? asked.kind : undefined;
  return {
    asked,
    filter: {
      accountId: scope !== "all" ? scope.accountId : asked.account === "" ? undefined : asked.account,
      node: asked.node === "" ? undefined : asked.node,
      keyId: asked.key === "" ? undefined : asked.key,
      states: states.length === 0 ? undefined : states,
      model: asked.model === "" ? undefined : asked.model,
      kind,
      sinceMs: sinceMs === undefined ? undefined : nowMs - sinceMs,
      ...found,
    },
    cursor: { before: idOf(query.get("before")), after: idOf(query.get("after")) },
    unknown: found === undefined,
  };
}

const idOf = (text: string | null): string | undefined =>
  text !== null && /^[0-9a-f-]{1,36}$/.test(text) ? text : undefined;

/** A job's id or its beginning; a node by key or name; to admins an account by id, name or address. */
async function searched(db: Pick<Db, "read">, q: string, scope: Scope): Promise<JobFilter | undefined> {
  const lower = q.toLowerCase();
  if (/^[0-9a-f]{64}$/.test(lower)) return { node: lower };
  const account = scope === "all" ? await accountCalled(db, q) : undefined;
  if (account !== undefined) return { accountId: account };
  if (/^[0-9a-f]{8}-?[0-9a-f-]{0,27}$/.test(lower)) return { idPrefix: lower };
  const [node] = await db.read
    .select({ pubkey: nodes.pubkey })
    .from(nodes)
    .where(sql`${nodes.name} = ${q} collate nocase`)
    .limit(1);
  if (node) return { node: node.pubkey };
  return /^[0-9a-f-]{4,36}$/.test(lower) ? { idPrefix: lower } : undefined;
}

async function accountCalled(db: Pick<Db, "read">, q: string): Promise<string | undefined> {
  const [user] = await db.read
    .select({ id: users.accountId })
    .from(users)
    .where(eq(users.email, q.toLowerCase()))
    .limit(1);
  if (user) return user.id;
  const [account] = await db.read
    .select({ id: accounts.id })
    .from(accounts)
    .where(or(eq(accounts.id, q), eq(accounts.name, q)))
    .limit(1);
  return account?.id;
}
