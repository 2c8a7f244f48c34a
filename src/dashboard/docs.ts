// Docs: `/docs`, examples filled with what the visitor uses; and `/reference`, the API from its own routes.
import type { HttpRoute, HumanCall } from "../http/routes.ts";
import { addressOf } from "./address.ts";
import { pageAnswer } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { mostUsed } from "./home.ts";
import { joinOf } from "./join.ts";
import type { Network } from "./network.ts";
import { publicPage } from "./public.ts";
import { referenceOf } from "./reference.ts";
import { viewerOf } from "./viewer.ts";

type Told = ReturnType<typeof referenceOf>;

export function docsRoutes(deps: DashboardDeps, network: Network): HttpRoute[] {
  let told: Told | undefined;
  /** The routes are the same for good. */
  const reference = (): Told => {
    told ??= referenceOf(deps.apiRoutes());
    return told;
  };
  return [
    publicPage(deps, {
      path: "/docs",
      summary: "How to use it, with examples.",
      handle: (call) => docsPage(deps, network, call),
    }),
    publicPage(deps, {
      path: "/reference",
      summary: "The API, for people to read.",
      handle: (call) => referencePage(deps, call, reference),
    }),
  ];
}

async function docsPage(deps: DashboardDeps, network: Network, call: HumanCall): Promise<Response> {
  const models = mostUsed(await network.models(), network.used());
  const ready = [...models.filter((row) => row.ready > 0), ...models];
  const chat = ready.find(({ can }) => !can.includes("embeddings") || can.includes("chat"));
  const address = addressOf(deps, call.request);
  const { Docs } = await import("../../web/pages/docs.tsx");
  const view = {
    viewer: viewerOf(deps, call),
    fill: {
      address,
      model: chat?.id ?? "MODEL",
      embedding: ready.find(({ can }) => can.includes("embeddings"))?.id ?? null,
    },
    join: joinOf(deps, address, call.human),
  };
  return pageAnswer(call.request, Docs(view));
}

async function referencePage(deps: DashboardDeps, call: HumanCall, reference: () => Told): Promise<Response> {
  const { Reference } = await import("../../web/pages/reference.tsx");
  const url = addressOf(deps, call.request);
  const view = { viewer: viewerOf(deps, call), version: deps.version, url, ...reference() };
  return pageAnswer(call.request, Reference(view));
}
