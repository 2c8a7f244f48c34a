// Pages for people: set-up, signing in and up, passwords, and one's own account.

import { FORM_SCRIPT } from "../../../web/pages/form-script.ts";
import { listIdentities } from "../../accounts/oidc-sign-in.ts";
import { listAccounts } from "../../accounts/organisations.ts";
import { listSessions } from "../../accounts/sessions.ts";
import { nodesOfAccount } from "../../registry/account-link.ts";
import { formPageResponse } from "../page.ts";
import type { HttpRoute, SignedInCall } from "../routes.ts";
import { type HumanDeps, meView } from "./deps.ts";
import { type Refused, wordsOf } from "./refuse.ts";

const SCRIPT_PATH = "/assets/forms.js";

export function pageRoutes(deps: HumanDeps): HttpRoute[] {
  const { people, oidc } = deps;
  const signUp = people.settings.signUp;
  const page = (path: string, summary: string, html: (pages: Pages) => Markup): HttpRoute => ({
    method: "GET",
    path,
    tier: "public",
    summary,
    answers: "text/html",
    handle: async () => formPageResponse(await html(await load())),
  });
  return [
    page("/setup", "Makes the first admin.", ({ SetUp }) => SetUp()),
    page("/sign-in", "Signs in.", ({ SignIn }) =>
      SignIn({ providers: oidc.providers, mail: people.mail !== null, signUp: signUp === "open" }),
    ),
    page("/sign-in/link", "Links a provider with the account of the same address.", ({ Link }) => Link()),
    page("/sign-up", "Signs up.", ({ SignUp }) =>
      SignUp({ mode: signUp, providers: oidc.providers, mail: people.mail !== null }),
    ),
    page("/sign-up/finish", "Goes on after an address was proved.", ({ FinishSignUp }) => FinishSignUp()),
    page("/password", "Sets a password by a link.", ({ SetPassword }) => SetPassword()),
    page("/password/forgot", "Asks for such a link.", ({ ForgotPassword }) =>
      ForgotPassword({ mail: people.mail !== null }),
    ),
    {
      method: "GET",
      path: "/account",
      tier: "human",
      access: "user",
      summary: "One's own account.",
      answers: "text/html",
      handle: (call) => accountPage(deps, call),
    },
    {
      method: "GET",
      path: SCRIPT_PATH,
      tier: "public",
      summary: "What sends the forms of these pages.",
      answers: "text/javascript",
      handle: () =>
        new Response(FORM_SCRIPT, {
          headers: { "content-type": "text/javascript; charset=utf-8", "x-content-type-options": "nosniff" },
        }),
    },
  ];
}

type Pages = typeof import("../../../web/pages/people.tsx");
type Markup = ReturnType<Pages["SetUp"]>;
const load = (): Promise<Pages> => import("../../../web/pages/people.tsx");

async function accountPage({ people, oidc }: HumanDeps, call: SignedInCall): Promise<Response> {
  const { human } = call;
  const { Account } = await load();
  const [accounts, sessions, identities, nodes] = await Promise.all([
    listAccounts(people, human.user.id),
    listSessions(people, human.user.id),
    listIdentities(people, human.user.id),
    nodesOfAccount(people, human.account.id),
  ]);
  const view = {
    me: meView(human),
    nowMs: people.clock.nowMs(),
    accounts,
    sessions: sessions.map(({ id, address, userAgent, lastSeenMs }) => ({
      id,
      address,
      userAgent,
      lastSeenMs,
      isThis: id === human.session.id,
    })),
    identities,
    providers: oidc.providers,
    nodes: nodes.map(({ pubkey, name }) => ({ pubkey, name })),
  };
  return formPageResponse(await Account(view));
}

/** Says why signing in with a provider came to nothing. */
export async function failurePage(code: Refused["code"], cookies: readonly string[] = []): Promise<Response> {
  const { Failure } = await load();
  const response = formPageResponse(await Failure({ message: wordsOf(code) }), 400);
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}
