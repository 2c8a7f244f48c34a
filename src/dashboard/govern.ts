// Govern: what admins see and do of the whole coordinator. The pages share what one of them found out.
import type { HttpRoute } from "../http/routes.ts";
import { adminModelRoutes } from "./admin-models.ts";
import { auditWatch } from "./audit/watch.ts";
import { auditRoutes } from "./audit.ts";
import type { DashboardDeps } from "./deps.ts";
import { overviewRoutes } from "./overview.ts";
import { settingsRoutes } from "./settings.ts";
import { versionRoutes } from "./version.ts";

export function governRoutes(deps: DashboardDeps): HttpRoute[] {
  const watch = auditWatch(deps);
  return [
    ...overviewRoutes(deps, watch),
    ...adminModelRoutes(deps),
    ...settingsRoutes(deps),
    ...auditRoutes(deps, watch),
    ...versionRoutes(deps),
  ];
}
