// Dashboard: builds what the pages work with.
import type { Config } from "../config.ts";
import type { DashboardDeps } from "../dashboard/deps.ts";
import { createLive } from "../dashboard/live.ts";
import { missingPage } from "../dashboard/missing.ts";
import { refusalPage } from "../dashboard/refusal.ts";
import { dashboardRoutes } from "../dashboard/routes.ts";
import type { HttpRoute } from "../http/routes.ts";

export type DashboardInput = Omit<
  DashboardDeps,
  "live" | "billing" | "feeBps" | "registration" | "queueLimit" | "isPublic"
> & {
  config: Config;
};

export type Dashboard = {
  routes: HttpRoute[];
  refusalPage: ReturnType<typeof refusalPage>;
  /** What browsers see where there is nothing. */
  missing: HttpRoute;
  stop(): void;
};

export function buildDashboard({ config, ...input }: DashboardInput): Dashboard {
  const deps: DashboardDeps = {
    ...input,
    live: createLive(input),
    billing: config.billing.mode,
    get feeBps() {
      return config.billing.fee_bps;
    },
    get registration() {
      return config.coordinator.registration;
    },
    queueLimit: () => config.coordinator.queue_limit,
    isPublic: () => config.dashboard.public,
  };
  return {
    routes: dashboardRoutes(deps),
    refusalPage: refusalPage(deps),
    missing: missingPage(deps),
    stop: () => deps.live.close(),
  };
}
