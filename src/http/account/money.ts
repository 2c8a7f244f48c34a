// `/api/v1/credits`, `/api/v1/usage`, `/api/v1/statement`: what the caller's own account has, used and paid. Amounts are
// whole µ$.
import { statementRow } from "../../admin/pages.ts";
import type { Db } from "../../db/open.ts";
import { USAGE_BY, type UsageBy, type UsageCursor, type UsageRow, usagePage } from "../../jobs/usage.ts";
import { balanceOf, clientLedger } from "../../ledger/ledger.ts";
import { type StatementPage, type StatementRow, statementPage } from "../../ledger/statement.ts";
import type { Clock } from "../../lib/clock.ts";
import { type Period, parsePeriod } from "../../lib/period.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { errorResponse } from "../errors.ts";
import type { Call, ClientCall, HttpRoute } from "../routes.ts";
import { rowResponse } from "./row-stream.ts";

export type MoneyDeps = { db: Db; clock: Clock };

const PERIOD = "month=2026-03, or from=2026-03-01 and to=2026-03-31; left out: this month until now. Days are UTC's.";

export const moneyRoutes = (deps: MoneyDeps): HttpRoute[] => [
  {
    method: "GET",
    path: "/api/v1/credits",
    tier: "client",
    scope: "usage:read",
    summary: "What the account has, what is held of it for jobs under way, and what is available (µ$).",
    handle: (call) => credits(deps, call),
  },
  {
    method: "GET",
    path: "/api/v1/usage",
    tier: "client",
    scope: "usage:read",
    summary: `Requests, tokens and µ$ of the account, counted by=key,model,day. ${PERIOD} format=csv for CSV.`,
    handle: (call) => usageAnswer(deps, call, call.caller.accountId),
  },
  {
    method: "GET",
    path: "/api/v1/statement",
    tier: "client",
    scope: "usage:read",
    summary: `The account's opening balance, each movement with its cause, and its closing balance (µ$). ${PERIOD} format=csv for CSV.`,
    handle: (call) => statement(deps, call),
  },
];

async function credits({ db }: MoneyDeps, { caller }: ClientCall): Promise<Response> {
  const { balance, held, available } = await balanceOf(db, clientLedger(caller.accountId));
  return Response.json({
    data: {
      account: caller.accountId,
      balance_micro_usd: Number(balance),
      held_micro_usd: Number(held),
      available_micro_usd: Number(available),
    },
  });
}

/** A question about one account's money: whose, and how it is asked. */
export type MoneyCall = Pick<ClientCall, "request" | "query"> & { caller: Pick<ClientCall["caller"], "accountId"> };

function periodOf({ clock }: MoneyDeps, { query }: Pick<Call, "query">): Result<Period, Response> {
  const [month, from, to] = ["month", "from", "to"].map((name) => query.get(name)?.slice(0, 64));
  const period = parsePeriod({ month, from, to }, clock.nowMs());
  return period.ok ? period : err(errorResponse("invalid_value", period.error, { param: "from" }));
}

const DEFAULT_BY = "key,model,day";

/** Everybody's are counted by account too. */
function groupsOf({ query }: Pick<Call, "query">, accountId: string | undefined): Result<UsageBy[], Response> {
  const names = (query.get("by") ?? DEFAULT_BY)
    .slice(0, 128)
    .split(",")
    .filter((name) => name !== "");
  const by = names.map((name) =>
    USAGE_BY.find((one) => one === name && (one !== "account" || accountId === undefined)),
  );
  const known = by.filter((one) => one !== undefined);
  if (known.length === by.length) return ok(known);
  return err(errorResponse("invalid_value", "by must be key, model and day, between commas", { param: "by" }));
}

/** The account's usage, or everybody's (undefined), of the period and by what the query says. */
export function usageAnswer(
  deps: MoneyDeps,
  call: Pick<Call, "query" | "request">,
  accountId: string | undefined,
): Response {
  const period = periodOf(deps, call);
  if (!period.ok) return period.error;
  const by = groupsOf(call, accountId);
  if (!by.ok) return by.error;
  async function* rows(groups: readonly UsageBy[], within: Period): AsyncGenerator<UsageRow> {
    for (let cursor: UsageCursor | null = null; ; ) {
      const page = await usagePage(
        deps.db,
        { period: within, by: groups, ...(accountId === undefined ? {} : { accountId }) },
        cursor,
      );
      yield* page.rows;
      if (page.next === null) return;
      cursor = page.next;
    }
  }
  const named = (["day", "account", "key", "model"] as const).filter((one) => by.value.includes(one));
  const columns = named.flatMap((one): (keyof UsageRow)[] => (one === "key" ? ["key", "key_name"] : [one]));
  const sums = ["requests", "completed", "prompt_tokens", "completion_tokens", "charged_micro_usd"] as const;
  const titles = [...columns, ...sums];
  return rowResponse(call.request, call.query, {
    name: "usage",
    head: { from_ms: period.value.fromMs, to_ms: period.value.toMs, by: named },
    rows: rows(by.value, period.value),
    tail: () => ({}),
    csv: { titles, cells: (row) => titles.map((name) => row[name] ?? null) },
  });
}

/** The account's statement as JSON or CSV, of any length. */
export async function statement(deps: MoneyDeps, call: MoneyCall): Promise<Response> {
  const period = periodOf(deps, call);
  if (!period.ok) return period.error;
  const { fromMs, toMs } = period.value;
  const account = clientLedger(call.caller.accountId);
  const first = await statementPage(deps.db, account, period.value, null);
  let { closing } = first;
  async function* rows(): AsyncGenerator<StatementRow> {
    for (let page: StatementPage = first; ; ) {
      closing = page.closing;
      yield* page.rows;
      if (page.next === null) return;
      page = await statementPage(deps.db, account, { fromMs, toMs }, page.next);
    }
  }
  async function* views() {
    for await (const row of rows()) yield statementRow(row);
  }
  const at = (ms: number) => new Date(ms).toISOString();
  const none = [null, null, null, null, null];
  return rowResponse(call.request, call.query, {
    name: "statement",
    head: { account: call.caller.accountId, from_ms: fromMs, to_ms: toMs, opening_micro_usd: Number(first.opening) },
    rows: views(),
    tail: () => ({ closing_micro_usd: Number(closing) }),
    csv: {
      titles: ["at", "kind", "cause", "counterpart", "reason", "model", "amount_micro_usd", "balance_micro_usd"],
      first: () => [at(fromMs), "opening", ...none, first.opening],
      cells: (row) => [
        at(row.at_ms),
        row.kind,
        row.cause,
        row.counterparts.join(" "),
        row.reason,
        row.model,
        row.amount_micro_usd,
        row.balance_micro_usd,
      ],
      last: () => [at(toMs), "closing", ...none, closing],
    },
  });
}
