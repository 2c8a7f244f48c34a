// Audit check: reads the audit log from its first row to its last and says where the chain does not hold.
import { asc, gt } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { auditHash, NO_AUDIT_HASH } from "../protocol/audit-record.ts";
import type { AuditHead } from "./audit.ts";
import { type AuditRow, auditLog } from "./schema.ts";

/** Rows in memory at a time. */
const PAGE = 500;

export type AuditBreak = {
  /** The first row that does not hold, or the one that should be there. */
  seq: number;
  what: /** A row is not there. */
    | "missing"
    /** It does not follow the row before. */
    | "unchained"
    /** Its content is not what its hash covers. */
    | "changed"
    /** The rows end before the head that somebody kept. */
    | "cut"
    /** The row that somebody kept the hash of is another one now. */
    | "replaced";
  /** In words, for people. */
  message: string;
};
export type AuditCheck = { entries: number; head: AuditHead; broken: AuditBreak | null };

/**
 * Verifies every row, in pages. With `anchor`, a head that was noted earlier, also that the log still contains it: rows
 * cut from the end, or a whole log made anew, show. Rows are never changed, so reading goes on while others write.
 */
export async function verifyAudit(db: Pick<Db, "read">, anchor?: AuditHead): Promise<AuditCheck> {
  let head: AuditHead = { seq: 0, hash: NO_AUDIT_HASH };
  let entries = 0;
  let kept = anchor === undefined || anchor.seq === 0;
  for (;;) {
    const rows = await db.read
      .select()
      .from(auditLog)
      .where(gt(auditLog.seq, head.seq))
      .orderBy(asc(auditLog.seq))
      .limit(PAGE);
    for (const row of rows) {
      const broken = breakAt(row, head) ?? (anchor?.seq === row.seq ? anchorBreak(row, anchor) : null);
      if (broken !== null) return { entries, head, broken };
      if (anchor?.seq === row.seq) kept = true;
      head = { seq: row.seq, hash: row.hash };
      entries += 1;
    }
    if (rows.length < PAGE) break;
  }
  return { entries, head, broken: kept || anchor === undefined ? null : cut(anchor, head) };
}

function breakAt(row: AuditRow, head: AuditHead): AuditBreak | null {
  const due = head.seq + 1;
  if (row.seq !== due)
    return { seq: due, what: "missing", message: `row ${due} is missing: row ${row.seq} comes next` };
  if (row.previous !== head.hash) {
    const message = `row ${row.seq} does not follow row ${head.seq}: one of them was put in another's place`;
    return { seq: row.seq, what: "unchained", message };
  }
  if (hashOf(row) === row.hash) return null;
  return { seq: row.seq, what: "changed", message: `row ${row.seq} was changed after it was written` };
}

/** Null where the row holds what no record can: it was not written by this program. */
function hashOf(row: AuditRow): string | null {
  try {
    return auditHash(row);
  } catch {
    return null;
  }
}

function anchorBreak({ seq, hash }: AuditRow, anchor: AuditHead): AuditBreak | null {
  if (hash === anchor.hash) return null;
  return { seq, what: "replaced", message: `row ${seq} is not the one whose hash was kept: the log was made anew` };
}

function cut({ seq }: AuditHead, head: AuditHead): AuditBreak {
  const message = `the log ends at row ${head.seq}, but row ${seq} was there once: rows were cut from its end`;
  return { seq: head.seq + 1, what: "cut", message };
}
