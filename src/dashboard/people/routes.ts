// The pages about people: coming in, one's own account, organisations, and the first steps of a new instance.
import type { HttpRoute } from "../../http/routes.ts";
import type { DashboardDeps } from "../deps.ts";
import { accountPages } from "./account.ts";
import { entranceRoutes } from "./entrance.ts";
import { organisationPages } from "./organisations.ts";
import { peopleAdminRoutes } from "./people-admin.ts";
import { userAdminRoutes } from "./user-admin.ts";
import { welcomeRoutes } from "./welcome.ts";

export const peopleRoutes = (deps: DashboardDeps): HttpRoute[] => [
  ...entranceRoutes(deps),
  ...welcomeRoutes(deps),
  ...accountPages(deps),
  ...organisationPages(deps),
  ...peopleAdminRoutes(deps),
  ...userAdminRoutes(deps),
];
