// Providers: `/nodes`, the directory of the nodes that serve everybody.
import type { HttpRoute, HumanCall } from "../http/routes.ts";
import { pageAnswer } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { type DirectoryQuery, directory } from "./directory.ts";
import { publicPage } from "./public.ts";
import { cursorsOf, hrefWith } from "./query.ts";
import { viewerOf } from "./viewer.ts";

const PAGE = 50;
const MAX_QUERY = 128;

export const providerRoutes = (deps: DashboardDeps): HttpRoute[] => [
  publicPage(deps, {
    path: "/nodes",
    summary: "The nodes that serve everybody.",
    handle: (call) => directoryPage(deps, call),
  }),
];

const wantedOf = ({ query }: HumanCall): DirectoryQuery => {
  const text = (name: string) => (query.get(name) ?? "").slice(0, MAX_QUERY);
  return { q: text("q").trim(), state: text("state"), region: text("region"), order: text("order") || "state" };
};

async function directoryPage(deps: DashboardDeps, call: HumanCall): Promise<Response> {
  const wanted = wantedOf(call);
  const nowMs = deps.clock.nowMs();
  const { page, regions, ...counts } = directory(deps.registry, wanted, {
    cursors: cursorsOf(call),
    size: PAGE,
    nowMs,
  });
  const { Providers } = await import("../../web/pages/providers.tsx");
  const view = {
    ...{ viewer: viewerOf(deps, call), wanted, ...counts, nowMs },
    // With the one asked for.
    regions: [...new Set(wanted.region === "" ? regions : [...regions, wanted.region])].sort(),
    page: { rows: page.rows, ...hrefWith(call, page) },
  };
  return pageAnswer(call.request, Providers(view));
}
