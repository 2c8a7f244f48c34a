// Money, as operations of a coordinator: what an admin gives, corrects and reads of the books.
import type { Caller } from "../accounts/caller.ts";
import { adjustLedger, type Credited, type CreditRefusal, grantCredits } from "../accounts/credits.ts";
import type { Db } from "../db/open.ts";
import { usagePage } from "../jobs/usage.ts";
import type { LedgerAccountId } from "../ledger/ledger.ts";
import { statementPage } from "../ledger/statement.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type OutsideRefusal, settleOutside } from "../settlement/outside.ts";
import { auditAdmin } from "./audit.ts";
import { listBalances } from "./balances.ts";
import { ledgerChecker } from "./ledger-check.ts";
import { ledgerNamed } from "./ledger-names.ts";
import { MONEY_OPERATIONS, type MovedCredits } from "./money-operations.ts";
import { type Answer, operation } from "./operation.ts";
import type { Admin, AdminError } from "./operations.ts";
import { statementCursor, statementRow, usageCursor } from "./pages.ts";

export type MoneyAdmin = Pick<Admin, keyof typeof MONEY_OPERATIONS>;
type Deps = { db: Db; clock: Clock };
type Movement = { account: string; amount_micro_usd: number; reason: string; id?: string | undefined };

export function moneyAdmin(deps: Deps): MoneyAdmin {
  const { db } = deps;
  const checker = ledgerChecker(deps);
  return {
    checkLedger: operation(MONEY_OPERATIONS.checkLedger, async () => ok(checker.begin())),
    ledgerCheck: operation(MONEY_OPERATIONS.ledgerCheck, async () => ok(checker.state())),
    grantCredits: operation(MONEY_OPERATIONS.grantCredits, (movement, by) => grant({ ...deps, by }, movement)),
    adjustCredits: operation(MONEY_OPERATIONS.adjustCredits, (movement, by) => adjust({ ...deps, by }, movement)),
    settleOutside: operation(MONEY_OPERATIONS.settleOutside, async ({ node, most_micro_usd: most, reason, id }, by) => {
      const wanted = { id: id ?? newId(), node, reason, ...(most === undefined ? {} : { most: BigInt(most) }) };
      const settled = await settleOutside({ ...deps, by }, wanted);
      if (!settled.ok) return err(OUTSIDE_ERRORS[settled.error]);
      const { amount, ...rest } = settled.value;
      return ok({ ...rest, node, amount_micro_usd: Number(amount) });
    }),
    listBalances: operation(MONEY_OPERATIONS.listBalances, (asked) => listBalances(db, asked)),
    readStatement: operation(MONEY_OPERATIONS.readStatement, async ({ account, from_ms, to_ms, cursor }) => {
      const named = await ledgerNamed(db, account);
      if (!named.ok) return named;
      const from = statementCursor.read(cursor);
      if (!from.ok) return from;
      const page = await statementPage(db, named.value, { fromMs: from_ms, toMs: to_ms }, from.value);
      return ok({
        account: named.value,
        opening_micro_usd: Number(page.opening),
        closing_micro_usd: Number(page.closing),
        rows: page.rows.map(statementRow),
        next: statementCursor.write(page.next),
      });
    }),
    readUsage: operation(MONEY_OPERATIONS.readUsage, async ({ from_ms, to_ms, by, account, cursor }) => {
      const named = account === undefined ? ok(null) : await ledgerNamed(db, account);
      if (!named.ok) return named;
      const from = usageCursor.read(cursor);
      if (!from.ok) return from;
      const accountId = named.value?.replace(/^account\//, "");
      const query = { period: { fromMs: from_ms, toMs: to_ms }, by, ...(accountId === undefined ? {} : { accountId }) };
      const page = await usagePage(db, query, from.value);
      return ok({ rows: page.rows, next: usageCursor.write(page.next) });
    }),
    ...auditAdmin(db),
  };
}

const newId = (): string => Bun.randomUUIDv7();

async function grant(deps: Deps & { by: Caller }, movement: Movement): Answer<MovedCredits> {
  const named = await ledgerNamed(deps.db, movement.account);
  if (!named.ok) return named;
  const account = named.value;
  if (!account.startsWith("account/")) {
    return err({
      code: "invalid",
      message: "credit is for clients; `infernet credits adjust` corrects other accounts",
    });
  }
  const granted = await grantCredits(deps, account.slice("account/".length), wanted(movement));
  return answered(granted, account, movement);
}

async function adjust(deps: Deps & { by: Caller }, movement: Movement): Answer<MovedCredits> {
  const named = await ledgerNamed(deps.db, movement.account);
  if (!named.ok) return named;
  const account = named.value;
  if (!/^(account|node)\//.test(account)) {
    return err({ code: "invalid", message: `${account} is the other side of all adjustments, and has none itself` });
  }
  return answered(await adjustLedger(deps, account, wanted(movement)), account, movement);
}

const wanted = ({ id, amount_micro_usd, reason }: Movement) => ({
  id: id ?? newId(),
  amount: BigInt(amount_micro_usd),
  reason,
});

function answered(
  credited: Result<Credited, CreditRefusal>,
  account: LedgerAccountId,
  { amount_micro_usd }: Movement,
): Result<MovedCredits, AdminError> {
  if (!credited.ok) return err(CREDIT_ERRORS[credited.error]);
  const { id, balance, held, repeated } = credited.value;
  const balances = { balance_micro_usd: Number(balance), held_micro_usd: Number(held) };
  return ok({ id, account, amount_micro_usd, ...balances, repeated });
}

const ID_USED: AdminError = {
  code: "conflict",
  message: "this id was used for something else",
  hint: "give each movement an id of its own; only a repeated one keeps its id",
};
const CREDIT_ERRORS: Record<CreditRefusal, AdminError> = {
  other_funding: { code: "conflict", message: "this account's money comes from the chain, and is counted by it" },
  not_covered: {
    code: "conflict",
    message: "the account has less than that beside what is held for its jobs",
    hint: "`infernet credits show` says how much is available",
  },
  id_used: ID_USED,
};
const OUTSIDE_ERRORS: Record<OutsideRefusal, AdminError> = {
  nothing_owed: {
    code: "conflict",
    message: "no receipt of this node waits to be settled",
    hint: "those that a payout has, or that a client's allowance pays, are paid on the chain",
  },
  too_little: { code: "conflict", message: "its oldest receipt alone is of more than that" },
  not_covered: { code: "conflict", message: "the node has less than its receipts say, beside what open payouts hold" },
  id_used: ID_USED,
};
