// The routes for people: their session is a cookie, and what changes something is asked by a page of ours.
import type { HttpRoute } from "../routes.ts";
import { accountRoutes } from "./account.ts";
import { adminRoutes } from "./admin.ts";
import { authRoutes } from "./auth.ts";
import type { HumanDeps } from "./deps.ts";
import { keyRoutes } from "./keys.ts";
import { oidcRoutes } from "./oidc.ts";
import { organisationRoutes } from "./organisations.ts";

export const humanRoutes = (deps: HumanDeps): HttpRoute[] => [
  ...authRoutes(deps),
  ...oidcRoutes(deps),
  ...accountRoutes(deps),
  ...keyRoutes(deps),
  ...organisationRoutes(deps),
  ...adminRoutes(deps),
];
