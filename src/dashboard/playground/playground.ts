// Playground: `/playground`, a chat with one model or two. The same jobs, holds, limits and records as an API client's.
import { listAccounts } from "../../accounts/organisations.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { isHtmx, pageAnswer, toastAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { refusal } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { askerOf, chatModels } from "./asker.ts";
import { type Asking, DEFAULTS, type Form, MAX_FORM_BYTES, MAX_TEXT, readForm } from "./form.ts";
import { fragmentStream } from "./fragment-stream.ts";
import { type Sink, startTurn, type Turn } from "./turn.ts";

export const playgroundRoutes = (deps: DashboardDeps): HttpRoute[] => [
  {
    method: "GET",
    path: "/playground",
    tier: "human",
    access: "user",
    summary: "A chat with one model or two.",
    answers: "text/html",
    handle: (call) => page(deps, call),
  },
  {
    method: "POST",
    path: "/playground",
    tier: "human",
    access: "user",
    maxBodyBytes: MAX_FORM_BYTES,
    summary: "Asks one model or two; to the page the answers come as a stream of fragments.",
    answers: "text/html",
    handle: (call) => ask(deps, call),
  },
];

/** Members of an organisation who are no owners do not spend in its name. */
const maySpend = ({ human }: SignedInCall): boolean => human.memberRole === "owner";

async function page(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { Playground } = await load();
  const { pools } = await askerOf(deps, call.human);
  const models = chatModels(deps, pools);
  const [first = models[0] ?? "", second] = call.query.getAll("model").filter((model) => model !== "");
  const two = second !== undefined || call.query.get("two") === "1";
  const chosen = two ? [first, second ?? models.find((model) => model !== first) ?? first] : [first];
  return pageAnswer(call.request, Playground({ ...(await around(deps, call, pools)), models, chosen, turns: [] }));
}

/** The account that a member can ask from instead, and where they are then. */
async function onlooker({ db }: DashboardDeps, { human, request }: SignedInCall) {
  const own = (await listAccounts({ db }, human.user.id)).find(({ kind }) => kind === "user");
  const { pathname, search } = new URL(request.url);
  return { csrf: human.csrf, own: own?.id ?? null, next: request.method === "GET" ? pathname + search : pathname };
}

const load = () => import("../../../web/pages/playground.tsx");

/** Of the page, whatever is asked. */
async function around(deps: DashboardDeps, call: SignedInCall, pools: readonly string[]) {
  return {
    viewer: viewerOf(deps, call),
    onlooker: maySpend(call) ? null : await onlooker(deps, call),
    pools,
    strategy: deps.chat.defaults.strategy,
    defaults: DEFAULTS,
    maxText: MAX_TEXT,
    address: new URL(call.request.url).origin,
  };
}

async function ask(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { request, human } = call;
  const no = (title: string, words: string, status: number) =>
    isHtmx(request)
      ? toastAnswer(request, { text: words, kind: "bad" }, status)
      : refusal(deps, call, human, { status, title, words });
  if (!maySpend(call)) {
    return no(
      "Not yours to spend",
      "Only its owners ask here in the name of an organisation. Act for your own account, or use a key that an owner made.",
      403,
    );
  }
  const read = readForm(call, deps.chat.defaults.strategy);
  if (!read.ok) return no("That cannot be sent", `Not sent: ${read.error.message}.`, 422);
  const { form, asking } = read.value;
  return isHtmx(request) ? streamed(deps, call, asking) : whole(deps, call, form, asking);
}

/** One stream feeds all answers; whoever leaves it ends them, down to the backends. */
async function streamed(deps: DashboardDeps, call: SignedInCall, asking: readonly Asking[]): Promise<Response> {
  const [templates, asker] = await Promise.all([load(), askerOf(deps, call.human)]);
  const stream = fragmentStream(deps.clock, call.mayBeSilent());
  const signal = AbortSignal.any([call.request.signal, stream.signal]);
  const turns: Turn[] = [];
  const tell = () => stream.send(String(templates.Said({ turns: turns.map((turn) => turn.view()) })));
  for (const one of asking) turns.push(startTurn(deps, templates, asker, one, signal, stream));
  const ends = turns.map(({ over }) => over.then(tell, faultOf(deps)));
  void Promise.all(ends).finally(stream.close);
  return stream.response;
}

/** Without script: the page with the answers in it, once they are there. */
async function whole(
  deps: DashboardDeps,
  call: SignedInCall,
  form: Form,
  asking: readonly Asking[],
): Promise<Response> {
  const [templates, asker] = await Promise.all([load(), askerOf(deps, call.human)]);
  const silenceOver = call.mayBeSilent();
  const turns = asking.map((one) => startTurn(deps, templates, asker, one, call.request.signal, NOWHERE));
  await Promise.all(turns.map(({ over }) => over)).finally(silenceOver);
  const view = {
    ...(await around(deps, call, asker.pools)),
    models: chatModels(deps, asker.pools),
    chosen: asking.map(({ request }) => request.model),
    form,
    turns: turns.map((turn, i) => ({
      before: asking[i]?.before ?? [],
      turn: turn.view(),
      history: JSON.stringify(turn.history()),
    })),
  };
  return pageAnswer(call.request, templates.Playground(view));
}

const NOWHERE: Sink = { send: () => undefined, behind: () => undefined };

const faultOf =
  ({ log }: DashboardDeps) =>
  (error: unknown): void =>
    log.error("an answer of the playground broke", { err: error });
