// Organisations: `/organisations/new` and `/organisations/:id`, for those who are in one, and for admins.

import type { OrganisationView } from "../../../web/pages/people/organisation.tsx";
import { listInvitations } from "../../accounts/invitations.ts";
import { findShared, memberRole } from "../../accounts/organisations.ts";
import type { AdminError } from "../../admin/operations.ts";
import { invitationView } from "../../admin/users.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { doneAnswer, pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound, refusal } from "../refusal.ts";
import { userRoute } from "../user-route.ts";
import { isAdmin, viewerOf } from "../viewer.ts";
import { type Ask, apiActs, type Done, fieldsOf, goOn, type Said, saidOf } from "./acts.ts";

type Deps = Pick<DashboardDeps, "human" | "people" | "billing" | "admin">;
type More = Partial<Pick<OrganisationView, "link" | "sent">>;
const API = "/api/v1/organisations";
const SHOWN_MEMBERS = 200;
const SHOWN_INVITATIONS = 50;

const pathOf = (id: string): string => `/organisations/${encodeURIComponent(id)}`;

/** What its owners ask of the API, and admins, who are not in it, of the instance. */
type Act = {
  path: string;
  summary: string;
  /** Null where only members can. */
  admin: ((fields: Record<string, string>, call: SignedInCall) => Promise<Result<object, AdminError>>) | null;
  form?: string;
  after: (call: SignedInCall, done: Done) => Response | Promise<Response>;
};

export function organisationPages(deps: Deps): HttpRoute[] {
  const ask = apiActs(deps.human);
  return [
    userRoute({
      path: "/organisations/new",
      summary: "A form for a new organisation.",
      handle: (call) => newPage(deps, call),
    }),
    userRoute({
      ...{ method: "POST", path: "/organisations/new", summary: "Makes an organisation." },
      async handle(call) {
        const made = await ask(call, API);
        return made.ok ? goOn(call.request, pathOf(String(made.value.body.id))) : newPage(deps, call, made.error);
      },
    }),
    userRoute({
      path: "/organisations/:id",
      summary: "An organisation and its members.",
      handle: (call) => show(deps, call, {}),
    }),
    ...acts(deps).map((act) =>
      userRoute({
        ...{ method: "POST", path: `/organisations/:id${act.path}`, summary: act.summary },
        handle: (call) => doAct(deps, ask, act, call),
      }),
    ),
  ];
}

function acts(deps: Deps): Act[] {
  const { admin } = deps;
  const idOf = ({ params }: SignedInCall): string => params.id ?? "";
  const toast =
    (text: string, to = (call: SignedInCall) => pathOf(idOf(call))): Act["after"] =>
    (call) =>
      doneAnswer(call.request, to(call), { text });
  return [
    { path: "/name", summary: "Renames it.", admin: null, form: "name", after: toast("Renamed") },
    {
      ...{ path: "/members", summary: "Makes a member an owner, or an owner a member.", after: toast("Role changed") },
      admin: ({ user = "", role }, call) =>
        admin.setMember(
          { organisation: idOf(call), user, role: role === "owner" ? "owner" : "member" },
          callerOf(call),
        ),
    },
    {
      ...{ path: "/members/remove", summary: "Takes a member out.", after: toast("Removed") },
      admin: ({ user = "" }, call) => admin.setMember({ organisation: idOf(call), user, role: null }, callerOf(call)),
    },
    // Whoever leaves sees it no more, and acts for their own account again.
    { path: "/leave", summary: "Leaves it.", admin: null, after: ({ request }) => goOn(request, "/account") },
    {
      ...{ path: "/invitations", summary: "A link by which one person joins.", form: "invite" },
      admin: ({ email, expires_in_s = "" }, call) =>
        admin.createInvitation(
          {
            organisation: idOf(call),
            ...(email === undefined ? {} : { email }),
            ...(expires_in_s === "" ? {} : { expires_in_s: Number(expires_in_s) }),
          },
          callerOf(call),
        ),
      after: (call, { body }) =>
        show(deps, call, { link: { text: String(body.link), expiresMs: Number(body.expires_ms) } }),
    },
    {
      ...{
        path: "/invitations/:invitation/revoke",
        summary: "Ends an invitation.",
        after: toast("Invitation revoked"),
      },
      admin: (_, call) => admin.revokeInvitation({ id: call.params.invitation ?? "" }, callerOf(call)),
    },
  ];
}

async function doAct(deps: Deps, ask: Ask, act: Act, call: SignedInCall): Promise<Response> {
  const id = call.params.id ?? "";
  const role = await memberRole(deps.people.db.read, id, call.human.user.id);
  if (role === null && !isAdmin(call.human)) return notFound(deps, call, call.human, "organisation");
  const asAdmin = role !== "owner" && isAdmin(call.human) ? act.admin : null;
  const done = asAdmin ? answered(await asAdmin(fieldsOf(call), call)) : await ask(call, `${API}/:id${act.path}`);
  if (done.ok) return act.after(call, done.value);
  const { status, words, code, field } = done.error;
  if (act.form === undefined || status === 403 || status === 404) {
    return refusal(deps, call, call.human, { status, title: "That did not work", words, code });
  }
  return show(deps, call, { sent: { form: act.form, fields: fieldsOf(call), fault: { field, words } } }, status);
}

/** What an operation answers, as the API would. */
const answered = (result: Result<object, AdminError>): Result<Done, Said> =>
  result.ok ? ok({ body: { ...result.value }, cookies: [] }) : err(saidOf(result.error));

async function newPage(deps: Deps, call: SignedInCall, said?: Said): Promise<Response> {
  const { NewOrganisation } = await import("../../../web/pages/people/organisation.tsx");
  const sent = said ? { form: "new", fields: fieldsOf(call), fault: { field: said.field, words: said.words } } : null;
  const view = { viewer: viewerOf(deps, call), csrf: call.human.csrf, sent };
  return pageAnswer(call.request, NewOrganisation(view), { status: said?.status ?? 200 });
}

async function show(deps: Deps, call: SignedInCall, more: More, status = 200): Promise<Response> {
  const view = await viewOf(deps, call, more);
  if (view === null) return notFound(deps, call, call.human, "organisation");
  const { Organisation } = await import("../../../web/pages/people/organisation.tsx");
  return pageAnswer(call.request, Organisation(view), { status });
}

/** Null where there is none, or none that whoever asks may see. */
async function viewOf(deps: Deps, call: SignedInCall, more: More): Promise<OrganisationView | null> {
  const { people, admin } = deps;
  const { user, account, csrf } = call.human;
  const id = call.params.id ?? "";
  const governs = isAdmin(call.human);
  const [found, role] = await Promise.all([findShared(people.db.read, id), memberRole(people.db.read, id, user.id)]);
  if (found === undefined || (role === null && !governs)) return null;
  const listed = await admin.listMembers({ organisation: id });
  if (!listed.ok) return null;
  const { members } = listed.value;
  const nowMs = people.clock.nowMs();
  const invitations =
    role === "owner" || governs ? await listInvitations(people, { accountId: id, limit: SHOWN_INVITATIONS }) : null;
  return {
    viewer: { ...viewerOf(deps, call), path: governs ? "/admin/people" : "/account" },
    csrf,
    me: { id: user.id, acting: account.id === id, admin: governs },
    ...{ id, kind: found.kind, createdMs: found.createdMs, nowMs, role },
    name: found.kind === "local" ? "This instance" : found.name,
    members: members.slice(0, SHOWN_MEMBERS),
    count: members.length,
    invitations: invitations?.map((row) => invitationView(row, nowMs)) ?? null,
    ...{ link: null, sent: null, ...more },
  };
}
