// Chain: `/admin/money/chain`, stakes of nodes, and what the oracle published.
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { nodeName } from "../../registry/account-nodes.ts";
import { listEpochs } from "../../settlement/oracle.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { moneyRoute } from "./open.ts";

const MOST_EPOCHS = 30;

export const chainRoutes = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: "/admin/money/chain",
    summary: "Stakes of nodes, and epochs that the oracle published.",
    admin: true,
    handle: (call) => page(deps, call),
  }),
];

async function page(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { funding } = deps;
  if (funding === null) return await notFound(deps, call, call.human);
  const [{ ChainPage }, stakes, epochs] = await Promise.all([
    import("../../../web/pages/money/chain.tsx"),
    deps.admin.listStakes({}),
    funding.oracle ? listEpochs(deps, MOST_EPOCHS) : null,
  ]);
  const listed = stakes.ok ? stakes.value : null;
  const rows = await Promise.all(
    (listed?.stakes ?? []).map(async (stake) => ({
      ...{ node: stake.node, name: await nodeName(deps.db, stake.node), kind: stake.kind, wallet: stake.wallet },
      ...{ amount: BigInt(stake.amount_micro_usd), unspendable: stake.unspendable, observedMs: stake.observed_ms },
    })),
  );
  const view = ChainPage({
    viewer: viewerOf(deps, call),
    settlement: funding.allowances.settlement,
    treasury: funding.deposits?.treasury ?? null,
    network: funding.chain.genesisHash,
    mint: funding.chain.mint,
    endpoints: funding.chain.endpoints().map(({ url, state, error }) => ({ url, state, error })),
    minimum: listed === null ? null : BigInt(listed.minimum_micro_usd),
    stakes: rows,
    epochs:
      epochs?.map(({ epoch, startMs, endMs, nodes, root, signature }) => ({
        ...{ epoch, startMs, endMs, nodes, root, signature },
      })) ?? null,
  });
  return pageAnswer(call.request, view);
}
