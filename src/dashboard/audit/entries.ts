// Entries: the audit log as its page shows it: each as a sentence, with what became of what by its label, and as it stands.
import type { AuditView } from "../../admin/money-operations.ts";
import { type Change, labelledChanges } from "./details.ts";
import { auditNames, type Named } from "./names.ts";
import { type Sentence, sentenceOf } from "./sentences.ts";

export type { Change, Named, Sentence };
export type AuditEntryView = {
  seq: number;
  atMs: number;
  actor: string;
  subject: string;
  from: string;
  sentence: Sentence;
  changes: readonly Change[];
  /** As the log has it. */
  raw: AuditView;
};

export async function entryViews(
  deps: Parameters<typeof auditNames>[0],
  entries: readonly AuditView[],
): Promise<AuditEntryView[]> {
  const names = await auditNames(deps, entries);
  return entries.map((entry) => ({
    ...{ seq: entry.seq, atMs: entry.at_ms, actor: entry.actor, subject: entry.subject, from: entry.from },
    sentence: sentenceOf(entry, names),
    changes: labelledChanges(entry, names),
    raw: entry,
  }));
}
