// Version: a node's own look at the feed of releases, when its operator asks.
import type { Admin } from "../../admin/operations.ts";
import type { OwnerRoute } from "../../http/routes.ts";
import { doneAnswer, fragmentAnswer, isHtmx, pageAnswer } from "../answer.ts";
import { faultOf } from "../version.ts";
import type { NodeView } from "./view.ts";

type Deps = { admin: Pick<Admin, "checkUpdate"> };

/** `view`: the page as it is now. */
export const ownVersionRoute = ({ admin }: Deps, view: () => NodeView): OwnerRoute => ({
  method: "POST",
  path: "/version/check",
  tier: "human",
  access: "owner",
  summary: "Looks at the feed of releases.",
  answers: "text/html",
  async handle({ request, csrf }) {
    const checked = await admin.checkUpdate({});
    const updateFault = checked.ok ? null : faultOf(checked.error);
    if (checked.ok && !isHtmx(request)) return doneAnswer(request, "/#version");
    const { OwnNode, OwnVersion } = await import("../../../web/pages/own-node/page.tsx");
    const shown = { csrf, view: { ...view(), updateFault } };
    const status = checked.ok ? 200 : 422;
    return isHtmx(request)
      ? fragmentAnswer(request, OwnVersion(shown), { status })
      : pageAnswer(request, OwnNode(shown), { status });
  },
});
