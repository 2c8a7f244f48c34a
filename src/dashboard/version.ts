// Version: `/admin/version`, which version runs and what the feed of releases has. The feed is asked when an admin asks.
import type { UpdateState } from "../admin/update-operations.ts";
import { callerOf } from "../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../http/routes.ts";
import { adminRoute } from "./admin-route.ts";
import { doneAnswer, fragmentAnswer, isHtmx, pageAnswer } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { viewerOf } from "./viewer.ts";
import { sentence } from "./words.ts";

export const versionRoutes = (deps: DashboardDeps): HttpRoute[] => [
  adminRoute({
    path: "/admin/version",
    summary: "Which version runs, and what the feed of releases has.",
    handle: (call) => answer(deps, call, null),
  }),
  adminRoute({
    method: "POST",
    path: "/admin/version/check",
    summary: "Looks at the feed of releases.",
    async handle(call) {
      const checked = await deps.admin.checkUpdate({}, callerOf(call));
      if (!checked.ok) return answer(deps, call, faultOf(checked.error));
      return isHtmx(call.request) ? answer(deps, call, null) : doneAnswer(call.request, "/admin/version");
    },
  }),
];

/** What went wrong, and what to do. */
export const faultOf = ({ message, hint }: { message: string; hint?: string | undefined }): string =>
  [message, hint].flatMap((text) => (text === undefined ? [] : [sentence(text)])).join(" ");

/** To htmx the card anew, else the page; 422 where the look was refused. */
async function answer(deps: DashboardDeps, call: SignedInCall, fault: string | null): Promise<Response> {
  const { InstanceVersion, Version } = await import("../../web/pages/version.tsx");
  const view = { update: await updateOf(deps), fault, nowMs: deps.clock.nowMs() };
  const status = fault === null ? 200 : 422;
  if (call.request.method === "POST" && isHtmx(call.request)) {
    return fragmentAnswer(call.request, InstanceVersion({ view, csrf: call.human.csrf }), { status });
  }
  return pageAnswer(call.request, Version({ viewer: viewerOf(deps, call), view }), { status });
}

async function updateOf({ admin, version }: DashboardDeps): Promise<UpdateState> {
  const read = await admin.readUpdate({});
  return read.ok ? read.value : { version, target: null, feed: null, daily: false, found: null };
}
