// My nodes: `/my/nodes`, those of the account that one acts for.
import type { MyNodesView } from "../../../web/pages/node/my-nodes.tsx";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { countNodesOf } from "../../registry/node-list.ts";
import { earnedOf } from "../../stats/node-earnings.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { viewerOf } from "../viewer.ts";
import { besides, linePage } from "./lines.ts";
import { mayMakeTokens } from "./rights.ts";

const EVERY_MS = 2_000;
const DAY_MS = 86_400_000;

export const myNodesRoutes = (deps: DashboardDeps): HttpRoute[] => [
  {
    method: "GET",
    path: "/my/nodes",
    tier: "human",
    access: "user",
    summary: "The nodes of one's account.",
    answers: "text/html",
    async handle(call) {
      const { MyNodes } = await import("../../../web/pages/node/my-nodes.tsx");
      const { search } = new URL(call.request.url);
      const props = {
        viewer: viewerOf(deps, call),
        search,
        mayAdd: mayMakeTokens(call.human),
        account: call.human.account.name,
      };
      return pageAnswer(call.request, MyNodes({ ...props, ...(await viewOf(deps, call)) }));
    },
  },
  {
    method: "GET",
    path: "/live/my-nodes",
    tier: "human",
    access: "user",
    summary: "Updates of one's nodes.",
    answers: "text/event-stream",
    handle: (call) =>
      deps.live.open({
        key: `my-nodes:${call.human.account.id}:${call.query.get("cursor") ?? ""}`,
        everyMs: EVERY_MS,
        async render() {
          const { myNodesUpdates } = await import("../../../web/pages/node/my-nodes.tsx");
          const parts = myNodesUpdates(await viewOf(deps, call));
          return Promise.all(parts.map(async (part) => ({ data: String(await part) })));
        },
      }),
  },
];

async function viewOf(deps: DashboardDeps, call: SignedInCall): Promise<MyNodesView> {
  const { clock, registry, stats, billing } = deps;
  const { id } = call.human.account;
  const nowMs = clock.nowMs();
  const page = await linePage(deps, { accountId: id, role: "provider" }, call);
  const mine = [...registry.nodes.values()].filter(({ account, channel }) => account === id && channel !== null);
  return {
    rows: page.rows,
    ...besides({ request: pageRequest(call) }, page),
    nowMs,
    totals: {
      known: await countNodesOf(deps, id),
      online: mine.length,
      running: mine.reduce((sum, { running }) => sum + running, 0),
      slots: mine.reduce((sum, { slots }) => sum + slots, 0),
      outputPerS: mine.reduce((sum, { pubkey }) => sum + (stats.node(pubkey)?.outputPerS ?? 0), 0),
      earned: billing === "off" ? null : await earnedOf(deps, id, Math.floor(nowMs / DAY_MS)),
    },
  };
}

/** Its links lead to pages, whether the page asks or its stream does. */
const pageRequest = ({ request }: SignedInCall): Request =>
  new Request(request.url.replace("/live/my-nodes", "/my/nodes"));
