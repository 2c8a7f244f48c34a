// My nodes: `/my/nodes`, those of the account that one acts for.
import type { MyNodesView } from "../../../web/pages/node/my-nodes.tsx";
import { accountName } from "../../../web/parts/text.tsx";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { once } from "../../lib/once.ts";
import { countNodesOf } from "../../registry/node-list.ts";
import { isOnline } from "../../registry/node-state.ts";
import { earnedOf } from "../../stats/node-earnings.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { viewerOf } from "../viewer.ts";
import { besides, linePage } from "./lines.ts";
import { mayMakeTokens } from "./rights.ts";

const EVERY_MS = 2_000;
const DAY_MS = 86_400_000;

export function myNodesRoutes(deps: DashboardDeps): HttpRoute[] {
  const totals = totalsByAccount(deps);
  const viewOf = async (call: SignedInCall): Promise<MyNodesView> => {
    const { id } = call.human.account;
    const page = await linePage(deps, { accountId: id, role: "provider" }, call);
    const beside = besides({ request: pageRequest(call) }, page);
    return { rows: page.rows, ...beside, nowMs: deps.clock.nowMs(), totals: await totals(id) };
  };
  return [
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
          account: accountName(call.human.account),
        };
        return pageAnswer(call.request, MyNodes({ ...props, ...(await viewOf(call)) }));
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
        deps.live.open(readerOf(deps, call), {
          key: `my-nodes:${call.human.account.id}:${call.query.get("cursor") ?? ""}`,
          everyMs: EVERY_MS,
          async render() {
            const { myNodesUpdates } = await import("../../../web/pages/node/my-nodes.tsx");
            const parts = myNodesUpdates(await viewOf(call));
            return Promise.all(parts.map(async (part) => ({ data: String(await part) })));
          },
        }),
    },
  ];
}

type Totals = MyNodesView["totals"];
/** The built-in account may own ten thousand. */
const TOTALS_MS = 2_000;
const MAX_ACCOUNTS = 1_000;

function totalsByAccount(deps: DashboardDeps): (accountId: string) => Promise<Totals> {
  const byAccount = new Map<string, () => Promise<Totals>>();
  return (accountId) => {
    const known = byAccount.get(accountId) ?? once(deps.clock, TOTALS_MS, () => totalsOf(deps, accountId));
    byAccount.delete(accountId);
    byAccount.set(accountId, known);
    for (const oldest of byAccount.keys()) {
      if (byAccount.size <= MAX_ACCOUNTS) break;
      byAccount.delete(oldest);
    }
    return known();
  };
}

async function totalsOf(deps: DashboardDeps, accountId: string): Promise<Totals> {
  const { clock, registry, stats, billing } = deps;
  const totals: Totals = { known: 0, online: 0, running: 0, slots: 0, outputPerS: 0, earned: null };
  for (const node of registry.nodes.values()) {
    const { account, running, slots, pubkey } = node;
    if (account !== accountId || !isOnline(node)) continue;
    totals.online += 1;
    totals.running += running;
    totals.slots += slots;
    totals.outputPerS += stats.node(pubkey)?.outputPerS ?? 0;
  }
  const day = Math.floor(clock.nowMs() / DAY_MS);
  totals.known = await countNodesOf(deps, accountId);
  if (billing !== "off") totals.earned = await earnedOf(deps, accountId, day);
  return totals;
}

/** Its links lead to pages, whether the page asks or its stream does. */
const pageRequest = ({ request }: SignedInCall): Request =>
  new Request(request.url.replace("/live/my-nodes", "/my/nodes"));
