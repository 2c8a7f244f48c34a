// Home: `/`, for everybody: how the network does, how it is called, what to do next.
import type { NextStep } from "../../web/pages/home.tsx";
import { listApiKeys } from "../accounts/api-keys.ts";
import { hasAdmin } from "../accounts/users.ts";
import type { HttpRoute, Human, HumanCall } from "../http/routes.ts";
import { once } from "../lib/once.ts";
import { addressOf } from "./address.ts";
import { pageAnswer } from "./answer.ts";
import type { ModelRow } from "./catalogue.ts";
import type { DashboardDeps } from "./deps.ts";
import { joinOf } from "./join.ts";
import { exampleCall } from "./models.ts";
import type { Network } from "./network.ts";
import { publicPage } from "./public.ts";
import { viewerOf } from "./viewer.ts";

/** Models that are shown: the most used. */
const SHOWN = 8;
const KEEP_FRESH_MS = 2_000;

export function homeRoutes(deps: DashboardDeps, network: Network): HttpRoute[] {
  let governed = false;
  /** Once there is an admin, there is one for good. */
  const isFresh = once(deps.clock, KEEP_FRESH_MS, async () => {
    governed ||= await hasAdmin(deps.db.read);
    return !governed;
  });
  return [
    publicPage(deps, {
      path: "/",
      summary: "What runs here, and how it does.",
      handle: (call) => homePage(deps, network, call, isFresh),
    }),
  ];
}

async function homePage(
  deps: DashboardDeps,
  network: Network,
  call: HumanCall,
  isFresh: () => Promise<boolean>,
): Promise<Response> {
  const models = mostUsed(await network.models(), network.used());
  const address = addressOf(deps, call.request);
  const first = models.find(({ ready }) => ready > 0) ?? models[0];
  const { Home } = await import("../../web/pages/home.tsx");
  const view = {
    viewer: viewerOf(deps, call),
    now: await network.now(),
    address,
    version: deps.version,
    models: models
      .slice(0, SHOWN)
      .map(({ id, nodes, ready, context, prices }) => ({ id, nodes, ready, context, output: prices.output })),
    call: first ? exampleCall(address, first) : null,
    join: joinOf(deps, address, call.human),
    isFresh: await isFresh(),
    steps: call.human === null ? [] : await nextSteps(deps, network, call.human),
  };
  return pageAnswer(call.request, Home(view));
}

/** What is called most, and what most nodes serve, first; no other names, and the demo model last. */
export const mostUsed = (rows: readonly ModelRow[], used: ReadonlyMap<string, number>): ModelRow[] =>
  rows
    .filter(({ aliasFor }) => aliasFor.length === 0)
    .sort(
      (a, b) =>
        Number(a.demo) - Number(b.demo) ||
        (used.get(b.id) ?? 0) - (used.get(a.id) ?? 0) ||
        b.nodes - a.nodes ||
        (a.id < b.id ? -1 : 1),
    );

/** By what somebody may do here and has not done yet. */
async function nextSteps({ db, registry }: DashboardDeps, network: Network, human: Human): Promise<NextStep[]> {
  const may = (role: string) => human.user.roles.some((one) => one === role || one === "admin");
  const keys = await listApiKeys({ db }, { accountId: human.account.id, limit: 1 });
  const models = await network.models();
  let ownNodes = 0;
  for (const node of registry.nodes.values()) if (node.account === human.account.id) ownNodes++;
  const steps: NextStep[] = [];
  if (may("operator") && ownNodes === 0) {
    steps.push({
      tone: models.length === 0 ? "warn" : "wait",
      href: "/my/join-tokens",
      label: "Connect a node",
      about: "A join token lets one machine in. It serves the models that it has.",
    });
  }
  if (models.length > 0) {
    steps.push({
      tone: "live",
      href: "/playground",
      label: "Try a model",
      about: "A chat in the browser, with the call behind it.",
    });
  }
  if (keys.length === 0) {
    steps.push({ tone: "wait", href: "/keys", label: "Create a key", about: "For your own programs and tools." });
  } else {
    steps.push({ tone: "ok", href: "/usage", label: "See your usage", about: "By day, model and key." });
  }
  if (may("operator") && ownNodes > 0) {
    steps.push({
      tone: "ok",
      href: "/my/nodes",
      label: "See your nodes",
      about: "What they do now, and what they earned.",
    });
  }
  return steps;
}
