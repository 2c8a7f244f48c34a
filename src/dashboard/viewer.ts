// Viewer: who looks at a page, as the shell shows it.
import type { Viewer } from "../../web/parts/shell.tsx";
import type { Human } from "../http/routes.ts";
import type { DashboardDeps } from "./deps.ts";

export type Looking = { human: Human | null; request: Request };

/** `counts`: small numbers in the navigation. */
export function viewerOf(deps: Pick<DashboardDeps, "billing">, { human, request }: Looking): Viewer {
  return {
    human: human && {
      email: human.user.email,
      name: human.user.name,
      roles: human.user.roles,
      account: human.account,
      memberRole: human.memberRole,
      csrf: human.csrf,
    },
    path: new URL(request.url).pathname,
    billing: deps.billing !== "off",
    counts: {},
  };
}

/** Whether somebody may govern here. */
export const isAdmin = (human: Human | null): boolean => human?.user.roles.includes("admin") === true;
/** Whether somebody may see and command this node: it belongs to the account they act for, or they govern. */
export const mayRun = (human: Human | null, accountId: string): boolean =>
  isAdmin(human) || (human !== null && human.account.id === accountId);
