// Entrance: how people come in: `/setup`, `/sign-in`, `/sign-up`, `/password`. The secrets of links stand behind a #, where
// no server sees them; they come here in a form's body.

import type { Sent } from "../../../web/pages/people/entrance.tsx";
import type { Viewer } from "../../../web/parts/shell.tsx";
import { hasAdmin } from "../../accounts/users.ts";
import { ownPath, startPath } from "../../http/human/start-path.ts";
import type { HttpRoute, HumanCall } from "../../http/routes.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { viewerOf } from "../viewer.ts";
import { type Ask, apiActs, type Done, fieldsOf, goOn, type Said } from "./acts.ts";

type Deps = Pick<DashboardDeps, "human" | "people" | "billing">;
type Pages = typeof import("../../../web/pages/people/entrance.tsx");
type Shown = { pages: Pages; viewer: Viewer; sent: Sent; call: HumanCall };
type Markup = ReturnType<Pages["ProveLink"]>;

/** One page with a form: how it looks, what the API is asked, and where one goes after. */
type Step = {
  path: string;
  summary: string;
  does: string;
  show: (shown: Shown) => Markup | Promise<Markup>;
  api: string;
  /** Fields that may be a whole link: what counts stands behind its #. */
  links?: readonly string[];
  after: (call: HumanCall, done: Done, shown: Omit<Shown, "sent">) => Response | Promise<Response>;
  /** Whoever is signed in has no use for it. */
  strangers?: true;
};

export function entranceRoutes(deps: Deps): HttpRoute[] {
  const ask = apiActs(deps.human);
  return [...steps(deps).flatMap((step) => routesOf(deps, ask, step)), withProvider(deps, ask)];
}

function steps(deps: Deps): Step[] {
  const { people, human } = deps;
  const { providers } = human.oidc;
  const mail = people.mail !== null;
  const nextOf = (call: HumanCall, sent: Sent) => ownPath(sent.fields.next ?? call.query.get("next"));
  const home: Step["after"] = (call, done) =>
    goOn(call.request, ownPath(fieldsOf(call).next) ?? startPath(rolesIn(done)), done.cookies);
  return [
    {
      ...{ path: "/setup", summary: "Makes the first admin.", does: "Makes the first admin." },
      async show({ pages, viewer, sent }) {
        const { Steps } = await import("../../../web/pages/people/welcome.tsx");
        return pages.SetUp({ viewer, sent, open: !(await hasAdmin(people.db.read)), steps: Steps({ at: 1 }) });
      },
      ...{ api: "/api/v1/auth/setup", links: ["secret"] },
      after: ({ request }, { cookies }) => goOn(request, "/welcome", cookies),
    },
    {
      ...{ path: "/sign-in", summary: "Signs in.", does: "Opens a session.", strangers: true },
      show: async ({ pages, viewer, sent, call }) =>
        pages.SignIn({
          ...{ viewer, sent, providers, mail, signUp: people.settings.signUp === "open" },
          governed: await hasAdmin(people.db.read),
          next: nextOf(call, sent),
          news: call.query.has("made") ? "If the address was free, its account is there now: sign in." : null,
        }),
      api: "/api/v1/auth/sign-in",
      after: home,
    },
    {
      path: "/sign-in/link",
      summary: "Links a provider with the account of the same address.",
      does: "Links the two, and signs in.",
      show: ({ pages, viewer, sent, call }) => pages.ProveLink({ viewer, sent, next: nextOf(call, sent) }),
      ...{ api: "/api/v1/auth/oidc/prove", after: home },
    },
    {
      ...{ path: "/sign-up", summary: "Signs up.", does: "Makes an account." },
      show: ({ pages, viewer, sent, call: { human } }) =>
        human
          ? pages.JoinByLink({ viewer, csrf: human.csrf, email: human.user.email })
          : pages.SignUp({ viewer, sent, mode: people.settings.signUp, providers, mail }),
      ...{ api: "/api/v1/auth/sign-up", links: ["invitation"] },
      after(call, done, { pages, viewer }) {
        if (done.body.next === "mail") return pageAnswer(call.request, pages.MailSent({ viewer }));
        return done.body.next === "sign_in"
          ? goOn(call.request, "/sign-in?made=")
          : home(call, done, { pages, viewer, call });
      },
    },
    {
      path: "/sign-up/finish",
      summary: "Goes on after an address was proved.",
      does: "Makes the account of a proved address.",
      show: ({ pages, viewer, sent }) => pages.FinishSignUp({ viewer, sent }),
      ...{ api: "/api/v1/auth/sign-up/finish", links: ["secret"], after: home },
    },
    {
      ...{ path: "/password", summary: "Sets a password by a link.", does: "Sets it, and signs in." },
      show: ({ pages, viewer, sent }) => pages.SetPassword({ viewer, sent }),
      ...{ api: "/api/v1/auth/password/reset", links: ["secret"], after: home },
    },
    {
      ...{ path: "/password/forgot", summary: "Asks for such a link.", does: "Has a link mailed." },
      show: ({ pages, viewer, sent }) => pages.ForgotPassword({ viewer, sent, mail }),
      api: "/api/v1/auth/password/forgot",
      after: ({ request }, _, { pages, viewer }) => pageAnswer(request, pages.MailSent({ viewer })),
    },
  ];
}

const load = (): Promise<Pages> => import("../../../web/pages/people/entrance.tsx");

function routesOf(deps: Deps, ask: Ask, step: Step): HttpRoute[] {
  const { path, summary, does, strangers } = step;
  const show = async (call: HumanCall, sent: Sent, status = 200) => {
    const shown = { pages: await load(), viewer: viewerOf(deps, call), sent, call };
    return pageAnswer(call.request, await step.show(shown), { status });
  };
  return [
    {
      method: "GET",
      path,
      tier: "human",
      access: "anyone",
      summary,
      answers: "text/html",
      async handle(call) {
        if (strangers && call.human) {
          return goOn(call.request, ownPath(call.query.get("next")) ?? startPath(call.human.user.roles));
        }
        return show(call, (await load()).NOT_SENT);
      },
    },
    {
      method: "POST",
      path,
      tier: "human",
      access: "visitor",
      summary: does,
      answers: "text/html",
      async handle(call) {
        const fields = fieldsOf(call);
        for (const name of step.links ?? []) if (fields[name] !== undefined) fields[name] = behindHash(fields[name]);
        const done = await ask(call, step.api, fields);
        if (!done.ok) return show(call, sentBack(fields, done.error), done.error.status);
        return step.after(call, done.value, { pages: await load(), viewer: viewerOf(deps, call), call });
      },
    },
  ];
}

/** With an invitation, by a provider: the browser goes there with what the answer sets. */
const withProvider = (deps: Deps, ask: Ask): HttpRoute => ({
  method: "POST",
  path: "/sign-up/with/:provider",
  tier: "human",
  access: "visitor",
  summary: "Signs up with a provider.",
  answers: "text/html",
  async handle(call) {
    const { invitation = "" } = fieldsOf(call);
    const given: Record<string, string> = invitation === "" ? {} : { invitation: behindHash(invitation) };
    const done = await ask(call, "/api/v1/auth/oidc/:provider", given);
    if (done.ok) return goOn(call.request, String(done.value.body.location), done.value.cookies);
    return failure(deps, call, done.error.words);
  },
});

/** Why signing in with a provider came to nothing. */
export async function failure(deps: Pick<Deps, "billing">, call: HumanCall, words: string): Promise<Response> {
  const { Failure } = await load();
  return pageAnswer(call.request, Failure({ viewer: viewerOf(deps, call), words }), { status: 400 });
}

const behindHash = (text: string): string => text.trim().slice(text.trim().lastIndexOf("#") + 1);

/** Passwords are typed anew: no page has one in it. */
function sentBack({ password: _, ...fields }: Record<string, string>, { field, words }: Said): Sent {
  return { fields, fault: { field, words } };
}

const rolesIn = ({ body }: Done) => (body.user as { roles: Parameters<typeof startPath>[0] }).roles;
