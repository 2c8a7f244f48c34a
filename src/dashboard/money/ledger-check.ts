// Ledger check: `/admin/money/check`, proves that no money was made or lost, the same look that `doctor --ledger` takes.
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute } from "../../http/routes.ts";
import { doneAnswer, pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { viewerOf } from "../viewer.ts";
import { moneyRoute } from "./open.ts";

const PATH = "/admin/money/check";
const load = () => import("../../../web/pages/money/check.tsx");

export const ledgerCheckRoutes = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: PATH,
    summary: "What the last look at the books found, and a new one.",
    admin: true,
    async handle(call) {
      const [{ LedgerCheckPage }, state] = await Promise.all([load(), stateOf(deps)]);
      const onChain = deps.billing === "solana";
      return pageAnswer(call.request, LedgerCheckPage({ viewer: viewerOf(deps, call), onChain, state }));
    },
  }),
  moneyRoute(deps, {
    path: PATH,
    summary: "Begins to look at the books.",
    admin: true,
    act: true,
    async handle(call) {
      await deps.admin.checkLedger({}, callerOf(call));
      return doneAnswer(call.request, PATH);
    },
  }),
  moneyRoute(deps, {
    path: "/live/ledger-check",
    summary: "How far the look at the books is.",
    answers: "text/event-stream",
    admin: true,
    handle: (call) =>
      deps.live.open(readerOf(deps, call), {
        key: "ledger-check",
        everyMs: 500,
        async render() {
          const { CheckState } = await load();
          const state = await stateOf(deps);
          return [
            {
              data: `<hx-partial hx-target="#check-state" hx-swap="innerHTML">${await CheckState({ state })}</hx-partial>`,
            },
          ];
        },
      }),
  }),
];

async function stateOf({ admin, clock }: DashboardDeps) {
  const state = await admin.ledgerCheck({});
  return {
    ...(state.ok ? state.value : { running: null, last: null, failed: state.error.message }),
    nowMs: clock.nowMs(),
  };
}
