// Earnings: `/my/earnings`, what the account's nodes earned, where that is now, and what was paid out.
import type { NodeLine, PayoutLine } from "../../../web/pages/money/earnings.tsx";
import type { PayoutView } from "../../admin/payout-operations.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { fromHex } from "../../lib/hex.ts";
import { once } from "../../lib/once.ts";
import { payoutMemo } from "../../protocol/merkle.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { listPayouts as payoutAddressesOf } from "../../registry/payouts.ts";
import { type AccountEarnings, accountEarnings } from "../../stats/earnings.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { viewerOf } from "../viewer.ts";
import { moneyRoute } from "./open.ts";
import { dayLabel, dayOf } from "./period.ts";

/** How long sums are kept: an account may have thousands of nodes. */
const KEEP_MS = 10_000;
/** And given to who looks again, while they are made anew. */
const STALE_MS = 20_000;
/** Accounts whose sums are kept. */
const MOST_KEPT = 500;
const SPANS = [14, 30] as const;
const ROWS = 20;
/** Nodes whose addresses are looked up. */
const MOST_ADDRESSES = 20;

export function earningsRoutes(deps: DashboardDeps): HttpRoute[] {
  const kept = new Map<string, () => Promise<AccountEarnings>>();
  const earningsOf = (accountId: string, days: number): Promise<AccountEarnings> => {
    const key = `${days}/${accountId}`;
    const known = kept.get(key);
    if (known) return known();
    if (kept.size >= MOST_KEPT) kept.clear();
    const make = once(
      deps.clock,
      KEEP_MS,
      () => accountEarnings(deps.db, accountId, { today: dayOf(deps.clock.nowMs()), days }),
      { staleMs: STALE_MS },
    );
    kept.set(key, make);
    return make();
  };
  return [
    moneyRoute(deps, {
      path: "/my/earnings",
      summary: "What the account's nodes earned, and what was paid out.",
      handle: (call) => page(deps, call, earningsOf),
    }),
  ];
}

type EarningsOf = (accountId: string, days: number) => Promise<AccountEarnings>;

async function page(deps: DashboardDeps, call: SignedInCall, earningsOf: EarningsOf): Promise<Response> {
  const accountId = call.human.account.id;
  const span = SPANS.find((days) => `${days}` === call.query.get("days")) ?? 30;
  const before = /^[0-9a-f]{32}$/.exec(call.query.get("after") ?? "")?.[0];
  const listed = { account: accountId, limit: ROWS + 1, ...(before === undefined ? {} : { before }) };
  const [{ Earnings }, earnings, found] = await Promise.all([
    import("../../../web/pages/money/earnings.tsx"),
    earningsOf(accountId, span),
    deps.admin.listPayouts(listed),
  ]);
  const payouts = found.ok ? found.value.payouts : [];
  const shown = payouts.slice(0, ROWS);
  const last = shown.at(-1);
  const view = Earnings({
    ...{ viewer: viewerOf(deps, call), span, spans: SPANS, nodes: earnings.nodes, total: earnings.total },
    ...{ feeBps: deps.feeBps, onChain: deps.billing === "solana" },
    days: earnings.days.map(({ day, earned }) => ({ label: dayLabel(day), value: Number(earned) })),
    today: earnings.days.at(-1)?.earned ?? 0n,
    each: await Promise.all(earnings.each.map((node, i) => nodeLine(deps, node, i < MOST_ADDRESSES))),
    payouts: shown.map(payoutLine),
    newer: before === undefined ? null : `/my/earnings?days=${span}`,
    older: payouts.length > ROWS && last ? `/my/earnings?days=${span}&after=${last.id}` : null,
  });
  return pageAnswer(call.request, view);
}

async function nodeLine(
  deps: DashboardDeps,
  node: AccountEarnings["each"][number],
  withAddress: boolean,
): Promise<NodeLine> {
  const pubkey = pubkeySchema.safeParse(node.pubkey);
  const [address] = withAddress && pubkey.success ? await payoutAddressesOf(deps, pubkey.data) : [];
  return {
    ...node,
    address: address ? { text: address.address, network: address.network, setMs: address.setMs } : null,
  };
}

export const payoutLine = (payout: PayoutView): PayoutLine => ({
  ...{ id: payout.id, node: payout.node, nodeName: payout.node_name, state: payout.state, receipts: payout.receipts },
  ...{ amount: BigInt(payout.node_amount), createdMs: payout.created_ms, endedMs: payout.ended_ms },
  ...{ signature: payout.signature, wallet: payout.wallet, why: payout.reason ?? payout.trouble },
  memo: payoutMemo(payout.id, fromHex(payout.root)),
});
