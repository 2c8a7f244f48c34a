// Money: the pages of clients, operators and admins about it.
import type { HttpRoute } from "../../http/routes.ts";
import type { DashboardDeps } from "../deps.ts";
import { allowanceRoutes } from "./allowance.ts";
import { billingRoutes } from "./billing.ts";
import { depositRoutes } from "./deposit.ts";
import { earningsRoutes } from "./earnings.ts";
import { receiptPages } from "./receipts.ts";

export const moneyPages = (deps: DashboardDeps): HttpRoute[] => [
  ...billingRoutes(deps),
  ...depositRoutes(deps),
  ...allowanceRoutes(deps),
  ...earningsRoutes(deps),
  ...receiptPages(deps),
];
