// The pages about nodes: one node's, those of an account, all of them, and the tokens that let new ones in.
import type { HttpRoute } from "../../http/routes.ts";
import type { DashboardDeps } from "../deps.ts";
import { adminNodesRoutes } from "./admin-nodes.ts";
import { joinTokenRoutes } from "./join-tokens.ts";
import { myNodesRoutes } from "./my-nodes.ts";
import { nodeActRoutes } from "./node-acts.ts";
import { nodePageRoutes } from "./node-page.ts";

export const nodeRoutes = (deps: DashboardDeps): HttpRoute[] => [
  ...nodePageRoutes(deps),
  ...nodeActRoutes(deps),
  ...myNodesRoutes(deps),
  ...joinTokenRoutes(deps),
  ...adminNodesRoutes(deps),
];
