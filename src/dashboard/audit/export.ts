// Export: the audit log as JSON lines, the oldest first, as its rows were hashed, so that whoever has it can verify it.
import { type AuditFilter, listAudit } from "../../accounts/audit-list.ts";
import type { AuditRow } from "../../accounts/schema.ts";
import type { Db } from "../../db/open.ts";
import { bodyOf } from "../../http/account/row-stream.ts";

const PAGE = 500;

export const exportAnswer = (db: Pick<Db, "read">, filter: Omit<AuditFilter, "before" | "after">): Response =>
  new Response(bodyOf(lines(db, filter)), {
    headers: {
      "content-type": "application/x-ndjson",
      "content-disposition": 'attachment; filename="audit.jsonl"',
      "x-content-type-options": "nosniff",
    },
  });

/** A page at a time, as fast as it is read. */
async function* lines(db: Pick<Db, "read">, filter: AuditFilter): AsyncGenerator<string> {
  let after = 0;
  for (;;) {
    const rows = (await listAudit({ db }, PAGE, { ...filter, after })).reverse();
    if (rows.length > 0) yield rows.map(line).join("");
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = last.seq;
  }
}

/** `before` and `after` are the JSON texts that the hash covers. */
const line = ({ seq, atMs, actor, action, subject, before, after, from, previous, hash }: AuditRow): string =>
  `${JSON.stringify({ seq, at_ms: atMs, actor, action, subject, before, after, from, previous, hash })}\n`;
