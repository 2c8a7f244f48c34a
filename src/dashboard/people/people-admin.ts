// People, for admins: `/admin/people` and its tabs. Everything is an operation of admin, the same that the commands call.
import type { SentForm } from "../../../web/pages/people/organisation.tsx";
import type { MadeLink, Pages } from "../../../web/pages/people/people-admin.tsx";
import { accountNames } from "../../accounts/account-names.ts";
import { USER_ROLES } from "../../accounts/roles.ts";
import { findUser } from "../../accounts/users.ts";
import type { AdminError } from "../../admin/operations.ts";
import { ask } from "../../http/human/admin.ts";
import { isForm } from "../../http/human/answers.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { adminRoute } from "../admin-route.ts";
import { doneAnswer, pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { keyInput } from "../keys/form.ts";
import { refusal } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { fieldsOf, type Said, saidOf } from "./acts.ts";

export type PeopleDeps = Pick<DashboardDeps, "admin" | "people" | "billing">;

/** Rows of one page, and users that a search shows. */
const PAGE = 50;
const BASE = "/admin/people";
const load = () => import("../../../web/pages/people/people-admin.tsx");

export const peopleAdminRoutes = (deps: PeopleDeps): HttpRoute[] => [
  adminRoute({ path: BASE, summary: "Users.", handle: (call) => users(deps, call, {}) }),
  adminRoute({
    ...{ method: "POST", path: BASE, summary: "Makes a user, and the link for them to set a password with." },
    handle: (call) => createUser(deps, call),
  }),
  adminRoute({
    ...{ path: `${BASE}/invitations`, summary: "Invitations." },
    handle: (call) => invitations(deps, call, {}),
  }),
  adminRoute({
    ...{ method: "POST", path: `${BASE}/invitations`, summary: "A link by which one person signs up." },
    handle: (call) => invite(deps, call),
  }),
  adminRoute({
    ...{ method: "POST", path: `${BASE}/invitations/:id/revoke`, summary: "Ends an invitation." },
    async handle(call) {
      const done = await deps.admin.revokeInvitation({ id: call.params.id ?? "" }, callerOf(call));
      return finish(deps, call, done, `${BASE}/invitations`, "Invitation revoked");
    },
  }),
  adminRoute({
    ...{ path: `${BASE}/organisations`, summary: "Organisations." },
    handle: (call) => organisations(deps, call),
  }),
  adminRoute({ path: `${BASE}/keys`, summary: "Everybody's API keys.", handle: (call) => keys(deps, call, {}) }),
  adminRoute({
    ...{ method: "POST", path: `${BASE}/keys`, summary: "Makes a key for an account; it is in this answer only." },
    handle: (call) => createKey(deps, call),
  }),
  adminRoute({
    ...{ method: "POST", path: `${BASE}/keys/:id/revoke`, summary: "Ends a key at once." },
    async handle(call) {
      const done = await deps.admin.revokeKey({ id: call.params.id ?? "" }, callerOf(call));
      return finish(deps, call, done, `${BASE}/keys`, "Key revoked");
    },
  }),
];

/** What a button did: a toast, and a new look. */
export async function finish(
  deps: PeopleDeps,
  call: SignedInCall,
  done: Result<object, AdminError>,
  to: string,
  text: string,
): Promise<Response> {
  if (done.ok) return doneAnswer(call.request, to, { text });
  return refusal(deps, call, call.human, { ...saidOf(done.error), title: "That did not work" });
}

/** Where in a list one is; a cursor that is none of ours begins at the start. */
function spanIn({ query }: SignedInCall): { limit: number; cursor?: string } {
  const cursor = query.get("cursor");
  return { limit: PAGE, ...(cursor !== null && /^(newer|older):\d{1,15}:[\w-]{1,64}$/.test(cursor) ? { cursor } : {}) };
}

function around(deps: PeopleDeps, call: SignedInCall, tab: string, cursors: Pages) {
  const to = (cursor: string | null) => cursor && `${tab}?cursor=${encodeURIComponent(cursor)}`;
  return {
    viewer: { ...viewerOf(deps, call), path: BASE },
    csrf: call.human.csrf,
    nowMs: deps.people.clock.nowMs(),
    pages: { newer: to(cursors.newer), older: to(cursors.older) },
  };
}

type More = { link?: MadeLink; sent?: SentForm; status?: number };

/** Several fields of one name; `roles` as text, for the form that is shown again. */
export function rolesIn(call: SignedInCall): (typeof USER_ROLES)[number][] {
  const given = isForm(call.request) ? new URLSearchParams(call.body()).getAll("role") : [];
  return USER_ROLES.filter((role) => given.includes(role));
}
export const NO_ROLE: Said = { status: 422, words: "Choose a role at least.", field: null, code: "invalid" };
export const sentBack = (call: SignedInCall, { field, words }: Said): SentForm => ({
  form: "form",
  fields: { ...fieldsOf(call), roles: rolesIn(call).join(",") },
  fault: { field, words },
});

async function users(deps: PeopleDeps, call: SignedInCall, { link = null, sent = null, status = 200 }: More) {
  const { Users } = await load();
  const search = (call.query.get("q") ?? "").trim().slice(0, 254);
  const listed = await deps.admin.listUsers(search === "" ? spanIn(call) : { search, limit: PAGE });
  if (!listed.ok) return unread(deps, call, listed.error);
  const { users: rows, ...cursors } = listed.value;
  const view = { ...around(deps, call, BASE, cursors), users: rows, search, link, sent, full: rows.length >= PAGE };
  return pageAnswer(call.request, Users(view), { status });
}

const unread = (deps: PeopleDeps, call: SignedInCall, error: AdminError): Promise<Response> =>
  refusal(deps, call, call.human, { ...saidOf(error), title: "The list could not be read" });

async function createUser(deps: PeopleDeps, call: SignedInCall): Promise<Response> {
  const { email = "", name } = fieldsOf(call);
  const roles = rolesIn(call);
  if (roles.length === 0) return users(deps, call, { sent: sentBack(call, NO_ROLE), status: NO_ROLE.status });
  const input = { email, roles, ...(name === undefined ? {} : { name }) };
  const made = await deps.admin.createUser(input, callerOf(call));
  if (!made.ok) {
    const said = saidOf(made.error);
    return users(deps, call, { sent: sentBack(call, said), status: said.status });
  }
  return users(deps, call, { link: { text: made.value.link, expiresMs: made.value.expires_ms, email } });
}

async function invitations(deps: PeopleDeps, call: SignedInCall, { link = null, sent = null, status = 200 }: More) {
  const { Invitations } = await load();
  const listed = await deps.admin.listInvitations(spanIn(call));
  if (!listed.ok) return unread(deps, call, listed.error);
  const { invitations: rows, ...cursors } = listed.value;
  const names = await accountNames(
    deps.people,
    rows.flatMap(({ organisation }) => organisation ?? []),
  );
  const view = { ...around(deps, call, `${BASE}/invitations`, cursors), invitations: rows, organisations: names };
  return pageAnswer(call.request, Invitations({ ...view, link, sent }), { status });
}

async function invite(deps: PeopleDeps, call: SignedInCall): Promise<Response> {
  const { email, organisation, expires_in_s: lifetime } = fieldsOf(call);
  const roles = rolesIn(call);
  if (roles.length === 0) return invitations(deps, call, { sent: sentBack(call, NO_ROLE), status: NO_ROLE.status });
  const input = {
    roles,
    ...(email === undefined ? {} : { email }),
    ...(organisation === undefined ? {} : { organisation }),
    ...(lifetime === undefined ? {} : { expires_in_s: Number(lifetime) }),
  };
  const made = await deps.admin.createInvitation(input, callerOf(call));
  if (!made.ok) {
    const said = saidOf(made.error, made.error.code === "not_found" ? "organisation" : null);
    return invitations(deps, call, { sent: sentBack(call, said), status: said.status });
  }
  const link = { text: made.value.link, expiresMs: made.value.expires_ms, email: email ?? null };
  return invitations(deps, call, { link });
}

async function organisations(deps: PeopleDeps, call: SignedInCall): Promise<Response> {
  const { Organisations } = await load();
  const listed = await deps.admin.listOrganisations(spanIn(call));
  if (!listed.ok) return unread(deps, call, listed.error);
  const { organisations: rows, ...cursors } = listed.value;
  const view = { ...around(deps, call, `${BASE}/organisations`, cursors), organisations: rows, sent: null };
  return pageAnswer(call.request, Organisations(view));
}

type MoreKeys = Omit<More, "link"> & { made?: { key: string; name: string } | null };
async function keys(deps: PeopleDeps, call: SignedInCall, { made = null, sent = null, status = 200 }: MoreKeys) {
  const { Keys } = await load();
  const listed = await deps.admin.listKeys(spanIn(call));
  if (!listed.ok) return unread(deps, call, listed.error);
  const { keys: rows, ...cursors } = listed.value;
  const accounts = await accountNames(
    deps.people,
    rows.map(({ account }) => account),
  );
  const view = { ...around(deps, call, `${BASE}/keys`, cursors), keys: rows, accounts, made, sent };
  return pageAnswer(call.request, Keys(view), { status });
}

async function createKey(deps: PeopleDeps, call: SignedInCall): Promise<Response> {
  const fields = fieldsOf(call);
  const no = (said: Said) => keys(deps, call, { sent: sentBack(call, said), status: said.status });
  const account = await accountIn(deps, fields.account);
  if (!account.ok) return no(account.error);
  const read = keyInput(fields);
  if (!read.ok) return no({ status: 422, code: "invalid", ...read.error });
  const input = { ...read.value, ...(account.value === undefined ? {} : { account: account.value }) };
  const made = await ask(deps.admin, "createKey", input, callerOf(call));
  if (!made.ok) return no(saidOf(made.error, made.error.code === "not_found" ? "account" : null));
  const { key } = made.value as { key: string };
  return keys(deps, call, { made: { key, name: fields.name ?? "" } });
}

/** An account by its id, or by its user's address. */
async function accountIn({ people }: PeopleDeps, text: string | undefined): Promise<Result<string | undefined, Said>> {
  if (text === undefined || !text.includes("@")) return ok(text?.trim());
  const user = await findUser(people.db.read, text.trim().toLowerCase());
  if (user) return ok(user.accountId);
  return err({ status: 404, words: "There is no user with this address.", field: "account", code: "not_found" });
}
