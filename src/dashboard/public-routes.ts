// Public routes: the pages that everybody may see.
import type { HttpRoute } from "../http/routes.ts";
import { checkRoutes } from "./check.ts";
import type { DashboardDeps } from "./deps.ts";
import { docsRoutes } from "./docs.ts";
import { homeRoutes } from "./home.ts";
import { modelRoutes } from "./models.ts";
import { createNetwork, networkRoutes } from "./network.ts";
import { providerRoutes } from "./providers.ts";

export function publicRoutes(deps: DashboardDeps): HttpRoute[] {
  const network = createNetwork(deps);
  return [
    ...homeRoutes(deps, network),
    ...networkRoutes(deps, network),
    ...modelRoutes(deps, network),
    ...providerRoutes(deps),
    ...checkRoutes(deps),
    ...docsRoutes(deps, network),
  ];
}
