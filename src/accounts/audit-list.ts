// Audit list: entries of the audit log, the newest first, along the index of what is asked for.
import { and, asc, desc, eq, gt, gte, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { AUDIT_ACTIONS } from "./audit.ts";
import { type AuditRow, auditLog } from "./schema.ts";

type Reading = { db: Pick<Db, "read"> };

export type AuditFilter = {
  /** Those before this sequence number. */
  before?: number | undefined;
  /** Those after it: the next ones, the newest of them first. */
  after?: number | undefined;
  /** One action, or all of one kind: `key` is every `key.…`. */
  action?: string | undefined;
  actor?: string | undefined;
  subject?: string | undefined;
  /** From then on, and before then. */
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
};

/** Entries, the newest first. */
export async function listAudit({ db }: Reading, limit: number, filter: AuditFilter = {}): Promise<AuditRow[]> {
  const { action, actor, subject, after } = filter;
  const isUp = after !== undefined;
  const bounds = await boundsOf({ db }, filter);
  const read = (...wanted: (SQL | undefined)[]) =>
    db.read
      .select()
      .from(auditLog)
      .where(and(...wanted, ...bounds))
      .orderBy(isUp ? asc(auditLog.seq) : desc(auditLog.seq))
      .limit(limit);
  const actions = action === undefined ? null : actionsOf(action);
  let rows: AuditRow[];
  if (subject !== undefined || actor !== undefined || actions === null) {
    // The plus keeps SQLite to the index of the subject, else of the actor: both say more than the action.
    const byActor = actor === undefined ? undefined : subject === undefined ? eq(auditLog.actor, actor) : plain(actor);
    const bySubject = subject === undefined ? undefined : eq(auditLog.subject, subject);
    rows = await read(bySubject, byActor, actions === null ? undefined : inArray(sql`+${auditLog.action}`, actions));
  } else {
    // Each action along its own index, so that rare ones are found without a look at all others.
    const all = await Promise.all(actions.map((one) => read(eq(auditLog.action, one))));
    rows = all.flat().sort((a, b) => (isUp ? a.seq - b.seq : b.seq - a.seq));
  }
  return isUp ? rows.slice(0, limit).reverse() : rows.slice(0, limit);
}

const plain = (actor: string): SQL => sql`+${auditLog.actor} = ${actor}`;

/** The actions of a kind; itself where it is one, or none that is known. */
function actionsOf(action: string): string[] {
  const kind = AUDIT_ACTIONS.filter((one) => one.startsWith(`${action}.`));
  return kind.length > 0 ? kind : [action];
}

async function boundsOf({ db }: Reading, { before, after, sinceMs, untilMs }: AuditFilter): Promise<SQL[]> {
  const bounds: SQL[] = [];
  if (before !== undefined) bounds.push(lt(auditLog.seq, before));
  if (after !== undefined) bounds.push(gt(auditLog.seq, after));
  // A clock that was set back leaves times out of order: those are looked at beside.
  if (sinceMs !== undefined) bounds.push(gte(auditLog.seq, await seqAt({ db }, sinceMs)), gte(auditLog.atMs, sinceMs));
  if (untilMs !== undefined) bounds.push(lt(auditLog.seq, await seqAt({ db }, untilMs)), lt(auditLog.atMs, untilMs));
  return bounds;
}

/** The first entry of that time or later, by halves: there is no index of times, for entries come in their order. */
async function seqAt({ db }: Reading, atMs: number): Promise<number> {
  const columns = { seq: auditLog.seq, atMs: auditLog.atMs };
  const last = await db.read.select(columns).from(auditLog).orderBy(desc(auditLog.seq)).limit(1).get();
  let low = 1;
  let high = (last?.seq ?? 0) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = await db.read
      .select(columns)
      .from(auditLog)
      .where(gte(auditLog.seq, middle))
      .orderBy(asc(auditLog.seq))
      .limit(1)
      .get();
    if (row === undefined || row.atMs >= atMs) high = middle;
    else low = row.seq + 1;
  }
  return low;
}
