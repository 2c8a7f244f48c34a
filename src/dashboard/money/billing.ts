// Billing: `/billing`, what the account that one acts for has, where it comes from and what became of it.
import type { Fault } from "../../../web/parts/field.tsx";
import { accountName } from "../../../web/parts/text.tsx";
import { statement } from "../../http/account/money.ts";
import { UNSPENDABLE } from "../../http/funding/allowance.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { clientLedger } from "../../ledger/ledger.ts";
import type { Funding } from "../../ledger/schema.ts";
import { allowanceOf } from "../../settlement/allowances.ts";
import { listDeposits } from "../../settlement/deposits.ts";
import { usageDays } from "../../stats/usage.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { isAdmin, viewerOf } from "../viewer.ts";
import { movementsOf } from "./movements.ts";
import { moneyRoute } from "./open.ts";
import { dayLabel, dayOf } from "./period.ts";

const load = () => import("../../../web/pages/money/billing.tsx");

export const billingRoutes = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: "/billing",
    summary: "The account's balance, its funding and its statement.",
    handle: (call) => billingPage(deps, call),
  }),
  moneyRoute(deps, {
    path: "/billing/statement",
    summary: "The account's statement as a file: format=csv or json, from=, to=.",
    answers: "application/json",
    handle: ({ request, query, human }) => statement(deps, { request, query, caller: { accountId: human.account.id } }),
  }),
  moneyRoute(deps, {
    path: "/live/billing",
    summary: "The balance, as it changes.",
    answers: "text/event-stream",
    handle: (call) => {
      const accountId = call.human.account.id;
      return deps.live.open(readerOf(deps, call), {
        key: `billing/${accountId}`,
        everyMs: 3_000,
        async render() {
          const { BillingFigures } = await load();
          const { figures } = await standing(deps, accountId);
          return [
            {
              data: `<hx-partial hx-target="#figures" hx-swap="outerHTML">${await BillingFigures({ figures })}</hx-partial>`,
            },
          ];
        },
      });
    },
  }),
];

const DAYS = 30;
const RECENT = 7;
/** Deposits that the page lists. */
const MOST_DEPOSITS = 5;

/** `typed`, `fault`: of the form for a deposit, where it was refused. */
export async function billingPage(
  deps: DashboardDeps,
  call: SignedInCall,
  { typed, fault = null }: { typed?: string | undefined; fault?: Fault | null } = {},
  status = 200,
): Promise<Response> {
  const { account } = call.human;
  const deposits = deps.funding?.deposits ?? null;
  const [{ Billing }, { figures, funding, days, recent }, { rows, newer, older, days: period }, asked, allowance] =
    await Promise.all([
      load(),
      standing(deps, account.id),
      movementsOf(deps, call, clientLedger(account.id)),
      deposits === null ? [] : listDeposits(deposits, account.id, MOST_DEPOSITS),
      deps.funding === null ? null : allowanceOf(deps, account.id),
    ]);
  const nowMs = deps.clock.nowMs();
  const page = Billing({
    account: { id: account.id, name: accountName(account) },
    ...{ viewer: viewerOf(deps, call), figures, funding, days, typed, fault },
    low: lowWords(figures.available, recent),
    mode: deps.billing === "solana" ? "solana" : "credits",
    offers: { deposits: deposits !== null, allowances: deps.funding !== null },
    deposits: asked.map(({ reference, amount, createdMs, expiresMs }) => ({
      ...{ reference, createdMs, expired: expiresMs <= nowMs },
      amount: amount === null ? null : BigInt(amount),
    })),
    allowance: allowance && {
      tokenAccount: allowance.tokenAccount,
      spendable: figures.available,
      words: allowance.unspendable === null ? null : UNSPENDABLE[allowance.unspendable],
    },
    mayChange: call.human.memberRole === "owner",
    isAdmin: isAdmin(call.human),
    movements: { rows, newer, older },
    period,
  });
  return pageAnswer(call.request, page, { status });
}

/** What the account has, and what it spent by the day. */
async function standing({ db, clock }: Pick<DashboardDeps, "db" | "clock">, accountId: string) {
  const today = dayOf(clock.nowMs());
  const [[row], used] = await Promise.all([
    db.query("select balance, held, funding from ledger_accounts where id = ?", [clientLedger(accountId)]),
    usageDays(db, { accountId, fromDay: today - DAYS + 1, toDay: today, by: "day" }),
  ]);
  const [balance, held] = [BigInt((row?.[0] ?? 0) as number), BigInt((row?.[1] ?? 0) as number)];
  const byDay = new Map<number, number>();
  for (const { day, charged } of used) byDay.set(day, (byDay.get(day) ?? 0) + charged);
  const days = Array.from({ length: DAYS }, (_, i) => {
    const day = today - DAYS + 1 + i;
    return { label: dayLabel(day), value: byDay.get(day) ?? 0 };
  });
  const sum = (of: readonly { value: number }[]) => of.reduce((total, { value }) => total + BigInt(value), 0n);
  return {
    figures: { balance, held, available: balance - held, spent: sum(days) },
    funding: (row?.[2] ?? null) as Funding | null,
    days,
    recent: sum(days.slice(-RECENT)),
  };
}

/** Days for which it has to last, at the last week's pace, for nothing to be said. */
const ENOUGH_DAYS = 3n;

function lowWords(available: bigint, recent: bigint): string | null {
  if (available <= 0n) return "Requests are refused with 402 until there is something to spend.";
  if (recent === 0n || available * BigInt(RECENT) >= recent * ENOUGH_DAYS) return null;
  const days = (available * BigInt(RECENT)) / recent;
  return `At the pace of the last week this lasts ${days === 0n ? "less than a day" : days === 1n ? "a day" : `${days} days`}. After that, requests are refused with 402.`;
}
