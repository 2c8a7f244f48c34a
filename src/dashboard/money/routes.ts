// Money: the pages of clients, operators and admins about it.
import type { HttpRoute } from "../../http/routes.ts";
import type { DashboardDeps } from "../deps.ts";
import { accountRoutes } from "./accounts.ts";
import { adminMoneyRoutes } from "./admin.ts";
import { allowanceRoutes } from "./allowance.ts";
import { billingRoutes } from "./billing.ts";
import { chainRoutes } from "./chain.ts";
import { depositRoutes } from "./deposit.ts";
import { earningsRoutes } from "./earnings.ts";
import { ledgerCheckRoutes } from "./ledger-check.ts";
import { payoutPages } from "./payouts.ts";
import { receiptPages } from "./receipts.ts";
import { stakeRoutes } from "./stakes.ts";

export const moneyPages = (deps: DashboardDeps): HttpRoute[] => [
  ...billingRoutes(deps),
  ...depositRoutes(deps),
  ...allowanceRoutes(deps),
  ...earningsRoutes(deps),
  ...receiptPages(deps),
  ...adminMoneyRoutes(deps),
  ...accountRoutes(deps),
  ...payoutPages(deps),
  ...chainRoutes(deps),
  ...stakeRoutes(deps),
  ...ledgerCheckRoutes(deps),
];
