// Welcome: `/welcome`, what a new admin does next: a node that serves something, and the first chat.

import type { WelcomeNow } from "../../../web/pages/people/welcome.tsx";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import type { Node } from "../../registry/registry.ts";
import { adminRoute } from "../admin-route.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { refusal } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { sentence } from "../words.ts";

type Deps = Pick<DashboardDeps, "admin" | "registry" | "live" | "billing" | "mode" | "people" | "isPublic">;

const SHOWN_NODES = 5;
const SHOWN_MODELS = 4;
const EVERY_MS = 1_000;

export const welcomeRoutes = (deps: Deps): HttpRoute[] => [
  adminRoute({
    path: "/welcome",
    summary: "The steps of a new instance.",
    handle: (call) => show(deps, call),
  }),
  adminRoute({
    ...{ method: "POST", path: "/welcome/join", summary: "A join token, as the command to run with it." },
    async handle(call) {
      const made = await deps.admin.createJoinToken({ role: "provider" }, callerOf(call));
      if (!made.ok) {
        const words = sentence(made.error.message);
        return refusal(deps, call, call.human, { status: 409, title: "No token made", words, code: made.error.code });
      }
      const { token, url, expires_ms } = made.value;
      const command = `infernet setup --join ${token} && infernet start`;
      return show(deps, call, { command, url, expiresMs: expires_ms, near: isNear(url) });
    },
  }),
  adminRoute({
    path: "/live/welcome",
    summary: "Nodes as they come.",
    answers: "text/event-stream",
    handle: (call) =>
      deps.live.open(readerOf(deps, call), {
        ...{ key: "welcome", everyMs: EVERY_MS },
        async render() {
          const { WelcomeUpdates } = await import("../../../web/pages/people/welcome.tsx");
          return [{ data: String(await WelcomeUpdates({ now: nowOf(deps) })) }];
        },
      }),
  }),
];

type Join = Parameters<typeof import("../../../web/pages/people/welcome.tsx")["Welcome"]>[0]["join"];

async function show(deps: Deps, call: SignedInCall, join: Join = null): Promise<Response> {
  const { Welcome } = await import("../../../web/pages/people/welcome.tsx");
  const viewer = { ...viewerOf(deps, call), path: "/welcome" };
  return pageAnswer(call.request, Welcome({ viewer, csrf: call.human.csrf, mode: deps.mode, now: nowOf(deps), join }));
}

/** The newest nodes may be many: a few are shown. */
function nowOf({ registry }: Deps): WelcomeNow {
  const here: Node[] = [];
  let online = 0;
  for (const node of registry.nodes.values()) {
    if (node.channel === null) continue;
    online++;
    if (here.length < SHOWN_NODES) here.push(node);
  }
  const real = [...registry.models].find(([, offers]) => offers.some(({ info }) => !info.demo))?.[0];
  const name = real ?? registry.models.keys().next().value;
  return {
    online,
    nodes: here.map(({ pubkey, name: called, offers }) => ({
      ...{ pubkey, name: called, more: Math.max(0, offers.length - SHOWN_MODELS) },
      models: offers.slice(0, SHOWN_MODELS).map(({ model }) => model),
    })),
    model: name === undefined ? null : { name, demo: real === undefined },
  };
}

/** Whether an address is this very machine to whoever dials it. */
const isNear = (url: string): boolean => /^(localhost|127\.|\[::1\])/.test(URL.parse(url)?.hostname ?? "");
