// Audit: who did what that touches security or money, in a log that is only ever added to and whose rows are chained by
// hashes (protocol/audit-record.ts). An entry is written in the same transaction as the act that it tells of.
import { desc } from "drizzle-orm";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";

import { auditHash, NO_AUDIT_HASH } from "../protocol/audit-record.ts";
import { hideJoinTokens } from "../protocol/join-token.ts";
import type { Actor } from "./caller.ts";
import { auditLog } from "./schema.ts";

/** Every act that is noted. The part before the dot is what it was done to. */
export const AUDIT_ACTIONS = [
  "key.created",
  "key.changed",
  "key.rotated",
  "key.revoked",
  "user.created",
  "user.changed",
  "user.role_changed",
  "user.disabled",
  "user.deleted",
  "user.password_changed",
  "user.password_reset",
  "user.invited",
  "invitation.created",
  "invitation.revoked",
  "org.created",
  "org.changed",
  "org.member_added",
  "org.member_changed",
  "org.member_removed",
  "session.created",
  "session.revoked",
  "login.failed_throttled",
  "node.registered",
  "node.approved",
  "node.allowed",
  "node.placed",
  "node.ejected",
  "node.linked",
  "node.unlinked",
  "join_token.created",
  "join_token.revoked",
  "command.issued",
  "command.cancelled",
  "backup.written",
  "payout_address.set",
  "credits.granted",
  "credits.adjusted",
  "earnings.settled_outside",
  "deposit.credited",
  "allowance.registered",
  "allowance.ended",
  "x402.settled",
  "x402.lost",
  "payout.planned",
  "payout.paid",
  "payout.failed",
  "price.changed",
  "stake.pledged",
  "stake.proposed",
  "stake.withdrawn",
  "stake.released",
  "stake.slashed",
  "oracle.published",
  "settings.changed",
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** What an entry may say of how things were and are: plain JSON, names and numbers, never a secret. */
export type AuditValue =
  | null
  | boolean
  | number
  | string
  | readonly AuditValue[]
  | { readonly [key: string]: AuditValue };
export type AuditEntry = {
  atMs: number;
  actor: Actor;
  action: AuditAction;
  /** What it was done to: an id, a public key, a ledger account. */
  subject: string;
  before?: AuditValue;
  after?: AuditValue;
  from?: string;
};

/** Characters of actor, subject and address. */
const MAX_TEXT = 256;
/** Characters of `before` and of `after`, as JSON. */
const MAX_JSON = 4_096;
const HIDDEN = "[hidden]";
/** Names of what has no place here; their values are left out. */
const SECRET_NAME =
  /secret|password|passphrase|private|seed|mnemonic|^token$|_token$|^key$|key_?hash|authorization|cookie/i;
const API_KEY = /inf_[0-9A-Za-z]{20,}/g;

/**
 * Notes an act, inside the transaction that does it. Bounded and without control characters, whatever strangers named
 * things; secrets that came along by mistake are hidden. The row to follow is read from the database under its write
 * lock, and a trigger holds the order, so that coordinators on one database never fork the chain.
 */
export async function audit(tx: Drizzle, entry: AuditEntry): Promise<void> {
  const last = await tx
    .select({ seq: auditLog.seq, hash: auditLog.hash })
    .from(auditLog)
    .orderBy(desc(auditLog.seq))
    .limit(1)
    .get();
  const record = {
    seq: (last?.seq ?? 0) + 1,
    atMs: entry.atMs,
    actor: bounded(entry.actor),
    action: entry.action,
    subject: bounded(entry.subject),
    before: jsonText(entry.before ?? null),
    after: jsonText(entry.after ?? null),
    from: bounded(entry.from ?? ""),
    previous: last?.hash ?? NO_AUDIT_HASH,
  };
  await tx.insert(auditLog).values({ ...record, hash: auditHash(record) });
}

/** `text` as it is stored: valid UTF-16 without control characters, so that every reader sees the bytes hashed. */
function bounded(text: string): string {
  return hideSecrets(text)
    .slice(0, MAX_TEXT)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, "\ufffd");
}

const hideSecrets = (text: string): string => hideJoinTokens(text).replaceAll(API_KEY, "inf_…");

function jsonText(value: AuditValue): string {
  const text = JSON.stringify(value, (name, inner: unknown) => {
    if (SECRET_NAME.test(name) && inner !== null && typeof inner !== "boolean") return HIDDEN;
    return typeof inner === "string" ? hideSecrets(inner) : inner;
  });
  return text.length <= MAX_JSON ? text : JSON.stringify({ too_long: true, characters: text.length });
}

export type AuditHead = { seq: number; hash: string };

/** The last entry; seq 0 and zeros where there is none. Kept elsewhere, it proves later that nothing was cut off. */
export async function auditHead(db: Pick<Db, "read">): Promise<AuditHead> {
  const columns = { seq: auditLog.seq, hash: auditLog.hash };
  const last = await db.read.select(columns).from(auditLog).orderBy(desc(auditLog.seq)).limit(1).get();
  return last ?? { seq: 0, hash: NO_AUDIT_HASH };
}
