// Missing: what browsers see where there is nothing; programs get the API's error.
import type { HttpRoute } from "../http/routes.ts";
import type { DashboardDeps } from "./deps.ts";
import { notFound } from "./refusal.ts";

/** For the server; it stands for no path of its own. */
export const missingPage = (deps: Pick<DashboardDeps, "billing">): HttpRoute => ({
  method: "GET",
  path: "/*",
  tier: "human",
  access: "anyone",
  summary: "There is nothing there.",
  answers: "text/html",
  handle: (call) => notFound(deps, call, call.human),
});
