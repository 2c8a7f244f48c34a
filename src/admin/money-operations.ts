// Money operations: what an admin asks about balances, usage and the audit log, with the shape of question and answer;
// part of the one table in operations.ts. Amounts are whole µ$.
import { z } from "zod";
import { USAGE_BY } from "../jobs/usage.ts";
import { LEDGER_KINDS } from "../ledger/schema.ts";
import { hex64Schema, pubkeySchema } from "../protocol/primitives.ts";
import type { Operation } from "./operations.ts";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

const timeMs = z.int().min(0);
const amount = z.int();
/** An account's id, name or email address, a node's key or name, or a ledger account as `credits show` writes it. */
const accountText = z.string().trim().min(1).max(256);
const reason = z.string().trim().min(1).max(512);
/** Given again, it moves nothing again. */
const movementId = z.string().regex(/^[A-Za-z0-9._:-]{1,64}$/, "has 1 to 64 letters, digits and . _ : -");
const period = { from_ms: timeMs, to_ms: timeMs };
/** As the answer before gave it. */
const cursor = z.string().max(128).optional();

const movement = {
  account: accountText,
  reason,
  id: movementId.optional(),
};
const moved = z.object({
  id: z.string(),
  account: z.string(),
  amount_micro_usd: amount,
  balance_micro_usd: amount,
  held_micro_usd: amount,
  /** An earlier call with this id did it. */
  repeated: z.boolean(),
});
export type MovedCredits = z.output<typeof moved>;

const balance = z.object({
  /** `account/…`, `node/…`, `platform/…` or `chain/…`. */
  account: z.string(),
  kind: z.string(),
  /** The account's or node's; null where it has none. */
  name: z.string().nullable(),
  /** Where its money comes from; null before the first. */
  funding: z.string().nullable(),
  balance_micro_usd: amount,
  held_micro_usd: amount,
  available_micro_usd: amount,
});
export type BalanceView = z.output<typeof balance>;

const statementRow = z.object({
  transaction: z.int(),
  at_ms: timeMs,
  kind: z.string(),
  cause: z.string(),
  reason: z.string().nullable(),
  counterparts: z.array(z.string()),
  model: z.string().nullable(),
  amount_micro_usd: amount,
  /** After it. */
  balance_micro_usd: amount,
});
export type StatementRowView = z.output<typeof statementRow>;

const usageRow = z.object({
  day: z.string().optional(),
  account: z.string().optional(),
  key: z.string().nullish(),
  key_name: z.string().nullish(),
  model: z.string().optional(),
  requests: z.int(),
  completed: z.int(),
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  charged_micro_usd: amount,
});

const auditHead = z.object({ seq: z.int().min(0), hash: hex64Schema });
const auditRow = z.object({
  seq: z.int(),
  at_ms: timeMs,
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  before: z.json(),
  after: z.json(),
  from: z.string(),
  hash: z.string(),
});
export type AuditView = z.output<typeof auditRow>;

const ledgerCheck = z.object({
  /** How far the one that is under way is; null where none is. */
  running: z.object({ started_ms: timeMs, done: z.int().min(0), of: z.int().min(0) }).nullable(),
  /** The last one that ended, since this instance started. */
  last: z
    .object({
      started_ms: timeMs,
      ended_ms: timeMs,
      /** Nothing is wrong. */
      clean: z.boolean(),
      checks: z.array(
        z.object({
          name: z.string(),
          /** Rows that were looked at. */
          looked: z.int().min(0),
          faults: z.array(z.object({ row: z.string(), message: z.string() })),
          /** Faults beside those. */
          more: z.int().min(0),
        }),
      ),
    })
    .nullable(),
  /** Why the one that was begun last came to no end; else null. */
  failed: z.string().nullable(),
});
export type LedgerCheckView = z.output<typeof ledgerCheck>;

export const MONEY_OPERATIONS = {
  /** Begins to look at the books, on a snapshot; or goes on with the look that is under way. Answers at once. */
  checkLedger: operation("POST", "/ledger/check", z.strictObject({}), ledgerCheck),
  ledgerCheck: operation("GET", "/ledger/check", z.strictObject({}), ledgerCheck),
  grantCredits: operation(
    "POST",
    "/credits/grant",
    z.strictObject({ ...movement, amount_micro_usd: amount.min(1) }),
    moved,
  ),
  /** Up or down; never below what is held. */
  adjustCredits: operation(
    "POST",
    "/credits/adjust",
    z.strictObject({ ...movement, amount_micro_usd: amount.refine((micro) => micro !== 0, "must not be 0") }),
    moved,
  ),
  /** What the admin paid a node in another way than on the chain: its oldest receipts, at most of `most_micro_usd`. */
  settleOutside: operation(
    "POST",
    "/credits/settle-outside",
    z.strictObject({
      node: pubkeySchema,
      most_micro_usd: amount.min(1).optional(),
      reason,
      id: movementId.optional(),
    }),
    z.object({ id: z.string(), node: z.string(), amount_micro_usd: amount, receipts: z.int(), repeated: z.boolean() }),
  ),
  /** All that the books know, or one. */
  listBalances: operation(
    "POST",
    "/credits/list",
    z.strictObject({
      account: accountText.optional(),
      /** Of clients, nodes, or the network itself. */
      kind: z.enum(LEDGER_KINDS).optional(),
      limit: z.int().min(1).max(500).default(500),
      cursor,
    }),
    z.object({ accounts: z.array(balance), next: z.string().nullable() }),
  ),
  /** One page; the first has no cursor. */
  readStatement: operation(
    "POST",
    "/credits/statement",
    z.strictObject({ account: accountText, ...period, cursor }),
    z.object({
      account: z.string(),
      /** Before the page's rows, and after them. */
      opening_micro_usd: amount,
      closing_micro_usd: amount,
      rows: z.array(statementRow),
      next: z.string().nullable(),
    }),
  ),
  readUsage: operation(
    "POST",
    "/usage",
    z.strictObject({ ...period, by: z.array(z.enum(USAGE_BY)).max(8), account: accountText.optional(), cursor }),
    z.object({ rows: z.array(usageRow), next: z.string().nullable() }),
  ),
  /** The newest first. */
  listAudit: operation(
    "POST",
    "/audit",
    z.strictObject({
      limit: z.int().min(1).max(1_000).default(100),
      /** Only those before this number; or only those after it, the next ones. */
      before: z.int().min(1).optional(),
      after: z.int().min(0).optional(),
      /** One, or all of one kind: `key` is every `key.…`. */
      action: z.string().max(64).optional(),
      actor: z.string().max(256).optional(),
      subject: z.string().max(256).optional(),
      since_ms: timeMs.optional(),
      until_ms: timeMs.optional(),
    }),
    z.object({ entries: z.array(auditRow) }),
  ),
  /** What an admin keeps elsewhere, to prove later that nothing was cut off. */
  auditHead: operation("GET", "/audit/head", z.strictObject({}), auditHead),
  /** Reads every entry on one snapshot. `head`: one that was kept elsewhere, which the log must still contain. */
  verifyAudit: operation(
    "POST",
    "/audit/verify",
    z.strictObject({ head: auditHead.optional() }),
    z.object({
      entries: z.int().min(0),
      head: auditHead,
      /** The first entry that does not hold, or that should be there; null where all hold. */
      broken: z.object({ seq: z.int(), what: z.string(), message: z.string() }).nullable(),
    }),
  ),
} as const;
