// Overview: `/admin`, what the network does now.
import type { HttpRoute } from "../http/routes.ts";
import { pageAnswer } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { viewerOf } from "./viewer.ts";

export const overviewRoutes = (deps: DashboardDeps): HttpRoute[] => [
  {
    method: "GET",
    path: "/admin",
    tier: "human",
    access: "user",
    role: "admin",
    summary: "What the network does now.",
    answers: "text/html",
    async handle(call) {
      const { Overview } = await import("../../web/pages/overview.tsx");
      return pageAnswer(call.request, Overview({ viewer: viewerOf(deps, call), now: deps.stats.now() }));
    },
  },
  {
    method: "GET",
    path: "/live/overview",
    tier: "human",
    access: "user",
    role: "admin",
    summary: "The overview's updates.",
    answers: "text/event-stream",
    handle: () =>
      deps.live.open({
        key: "overview",
        everyMs: 2_000,
        async render() {
          const { OverviewFigures } = await import("../../web/pages/overview.tsx");
          const data = `<hx-partial hx-target="#figures" hx-swap="outerHTML">${await OverviewFigures({ now: deps.stats.now() })}</hx-partial>`;
          return [{ data }];
        },
      }),
  },
];
