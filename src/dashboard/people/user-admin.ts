// One user, for admins: `/admin/people/users/:id`.
import type { SentForm } from "../../../web/pages/people/organisation.tsx";
import type { MadeLink } from "../../../web/pages/people/people-admin.tsx";
import type { AuditView } from "../../admin/money-operations.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { nodesOfAccount } from "../../registry/account-link.ts";
import { adminRoute } from "../admin-route.ts";
import { pageAnswer } from "../answer.ts";
import { notFound, refusal } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { fieldsOf, saidOf } from "./acts.ts";
import { finish, NO_ROLE, type PeopleDeps, rolesIn, sentBack } from "./people-admin.ts";

const PATH = "/admin/people/users/:id";
const idIn = ({ params }: SignedInCall): string => params.id ?? "";
const pathOf = (call: SignedInCall): string => `/admin/people/users/${encodeURIComponent(idIn(call))}`;
/** Of each: more of them are on pages of their own. */
const SHOWN = 20;

export const userAdminRoutes = (deps: PeopleDeps): HttpRoute[] => [
  adminRoute({ path: PATH, summary: "One user.", handle: (call) => show(deps, call, {}) }),
  adminRoute({
    ...{ method: "POST", path: `${PATH}/roles`, summary: "Gives a user these roles and no others." },
    async handle(call) {
      const roles = rolesIn(call);
      if (roles.length === 0) return show(deps, call, { sent: sentBack(call, NO_ROLE), status: NO_ROLE.status });
      const done = await deps.admin.setUserRoles({ user: idIn(call), roles }, callerOf(call));
      return finish(deps, call, done, pathOf(call), "Roles saved");
    },
  }),
  ...(["disable", "enable"] as const).map((act) =>
    adminRoute({
      method: "POST",
      path: `${PATH}/${act}`,
      summary: act === "disable" ? "Shuts a user out." : "Lets a user in again.",
      async handle(call) {
        const disabled = act === "disable";
        const done = await deps.admin.setUserDisabled({ user: idIn(call), disabled }, callerOf(call));
        return finish(deps, call, done, pathOf(call), disabled ? "User disabled" : "User enabled");
      },
    }),
  ),
  adminRoute({
    ...{ method: "POST", path: `${PATH}/password-link`, summary: "A link for a user to set a new password with." },
    async handle(call) {
      const made = await deps.admin.resetPassword({ user: idIn(call) }, callerOf(call));
      if (!made.ok) return finish(deps, call, made, "", "");
      return show(deps, call, { link: { text: made.value.link, expiresMs: made.value.expires_ms, email: null } });
    },
  }),
  adminRoute({
    ...{ method: "POST", path: `${PATH}/sign-out`, summary: "Ends a user's sessions, or one of them." },
    async handle(call) {
      const { session } = fieldsOf(call);
      const input = { user: idIn(call), ...(session === undefined ? {} : { session }) };
      const done = await deps.admin.endSessions(input, callerOf(call));
      return finish(deps, call, done, pathOf(call), session === undefined ? "Signed out everywhere" : "Session ended");
    },
  }),
];

type More = { link?: MadeLink; sent?: SentForm; status?: number };

async function show(deps: PeopleDeps, call: SignedInCall, { link = null, sent = null, status = 200 }: More) {
  const { admin, people } = deps;
  const found = await admin.showUser({ user: idIn(call) });
  if (!found.ok) {
    if (found.error.code === "storage_failed") {
      return refusal(deps, call, call.human, { ...saidOf(found.error), title: "The user could not be read" });
    }
    return notFound(deps, call, call.human, "user");
  }
  const user = found.value;
  const [keys, nodes, did, about] = await Promise.all([
    admin.listKeys({ account: user.account, limit: SHOWN }),
    nodesOfAccount(people, user.account),
    admin.listAudit({ limit: SHOWN, actor: `user/${user.id}` }),
    admin.listAudit({ limit: SHOWN, subject: user.id }),
  ]);
  const entries = newest([...(did.ok ? did.value.entries : []), ...(about.ok ? about.value.entries : [])]);
  const { User } = await import("../../../web/pages/people/user.tsx");
  const page = User({
    viewer: { ...viewerOf(deps, call), path: "/admin/people" },
    csrf: call.human.csrf,
    nowMs: people.clock.nowMs(),
    user,
    keys: keys.ok ? keys.value.keys : [],
    nodes: nodes.slice(0, SHOWN),
    ...{ entries, link, sent },
  });
  return pageAnswer(call.request, page, { status });
}

/** Each once, the newest first. */
const newest = (entries: readonly AuditView[]): AuditView[] =>
  [...new Map(entries.map((entry) => [entry.seq, entry])).values()].sort((a, b) => b.seq - a.seq).slice(0, SHOWN);
