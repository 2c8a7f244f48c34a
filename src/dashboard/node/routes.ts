// The pages of a node, listed: its own small dashboard, for whoever opened it on its machine.
import { z } from "zod";
import { Partial } from "../../../web/parts/partial.tsx";
import { settingId } from "../../../web/parts/setting-id.ts";
import type { Admin, AdminError } from "../../admin/operations.ts";
import { errorResponse } from "../../http/errors.ts";
import { bodyOf } from "../../http/human/answers.ts";
import { closedCookie, OPEN_PATH, type OwnerAuthDeps, openedCookie } from "../../http/owner/guard.ts";
import type { HttpRoute, OwnerCall, OwnerRoute } from "../../http/routes.ts";
import type { Clock } from "../../lib/clock.ts";
import { once } from "../../lib/once.ts";
import type { Result } from "../../lib/result.ts";
import type { Setting as SettingOfNode } from "../../settings/settings.ts";
import { doneAnswer, fragmentAnswer, isHtmx, pageAnswer, type Toast, toastAnswer } from "../answer.ts";
import { assetRoutes } from "../assets.ts";
import type { Live } from "../live.ts";
import { fromForm, MAX_SETTING_FORM_BYTES, type SettingFault, typedIn } from "../settings/typed.ts";
import { sentence } from "../words.ts";
import { events, ownerOf } from "./live-parts.ts";
import { ownPayoutRoutes } from "./payouts.ts";
import type { OwnPayouts } from "./payouts-view.ts";
import { ownVersionRoute } from "./version.ts";
import { type NodeEarnings, type NodeView, nodeSetting, nodeView, settingKeys, type ViewDeps } from "./view.ts";

export type OwnNodeDeps = ViewDeps & {
  admin: Pick<Admin, "pauseNode" | "resumeNode" | "changeSetting" | "checkUpdate">;
  clock: Clock;
  live: Live;
  auth: OwnerAuthDeps;
  /** Asks the coordinators. */
  earnings(days: number): Promise<NodeEarnings>;
  payouts: OwnPayouts;
};

const EARNING_DAYS = 14;
const EARNINGS_KEPT_MS = 60_000;
const UPDATE_MS = 2_000;

const openingSchema = z.object({ secret: z.string().max(128) });

export function ownNodeRoutes(deps: OwnNodeDeps): HttpRoute[] {
  const { auth } = deps;
  const earnings = once(deps.clock, EARNINGS_KEPT_MS, () => deps.earnings(EARNING_DAYS));
  /** What was last heard of earnings: a page does not wait for coordinators, its updates bring them. */
  let heard: NodeEarnings = [];
  const view = (fault: SettingFault | null = null) => nodeView(deps, heard, deps.clock.nowMs(), fault);
  const act = (path: string, summary: string, change: (call: OwnerCall) => Promise<Response>): OwnerRoute => ({
    method: "POST",
    path,
    tier: "human",
    access: "owner",
    summary,
    answers: "text/html",
    handle: change,
  });
  return [
    ...assetRoutes(),
    {
      method: "GET",
      path: OPEN_PATH,
      tier: "public",
      summary: "Opens this node's dashboard.",
      answers: "text/html",
      async handle({ request }) {
        const { OpenNode } = await import("../../../web/pages/own-node/page.tsx");
        return pageAnswer(request, OpenNode());
      },
    },
    {
      method: "POST",
      path: OPEN_PATH,
      tier: "human",
      access: "opening",
      summary: "Takes the secret of a link from `infernet status`.",
      body: openingSchema,
      handle(call) {
        const body = bodyOf(call, openingSchema);
        if (!body.ok) return body.error;
        const cookie = openedCookie(auth, call.request, body.value.secret);
        if (cookie === null) return errorResponse("link_not_valid", "this link was used already, or is too old");
        return Response.json({ opened: true }, { headers: { "set-cookie": cookie } });
      },
    },
    {
      method: "GET",
      path: "/",
      tier: "human",
      access: "owner",
      summary: "This node.",
      answers: "text/html",
      async handle({ request, csrf }) {
        void earnings().then((told) => {
          heard = told;
        });
        const { OwnNode } = await import("../../../web/pages/own-node/page.tsx");
        return pageAnswer(request, OwnNode({ csrf, view: view() }));
      },
    },
    {
      method: "GET",
      path: "/live/node",
      tier: "human",
      access: "owner",
      summary: "The dashboard's updates.",
      answers: "text/event-stream",
      handle: ({ token }) =>
        deps.live.open(ownerOf(auth, token), {
          key: "own node",
          everyMs: UPDATE_MS,
          async render() {
            heard = await earnings();
            const { ownNodeParts } = await import("../../../web/pages/own-node/page.tsx");
            return await events(ownNodeParts(view()));
          },
        }),
    },
    act("/pause", "Takes no more jobs.", async ({ request }) =>
      told(request, await deps.admin.pauseNode({}), {
        text: "Paused. Running jobs may end, then it is idle.",
        undo: "/resume",
      }),
    ),
    act("/resume", "Takes jobs again.", async ({ request }) =>
      told(request, await deps.admin.resumeNode({}), { text: "It takes jobs again." }),
    ),
    {
      ...act("/settings", "Changes one of this node's settings.", (call) => changeSetting(deps, view, call)),
      maxBodyBytes: MAX_SETTING_FORM_BYTES,
    },
    ...ownPayoutRoutes(deps),
    ownVersionRoute(deps, view),
    act("/close", "Closes the dashboard in this browser.", async ({ request, token }) => {
      if (token !== null) auth.door.close(token);
      const response = doneAnswer(request, OPEN_PATH);
      response.headers.append("set-cookie", closedCookie(auth, request));
      return response;
    }),
  ];
}

/** In effect, and told to the coordinators, when it is answered. */
async function changeSetting(
  deps: OwnNodeDeps,
  view: (fault: SettingFault) => NodeView,
  call: OwnerCall,
): Promise<Response> {
  const { request, csrf } = call;
  const fields = new URLSearchParams(call.body());
  const key = fields.get("key") ?? "";
  const setting = settingKeys(deps.settings).includes(key) ? deps.settings.find(key) : undefined;
  if (setting === undefined) return toastAnswer(request, { text: "That is no setting.", kind: "bad" }, 422);
  const typed = typedIn(setting.kind, fields);
  const read = fromForm(setting, typed);
  const by = { actor: "local", from: call.address } as const;
  const changed = read.ok ? await deps.admin.changeSetting({ key, ...read.value }, by) : null;
  const { OwnNode } = await import("../../../web/pages/own-node/page.tsx");
  const { Setting } = await import("../../../web/pages/own-node/settings.tsx");
  const anew = (now: SettingOfNode, fault: SettingFault | null) =>
    Partial({
      ...{ target: `#${settingId(key)}`, swap: "outerHTML" },
      children: Setting({ setting: nodeSetting(now, fault), csrf }),
    });
  const wrong = read.ok
    ? changed?.ok === false && { words: sentence(changed.error.message.replace(`${key}: `, "")), faults: [] }
    : read.error;
  if (wrong) {
    const fault = { key, typed, ...wrong };
    if (!isHtmx(request)) return pageAnswer(request, OwnNode({ csrf, view: view(fault) }), { status: 422 });
    return fragmentAnswer(request, anew(setting, fault), { status: 422 });
  }
  if (!isHtmx(request)) return doneAnswer(request, `/#${settingId(key)}`);
  const toast = { text: "Saved. It counts from now on." };
  return fragmentAnswer(request, anew(deps.settings.find(key) ?? setting, null), { toast });
}

const told = (request: Request, result: Result<unknown, AdminError>, toast: Toast): Response =>
  result.ok ? doneAnswer(request, "/", toast) : toastAnswer(request, { text: result.error.message, kind: "bad" }, 409);
