// The pages of a coordinator, listed; each is a small function somewhere beside this file.
import type { HttpRoute } from "../http/routes.ts";
import { assetRoutes } from "./assets.ts";
import type { DashboardDeps } from "./deps.ts";
import { governRoutes } from "./govern.ts";
import { installableRoutes } from "./installable.ts";
import { jobRoutes } from "./jobs/routes.ts";
import { keyRoutes } from "./keys/keys.ts";
import { moneyPages } from "./money/routes.ts";
import { nodeRoutes } from "./nodes/routes.ts";
import { noticeRoutes } from "./notices.ts";
import { peopleRoutes } from "./people/routes.ts";
import { playgroundRoutes } from "./playground/playground.ts";
import { publicRoutes } from "./public-routes.ts";
import { usageRoutes } from "./usage/usage.ts";

export const dashboardRoutes = (deps: DashboardDeps): HttpRoute[] => [
  ...assetRoutes(),
  ...publicRoutes(deps),
  ...governRoutes(deps),
  ...jobRoutes(deps),
  ...installableRoutes(deps),
  ...keyRoutes(deps),
  ...noticeRoutes(deps),
  ...moneyPages(deps),
  ...nodeRoutes(deps),
  ...peopleRoutes(deps),
  ...playgroundRoutes(deps),
  ...usageRoutes(deps),
];
