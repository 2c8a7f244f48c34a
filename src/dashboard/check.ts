// Check: `/check`, where receipts are verified in the visitor's browser, and the script that does it there.
import { checkerBundle } from "../../web/checker/bundle.ts";
import { type Asset, asset } from "../../web/parts/assets.ts";
import type { HttpRoute } from "../http/routes.ts";
import { pageAnswer } from "./answer.ts";
import { assetAnswer } from "./assets.ts";
import type { DashboardDeps } from "./deps.ts";
import { publicPage } from "./public.ts";
import { viewerOf } from "./viewer.ts";

export function checkRoutes(deps: DashboardDeps): HttpRoute[] {
  let made: Promise<Asset> | undefined;
  const script = (): Promise<Asset> => {
    made ??= checkerBundle().then((text) => asset("checker.js", "text/javascript; charset=utf-8", text));
    return made;
  };
  return [
    publicPage(deps, {
      path: "/check",
      summary: "Checks receipts, in the browser.",
      async handle(call) {
        const { Check } = await import("../../web/pages/check.tsx");
        const { path } = await script();
        const view = { viewer: viewerOf(deps, call), worker: workerPath(path), coordinator: deps.coordinator };
        return pageAnswer(call.request, Check(view));
      },
    }),
    {
      method: "GET",
      path: "/check/:file",
      tier: "public",
      summary: "The script that checks receipts.",
      answers: "text/plain",
      async handle({ request, params }) {
        const found = await script();
        if (workerPath(found.path) === `/check/${params.file}`) return assetAnswer(request, found);
        return new Response("There is no such file.\n", { status: 404 });
      },
    },
  ];
}

/** It is no asset of every start: it is made, or unpacked, when it is first asked for. */
const workerPath = (path: string): string => `/check/${path.slice(path.lastIndexOf("/") + 1)}`;
