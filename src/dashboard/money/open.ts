// Open: pages of money are there where anything is charged; elsewhere they say so.
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound, refusal } from "../refusal.ts";
import { isAdmin, viewerOf } from "../viewer.ts";

type Handle = (call: SignedInCall) => Response | Promise<Response>;
type MoneyRoute = {
  path: string;
  summary: string;
  answers?: string;
  /** Only admins. */
  admin?: true;
  /** Changes the account's money: its owners only. */
  act?: true;
  handle: Handle;
};

/** The route of a page of money, or of an act in one. */
export function moneyRoute(deps: DashboardDeps, { admin, act, handle, ...route }: MoneyRoute): HttpRoute {
  const mayAct = (call: SignedInCall) => !act || admin === true || call.human.memberRole === "owner";
  return {
    answers: "text/html",
    ...route,
    method: act ? "POST" : "GET",
    tier: "human",
    access: "user",
    ...(admin ? { role: "admin" as const } : {}),
    async handle(call) {
      if (deps.billing === "off") return await nothingIsCharged(deps, call);
      if (!mayAct(call)) return await notAnOwner(deps, call);
      return await handle(call);
    },
  };
}

/** An admin is told how to have it. */
async function nothingIsCharged(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  if (!isAdmin(call.human)) return await notFound(deps, call, call.human);
  const { NothingIsCharged } = await import("../../../web/pages/money/off.tsx");
  return pageAnswer(call.request, NothingIsCharged({ viewer: viewerOf(deps, call) }), { status: 404 });
}

const notAnOwner = (deps: DashboardDeps, call: SignedInCall): Promise<Response> =>
  refusal(deps, call, call.human, {
    status: 403,
    title: "Not yours to change",
    words: "Only an owner of the account pays in, and says how it is funded.",
    code: "not_owner",
  });
