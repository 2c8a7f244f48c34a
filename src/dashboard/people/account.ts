// Account: `/account`, one's own, and the menu at the foot of the side bar.

import type { AccountView } from "../../../web/pages/people/account.tsx";
import { listIdentities } from "../../accounts/oidc-sign-in.ts";
import { listAccounts } from "../../accounts/organisations.ts";
import { listSessions } from "../../accounts/sessions.ts";
import { callerOf } from "../../http/human/deps.ts";
import { ownPath } from "../../http/human/start-path.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { nodesOfAccount } from "../../registry/account-link.ts";
import { doneAnswer, fragmentAnswer, pageAnswer, type Toast } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { refusal } from "../refusal.ts";
import { userRoute } from "../user-route.ts";
import { viewerOf } from "../viewer.ts";
import { apiActs, type Done, fieldsOf, goOn, type Said, saidOf } from "./acts.ts";

type Deps = Pick<DashboardDeps, "human" | "people" | "billing" | "admin">;
type Shown = Partial<Pick<AccountView, "shown" | "sent" | "news">>;

const PAGE = "/account";
const NEWS: Readonly<Record<string, string>> = {
  password: "The password is changed. Every other session has ended.",
  joined: "You joined. What came with the invitation is yours.",
};

/** An act of the API, behind a form of this page. */
type Act = {
  path: string;
  summary: string;
  api: string;
  /** The form that shows what is wrong; left out, where a button is all of it. */
  form?: string;
  after: (call: SignedInCall, done: Done) => Response | Promise<Response>;
};

export function accountPages(deps: Deps): HttpRoute[] {
  const ask = apiActs(deps.human);
  return [
    userRoute({
      ...{ path: PAGE, summary: "One's own account." },
      handle: (call) => show(deps, call, { news: NEWS[call.query.get("news") ?? ""] ?? null }),
    }),
    ...acts(deps).map(({ path, summary, api, form, after }) =>
      userRoute({
        ...{ method: "POST", path: PAGE + path, summary },
        async handle(call) {
          const done = await ask(call, api);
          if (done.ok) return after(call, done.value);
          return form === undefined ? refused(deps, call, done.error) : sentBack(deps, call, form, done.error);
        },
      }),
    ),
    userRoute({
      method: "POST",
      path: `${PAGE}/webhook-secret`,
      summary: "Shows what the account's webhooks are signed with.",
      handle: (call) => webhookSecret(deps, call),
    }),
    userRoute({
      path: `${PAGE}/menu`,
      summary: "The accounts that one may act for, for the side bar's menu.",
      handle: (call) => menu(deps, call),
    }),
  ];
}

function acts(deps: Deps): Act[] {
  const toast =
    (text: string): Act["after"] =>
    ({ request }) =>
      doneAnswer(request, PAGE, { text } satisfies Toast);
  /** To a whole new page: who one is to the instance has changed. */
  const anew =
    (to: string): Act["after"] =>
    ({ request }, { cookies }) =>
      goOn(request, to, cookies);
  const [account, auth] = ["/api/v1/account", "/api/v1/auth"];
  return [
    {
      path: "/name",
      summary: "Changes what one is called.",
      api: `${account}/name`,
      form: "name",
      after: toast("Name saved"),
    },
    {
      ...{ path: "/password", summary: "Changes one's password.", api: `${auth}/password`, form: "password" },
      after: anew(`${PAGE}?news=password`),
    },
    {
      ...{
        path: "/sessions/:id/revoke",
        summary: "Ends one of one's sessions.",
        api: `${account}/sessions/:id/revoke`,
      },
      after: toast("Session ended"),
    },
    {
      ...{
        path: "/sessions/revoke-others",
        summary: "Ends all sessions but this.",
        api: `${account}/sessions/revoke-others`,
      },
      after: toast("All other sessions ended"),
    },
    {
      ...{ path: "/identities/unlink", summary: "Unlinks a provider.", api: `${account}/identities/unlink` },
      after: toast("Provider unlinked"),
    },
    {
      ...{
        path: "/identities/:provider/link",
        summary: "Goes to a provider to link it.",
        api: `${auth}/oidc/:provider/link`,
      },
      after: ({ request }, { body, cookies }) => goOn(request, String(body.location), cookies),
    },
    {
      ...{ path: "/switch", summary: "Acts for another account from now on.", api: `${account}/switch` },
      after: (call, { cookies }) => goOn(call.request, pageFor(fieldsOf(call).next), cookies),
    },
    {
      ...{ path: "/join", summary: "Joins by an invitation.", api: `${account}/invitations/accept`, form: "join" },
      after: anew(`${PAGE}?news=joined`),
    },
    {
      ...{ path: "/nodes/code", summary: "A code that links a node.", api: `${account}/nodes/link` },
      after: (call, { body }) =>
        show(deps, call, { shown: { code: { command: String(body.command), expiresMs: Number(body.expires_ms) } } }),
    },
    { path: "/sign-out", summary: "Ends this session.", api: `${auth}/sign-out`, after: anew("/sign-in") },
  ];
}

/** What is of one account only is not the other's to see: there the list of such things stands in. */
export function pageFor(next: string | undefined): string {
  const path = ownPath(next);
  if (path === null) return PAGE;
  const [, first = "", rest] = /^\/([^/?]+)(\/[^?]+)?/.exec(path) ?? [];
  if (first === "organisations") return PAGE;
  return rest !== undefined && ["jobs", "keys", "billing"].includes(first) ? `/${first}` : path;
}

async function show(deps: Deps, call: SignedInCall, more: Shown, status = 200): Promise<Response> {
  const { Account } = await import("../../../web/pages/people/account.tsx");
  return pageAnswer(call.request, Account(await viewOf(deps, call, more)), { status });
}

async function viewOf(deps: Deps, call: SignedInCall, more: Shown): Promise<AccountView> {
  const {
    people,
    human: { oidc },
  } = deps;
  const { user, account, memberRole, session, csrf } = call.human;
  const [accounts, sessions, identities, nodes] = await Promise.all([
    listAccounts(people, user.id),
    listSessions(people, user.id),
    listIdentities(people, user.id),
    nodesOfAccount(people, account.id),
  ]);
  const labelOf = (issuer: string) =>
    oidc.providers.find((provider) => provider.issuer === issuer)?.label ?? URL.parse(issuer)?.host ?? issuer;
  return {
    viewer: { ...viewerOf(deps, call), path: PAGE },
    csrf,
    me: user,
    account: { ...account, role: memberRole },
    nowMs: people.clock.nowMs(),
    accounts,
    sessions: sessions.map((one) => ({ ...one, isThis: one.id === session.id })),
    identities: identities.map((identity) => ({ ...identity, label: labelOf(identity.issuer) })),
    providers: oidc.providers,
    nodes: nodes.slice(0, SHOWN_NODES),
    moreNodes: nodes.length > SHOWN_NODES,
    mail: people.mail !== null,
    shown: {},
    sent: null,
    news: null,
    ...more,
  };
}
/** More of them are on their own page. */
const SHOWN_NODES = 20;

const refused = (deps: Deps, call: SignedInCall, { status, words, code }: Said): Promise<Response> =>
  refusal(deps, call, call.human, { status, title: "That did not work", words, code });

/** The page with the form as it was sent; passwords are typed anew. */
function sentBack(deps: Deps, call: SignedInCall, form: string, { status, words, field }: Said): Promise<Response> {
  const { password: _, current: _current, ...fields } = fieldsOf(call);
  return show(deps, call, { sent: { form, fields, fault: { field, words } } }, status);
}

/** Whoever has it signs as this instance does: owners only. */
async function webhookSecret(deps: Deps, call: SignedInCall): Promise<Response> {
  const { account, memberRole } = call.human;
  if (memberRole !== "owner") {
    const words = "Only an owner of the account may see its secret.";
    return refused(deps, call, { status: 403, words, code: "not_owner", field: null });
  }
  const secret = await deps.admin.webhookSecret({ account: account.id }, callerOf(call));
  if (secret.ok) return show(deps, call, { shown: { webhookSecret: secret.value.secret } });
  return refused(deps, call, saidOf(secret.error));
}

async function menu(deps: Deps, call: SignedInCall): Promise<Response> {
  const { AccountMenu } = await import("../../../web/pages/people/account-menu.tsx");
  const { user, account, csrf } = call.human;
  const others = (await listAccounts(deps.people, user.id)).filter(({ id }) => id !== account.id);
  const page = URL.parse(call.request.headers.get("hx-current-url") ?? "");
  const next = page ? page.pathname + page.search : PAGE;
  return fragmentAnswer(call.request, AccountMenu({ others, csrf, next }));
}
