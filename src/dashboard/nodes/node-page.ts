// Node page: `/nodes/:pubkey`, one address for everybody, and its updates.
import type { NodePageProps } from "../../../web/pages/node/page.tsx";
import type { HttpRoute, HumanCall } from "../../http/routes.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { getNode } from "../../registry/nodes.ts";
import type { NodeRow } from "../../registry/schema.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import type { LiveEvent } from "../live.ts";
import { publicPage } from "../public.ts";
import { readerOf } from "../reader.ts";
import { notFound } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { mayAct, type Right, rightTo } from "./rights.ts";
import { nodeShown } from "./shown.ts";

const EVERY_MS = 2_000;
/** Names that the install form proposes. */
const SUGGESTED = 60;

export type Looked = { row: NodeRow; pubkey: Pubkey; right: Right };

/** The node that a path names, where they may know of it. */
export async function lookedAt(
  { db, registry }: Pick<DashboardDeps, "db" | "registry">,
  { params, human }: Pick<HumanCall, "params" | "human">,
): Promise<Looked | undefined> {
  const pubkey = pubkeySchema.safeParse(params.pubkey);
  if (!pubkey.success) return undefined;
  const row = await getNode({ db }, pubkey.data);
  const right = row && rightTo(human, row, registry.nodes.get(pubkey.data));
  return row && right ? { row, pubkey: pubkey.data, right } : undefined;
}

export const nodePageRoutes = (deps: DashboardDeps): HttpRoute[] => [
  publicPage(deps, {
    path: "/nodes/:pubkey",
    summary: "One node: for everybody what it is and serves, for who runs it all of it.",
    async handle(call) {
      const looked = await lookedAt(deps, call);
      if (!looked) return notFound(deps, call, call.human, "node");
      return nodePage(deps, call, looked, null);
    },
  }),
  publicPage(deps, {
    path: "/live/nodes/:pubkey",
    summary: "One node's updates.",
    answers: "text/event-stream",
    async handle(call) {
      const looked = await lookedAt(deps, call);
      if (!looked) return notFound(deps, call, call.human, "node");
      const { pubkey, right } = looked;
      const acts = mayAct(call.human, right);
      const accountId = call.human?.account.id ?? null;
      const who = right === "owner" ? `owner:${accountId}:${acts}` : right;
      return deps.live.open(readerOf(deps, call), {
        key: `node:${pubkey}:${who}`,
        everyMs: EVERY_MS,
        // Looked at anew: what was decided meanwhile shows, and the node may have changed hands.
        render: async () => {
          const now = await lookedAt(deps, call);
          return now?.right === right ? updatesOf(deps, now.row, { right, acts, accountId }) : [];
        },
      });
    },
  }),
];

/** `sent`: terms that were not right, in their form. */
export async function nodePage(
  deps: DashboardDeps,
  call: Pick<HumanCall, "request" | "human">,
  { row, right, pubkey }: Looked,
  sent: NodePageProps["sent"],
): Promise<Response> {
  const acts = mayAct(call.human, right);
  const props: NodePageProps = {
    viewer: viewerOf(deps, call),
    node: await nodeShown(deps, row, right, call.human?.account.id ?? null),
    acts,
    suggestions: acts ? suggestions(deps, pubkey) : [],
    sent,
  };
  const { NodePage } = await import("../../../web/pages/node/page.tsx");
  return pageAnswer(call.request, NodePage(props), { status: sent === null ? 200 : 422 });
}

type Viewing = { right: Right; acts: boolean; accountId: string | null };

async function updatesOf(deps: DashboardDeps, row: NodeRow, { right, acts, accountId }: Viewing): Promise<LiveEvent[]> {
  const { nodeUpdates, nodeTicks } = await import("../../../web/pages/node/updates.tsx");
  const node = await nodeShown(deps, row, right, accountId);
  const parts = await Promise.all(nodeUpdates({ node, acts }).map(async (part) => ({ data: String(await part) })));
  return [...parts, ...nodeTicks(node)];
}

/** Models of other nodes that this one does not serve, by how many serve them. */
function suggestions({ registry }: Pick<DashboardDeps, "registry">, pubkey: Pubkey): string[] {
  const own = new Set(registry.nodes.get(pubkey)?.offers.map(({ model }) => model));
  return [...registry.models]
    .filter(([model, offers]) => !own.has(model) && offers.some(({ info }) => !info.demo))
    .toSorted(([, a], [, b]) => b.length - a.length)
    .slice(0, SUGGESTED)
    .map(([model]) => model);
}
