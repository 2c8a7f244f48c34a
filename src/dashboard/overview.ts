// Overview: `/admin`, what the network does now and what waits for an admin; one stream for all who look.
import type { Markup } from "../../web/parts/markup.ts";
import type { HttpRoute } from "../http/routes.ts";
import { once } from "../lib/once.ts";
import { RANGES, type Range } from "../stats/stats.ts";
import { adminRoute } from "./admin-route.ts";
import { pageAnswer } from "./answer.ts";
import type { AuditWatch } from "./audit/watch.ts";
import type { DashboardDeps } from "./deps.ts";
import type { LiveEvent } from "./live.ts";
import { type OverviewView, overviewView, rangeOf } from "./overview/view.ts";
import { readerOf } from "./reader.ts";
import { viewerOf } from "./viewer.ts";

const EVERY_MS = 2_000;
/** Who opens the page while others look gets what they see. */
const KEEP_MS = 1_000;

export function overviewRoutes(deps: DashboardDeps, watch: AuditWatch): HttpRoute[] {
  const views = new Map(
    RANGES.map((range) => [range, once(deps.clock, KEEP_MS, () => overviewView(deps, range, watch.last()))]),
  );
  const viewFor = async (range: Range): Promise<OverviewView> =>
    (await views.get(range)?.()) ?? (await overviewView(deps, range, watch.last()));
  return [
    adminRoute({
      path: "/admin",
      summary: "What the network does now, and what waits for an admin.",
      async handle(call) {
        const [{ Overview }, view] = await Promise.all([
          import("../../web/pages/overview.tsx"),
          viewFor(rangeOf(call.query)),
        ]);
        return pageAnswer(call.request, Overview({ viewer: viewerOf(deps, call), view }));
      },
    }),
    adminRoute({
      path: "/live/overview",
      summary: "The overview's updates.",
      answers: "text/event-stream",
      handle(call) {
        const range = rangeOf(call.query);
        return deps.live.open(readerOf(deps, call), {
          key: `overview/${range}`,
          everyMs: EVERY_MS,
          render: async () => updates(await viewFor(range)),
        });
      },
    }),
  ];
}

async function updates(view: OverviewView): Promise<LiveEvent[]> {
  const { overviewParts, chartRow } = await import("../../web/pages/overview.tsx");
  const parts = await Promise.all(Object.entries(overviewParts(view)).map(([id, part]) => partial(id, part)));
  const newest = chartRow(view);
  return [...parts, ...(newest === null ? [] : [{ event: "tick", data: JSON.stringify(newest) }])];
}

const partial = async (id: string, part: Markup): Promise<LiveEvent> => ({
  data: `<hx-partial hx-target="#${id}" hx-swap="outerMorph">${String(await part)}</hx-partial>`,
});
