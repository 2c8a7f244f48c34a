// Public: pages that everybody may see, unless the instance shows itself only to those who are signed in
// (`[dashboard] public = false`).
import { errorResponse } from "../http/errors.ts";
import { signInFirst } from "../http/human/guard.ts";
import type { HttpRoute, HumanCall } from "../http/routes.ts";
import type { DashboardDeps } from "./deps.ts";

type PublicPage = {
  path: string;
  summary: string;
  /** `text/event-stream` for the updates of such a page. */
  answers?: "text/html" | "text/event-stream";
  /** `call.human` is null where nobody is signed in. */
  handle(call: HumanCall): Response | Promise<Response>;
};

/** The route of such a page: strangers are sent to sign in first where it is closed, and come back to it. */
export const publicPage = (
  deps: Pick<DashboardDeps, "isPublic">,
  { answers = "text/html", handle, ...page }: PublicPage,
): HttpRoute => ({
  ...page,
  method: "GET",
  tier: "human",
  access: "anyone",
  answers,
  handle(call) {
    if (call.human !== null || deps.isPublic()) return handle(call);
    return answers === "text/html" ? signInFirst(call.request) : errorResponse("session_missing", "sign in first");
  },
});
