// Models: `/models`, the catalogue, and `/models/NAME`, one of them with who serves it.
import { curlCall } from "../../web/parts/call.ts";
import type { HttpRoute, HumanCall } from "../http/routes.ts";
import { addressOf } from "./address.ts";
import { pageAnswer } from "./answer.ts";
import { catalogued, type ModelRow, type ServingRow, servingNodes } from "./catalogue.ts";
import type { DashboardDeps } from "./deps.ts";
import type { Network } from "./network.ts";
import { listPage, type Place } from "./paging.ts";
import { publicPage } from "./public.ts";
import { cursorsOf, hrefWith } from "./query.ts";
import { notFound } from "./refusal.ts";
import { viewerOf } from "./viewer.ts";

const PAGE = 50;
const MAX_QUERY = 128;

export const modelRoutes = (deps: DashboardDeps, network: Network): HttpRoute[] => [
  publicPage(deps, {
    path: "/models",
    summary: "The models on offer.",
    handle: (call) => cataloguePage(deps, network, call),
  }),
  publicPage(deps, {
    path: "/models/*",
    summary: "One model, and who serves it. Its name may hold slashes.",
    handle: (call) => modelPage(deps, call),
  }),
];

type Wanted = { q: string; can: string; context: string; order: string };
const wantedOf = ({ query }: HumanCall): Wanted => {
  const text = (name: string) => (query.get(name) ?? "").slice(0, MAX_QUERY);
  return { q: text("q").trim(), can: text("can"), context: text("context"), order: text("order") || "used" };
};

async function cataloguePage(deps: DashboardDeps, network: Network, call: HumanCall): Promise<Response> {
  const wanted = wantedOf(call);
  const all = await network.models();
  const placeOf = placesBy(wanted.order, network.used());
  const page = listPage(all.filter(fits(wanted)), placeOf, cursorsOf(call), PAGE);
  const { Models } = await import("../../web/pages/models.tsx");
  const view = {
    viewer: viewerOf(deps, call),
    now: await network.now(),
    wanted,
    page: { rows: page.rows, ...hrefWith(call, page) },
    total: all.length,
  };
  return pageAnswer(call.request, Models(view));
}

function fits({ q, can, context }: Wanted): (row: ModelRow) => boolean {
  const part = q.toLowerCase();
  const atLeast = /^\d{1,9}$/.test(context) ? Number(context) : 0;
  return (row) =>
    row.id.toLowerCase().includes(part) &&
    (can === "" || (row.can as readonly string[]).includes(can)) &&
    (atLeast === 0 || (row.context ?? 0) >= atLeast);
}

/** What stands first has the least. What can be served now stands before what cannot. */
function placesBy(order: string, used: ReadonlyMap<string, number>): (row: ModelRow) => Place {
  const by: Record<string, (row: ModelRow) => number | string> = {
    used: ({ id, nodes }) => -(used.get(id) ?? 0) - nodes / 1_000_000,
    cheap: ({ prices, can }) => prices.input + (isOnlyEmbedding(can) ? 0 : prices.output),
    fast: ({ tokensPerS }) => -(tokensPerS ?? 0),
    name: ({ id }) => id.toLowerCase(),
  };
  const rank = (Object.hasOwn(by, order) ? by[order] : undefined) ?? by.used;
  return (row) => [rank?.(row) ?? 0, row.id];
}
const isOnlyEmbedding = (can: ModelRow["can"]): boolean => can.includes("embeddings") && !can.includes("chat");

async function modelPage(deps: DashboardDeps, call: HumanCall): Promise<Response> {
  const { registry, clock } = deps;
  const name = call.params["*"] ?? "";
  const row = catalogued(registry, name, clock.nowMs());
  if (!row) return modelAway(deps, call, name);
  const placeOf = (node: ServingRow): Place => [node.rank, node.pubkey];
  const serving = servingNodes(registry, row.aliasFor[0] ?? row.id, clock.nowMs());
  const page = listPage(serving, placeOf, cursorsOf(call), PAGE);
  const { Model } = await import("../../web/pages/models.tsx");
  const address = addressOf(deps, call.request);
  const view = {
    viewer: viewerOf(deps, call),
    row,
    serving: { rows: page.rows, ...hrefWith(call, page) },
    address,
    call: exampleCall(address, row),
    charged: deps.billing !== "off",
  };
  return pageAnswer(call.request, Model(view));
}

/** A chat, or what else it can be asked for. */
export const exampleCall = (address: string, { id, can }: Pick<ModelRow, "id" | "can">): string =>
  isOnlyEmbedding(can)
    ? curlCall(address, "/v1/embeddings", { model: id, input: "What is infernet?" })
    : curlCall(
        address,
        "/v1/chat/completions",
        { model: id, messages: [{ role: "user", content: "What is infernet?" }], stream: true },
        { flags: "-N" },
      );

async function modelAway(deps: DashboardDeps, call: HumanCall, name: string): Promise<Response> {
  const { registry, clock } = deps;
  const lastMs = registry.lastServedMs(name, (pool) => pool === "");
  if (lastMs === undefined) return notFound(deps, call, call.human, "model");
  const { ModelAway } = await import("../../web/pages/models.tsx");
  const view = { viewer: viewerOf(deps, call), name, lastMs, nowMs: clock.nowMs() };
  return pageAnswer(call.request, ModelAway(view), { status: 404 });
}
