// Admin money: `/admin/money`, what came in and went out, what waits for a person, and the network's own accounts.
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { type Flow, moneyFlows } from "../../ledger/flows.ts";
import { once } from "../../lib/once.ts";
import { payoutsIn } from "../../settlement/payouts.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { viewerOf } from "../viewer.ts";
import { moneyRoute } from "./open.ts";
import { dayLabel, dayOf } from "./period.ts";

const DAYS = 30;
/** How long what was added up is kept. */
const KEEP_MS = 15_000;
const MOST_STUCK = 100;

export function adminMoneyRoutes(deps: DashboardDeps): HttpRoute[] {
  const flows = once(deps.clock, KEEP_MS, () => moneyFlows(deps.db, dayOf(deps.clock.nowMs()) - DAYS + 1));
  const today = once(deps.clock, KEEP_MS, () => deps.stats.money(dayOf(deps.clock.nowMs())));
  return [
    moneyRoute(deps, {
      path: "/admin/money",
      summary: "Money in and out, payouts that are stuck, and the network's own accounts.",
      admin: true,
      handle: (call) => page(deps, call, { flows, today }),
    }),
  ];
}

type Sums = {
  flows: () => ReturnType<typeof moneyFlows>;
  today: () => ReturnType<DashboardDeps["stats"]["money"]>;
};

async function page(deps: DashboardDeps, call: SignedInCall, sums: Sums): Promise<Response> {
  const [{ AdminMoney }, flows, today, system, stuck, check] = await Promise.all([
    import("../../../web/pages/money/admin.tsx"),
    sums.flows(),
    sums.today(),
    deps.admin.listBalances({ kind: "system" }),
    payoutsIn(deps, ["stuck"], MOST_STUCK),
    deps.admin.ledgerCheck({}),
  ]);
  const first = dayOf(deps.clock.nowMs()) - DAYS + 1;
  const byDay = (side: "into" | "out") =>
    Array.from({ length: DAYS }, (_, i) => {
      const day = flows.filter((flow) => flow.day === first + i);
      return { label: dayLabel(first + i), value: Number(day.reduce((sum, flow) => sum + flow[side], 0n)) };
    });
  const view = AdminMoney({
    ...{ viewer: viewerOf(deps, call), onChain: deps.billing === "solana", days: DAYS },
    today: { gross: BigInt(today.gross), nodes: BigInt(today.nodes), fee: BigInt(today.fee) },
    into: byDay("into"),
    out: byDay("out"),
    sums: { into: flows.reduce((sum, { into }) => sum + into, 0n), out: flows.reduce((sum, { out }) => sum + out, 0n) },
    kinds: byKind(flows),
    accounts: (system.ok ? system.value.accounts : []).map(({ account, balance_micro_usd: balance }) => ({
      ...{ account, balance: BigInt(balance) },
    })),
    stuck: { count: stuck.length, amount: stuck.reduce((sum, { nodeAmount }) => sum + BigInt(nodeAmount), 0n) },
    check: check.ok ? check.value.last : null,
    nowMs: deps.clock.nowMs(),
  });
  return pageAnswer(call.request, view);
}

/** Those that moved most first. */
function byKind(flows: readonly Flow[]): Omit<Flow, "day">[] {
  const kinds = new Map<string, Omit<Flow, "day">>();
  for (const { kind, outside, into, out } of flows) {
    const known = kinds.get(`${kind}/${outside}`) ?? { kind, outside, into: 0n, out: 0n };
    kinds.set(`${kind}/${outside}`, { ...known, into: known.into + into, out: known.out + out });
  }
  return [...kinds.values()].sort((a, b) => (a.into + a.out > b.into + b.out ? -1 : 1));
}
