// Deposit: `/billing/deposits`: asking for one, its code, and how far its payment is, live.
import type { DepositState, PaymentLine } from "../../../web/pages/money/deposit.tsx";
import { depositUrl } from "../../http/funding/deposit.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { checkDeposit, type DepositDeps, depositOf, requestDeposit, seenPayments } from "../../settlement/deposits.ts";
import type { DepositPaymentRow, DepositRow } from "../../settlement/funding-schema.ts";
import { decimalText, qrSvg } from "../../settlement/payment-url.ts";
import { ChainUnreachable } from "../../solana/chain.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { goOn } from "../people/acts.ts";
import { readerOf } from "../reader.ts";
import { notFound } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { billingPage } from "./billing.ts";
import { dollarsIn, fieldsOf } from "./form.ts";
import { moneyRoute } from "./open.ts";

export const depositRoutes = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: "/billing/deposits",
    summary: "Asks for a payment into the treasury.",
    act: true,
    handle: (call) => ask(deps, call),
  }),
  moneyRoute(deps, {
    path: "/billing/deposits/:reference",
    summary: "A request for a deposit: its code, and its payment.",
    handle: (call) => withDeposit(deps, call, (deposits, row) => show(deps, call, deposits, row)),
  }),
  moneyRoute(deps, {
    path: "/billing/deposits/:reference/qr.svg",
    summary: "The code of a request for a deposit.",
    answers: "image/svg+xml",
    handle: (call) =>
      withDeposit(deps, call, async (deposits, row) => {
        const headers = { "content-type": "image/svg+xml", "x-content-type-options": "nosniff" };
        return new Response(await qrSvg(depositUrl(deposits, row)), { headers });
      }),
  }),
  moneyRoute(deps, {
    path: "/live/deposit/:reference",
    summary: "How far the payment is.",
    answers: "text/event-stream",
    handle: (call) => withDeposit(deps, call, (deposits, row) => follow(deps, call, deposits, row)),
  }),
];

/** The account's own request; there is no other. */
async function withDeposit(
  deps: DashboardDeps,
  call: SignedInCall,
  act: (deposits: DepositDeps, row: DepositRow) => Response | Promise<Response>,
): Promise<Response> {
  const deposits = deps.funding?.deposits ?? null;
  const known = deposits && (await depositOf(deposits, call.human.account.id, call.params.reference ?? ""));
  return deposits && known ? await act(deposits, known.deposit) : await notFound(deps, call, call.human, "deposit");
}

async function ask(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const deposits = deps.funding?.deposits ?? null;
  if (deposits === null) return await notFound(deps, call, call.human);
  const fields = fieldsOf(call);
  const typed = fields.amount?.slice(0, 64) ?? "";
  const amount = typed.trim() === "" ? null : dollarsIn(fields, "amount");
  if (amount && !amount.ok) return await billingPage(deps, call, { typed, fault: amount.error }, 422);
  const accountId = call.human.account.id;
  const asked = await requestDeposit(deposits, { accountId, amount: amount && BigInt(amount.value) });
  // Loaded anew: it has another stream than the page before.
  if (asked.ok) return goOn(call.request, `/billing/deposits/${encodeURIComponent(asked.value.reference)}`);
  const words =
    asked.error.code === "too_many_deposits"
      ? `${asked.error.most} requests wait for a payment already. Use one of those, or wait until they expire.`
      : `This account's money comes from ${asked.error.funding ?? "elsewhere"}. It may change once nothing is left.`;
  return await billingPage(deps, call, { typed, fault: { field: null, words } }, 409);
}

const DECIMALS = 6;
const load = () => import("../../../web/pages/money/deposit.tsx");

async function show(
  deps: DashboardDeps,
  call: SignedInCall,
  deposits: DepositDeps,
  row: DepositRow,
): Promise<Response> {
  const [{ Deposit }, state] = await Promise.all([load(), stateOf(deposits, row)]);
  const amount = row.amount === null ? null : BigInt(row.amount);
  const page = Deposit({
    ...{ viewer: viewerOf(deps, call), reference: row.reference, url: depositUrl(deposits, row), amount, state },
    ...{ treasury: deposits.treasury, mint: deposits.chain.mint, expiresMs: row.expiresMs },
    amountText: amount === null ? null : decimalText(amount, DECIMALS),
  });
  return pageAnswer(call.request, page);
}

/** The chain is asked no more often than the coordinator itself does. */
const LEAST_MS = 2_000;

function follow(deps: DashboardDeps, call: SignedInCall, deposits: DepositDeps, row: DepositRow): Response {
  return deps.live.open(readerOf(deps, call), {
    key: `deposit/${row.reference}`,
    everyMs: Math.max(LEAST_MS, Math.min(deposits.pollMs, 10_000)),
    async render() {
      const { StateOf } = await load();
      const state = await stateOf(deposits, row);
      return [
        { data: `<hx-partial hx-target="#deposit-state" hx-swap="innerHTML">${await StateOf({ state })}</hx-partial>` },
      ];
    },
  });
}

/** Looks at the chain first: what is final is credited, what is not is shown. */
async function stateOf(deposits: DepositDeps, { accountId, reference }: DepositRow): Promise<DepositState> {
  const trouble = await checkDeposit(deposits, { reference }).then(() => null, unreachable);
  const known = await depositOf(deposits, accountId, reference);
  if (!known) return { payments: [], trouble };
  const credited = known.payments.map(paymentLine).reverse();
  if (trouble !== null) return { payments: credited, trouble };
  const dealtWith = new Set(credited.map(({ signature }) => signature));
  const seen = await seenPayments(deposits, known.deposit).catch(() => []);
  const waiting = seen
    .filter(({ signature }) => !dealtWith.has(signature))
    .map(
      ({ signature }): PaymentLine => ({
        ...{ signature, tone: "live", amount: null, seenMs: null },
        words: "Seen on the chain, waiting until it is final",
      }),
    );
  return { payments: [...waiting, ...credited], trouble: null };
}

function unreachable(error: unknown): string {
  if (!(error instanceof ChainUnreachable)) throw error;
  return "The chain cannot be asked now; this is tried again by itself";
}

const REFUSED: Record<NonNullable<DepositPaymentRow["refused"]>, string> = {
  failed: "It failed on the chain: nothing was paid",
  wrong_mint: "Not credited: it paid in another token",
  wrong_destination: "Not credited: it paid somebody else",
  other_funding: "Not credited: this account's money comes from elsewhere. Ask an admin about",
  too_large: "Not credited: it is more than one payment may be. Ask an admin about",
  credited_already: "Credited elsewhere already",
};

function paymentLine({ signature, amount, refused, seenMs }: DepositPaymentRow): PaymentLine {
  const common = { signature, seenMs, amount: amount === 0 ? null : BigInt(amount) };
  if (refused !== null) return { ...common, tone: "bad", words: REFUSED[refused] };
  return { ...common, tone: "ok", words: "Final, credited" };
}
