// The pages of a node, listed: its own small dashboard, for whoever opened it on its machine.
import { z } from "zod";
import type { Admin, AdminError } from "../../admin/operations.ts";
import { errorResponse } from "../../http/errors.ts";
import { bodyOf } from "../../http/human/answers.ts";
import { closedCookie, OPEN_PATH, type OwnerAuthDeps, openedCookie } from "../../http/owner/guard.ts";
import type { HttpRoute, OwnerCall } from "../../http/routes.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Result } from "../../lib/result.ts";
import { doneAnswer, pageAnswer, type Toast, toastAnswer } from "../answer.ts";
import { assetRoutes } from "../assets.ts";
import type { Live, LiveEvent } from "../live.ts";
import { once } from "../once.ts";
import { type NodeEarnings, nodeView, type ViewDeps } from "./view.ts";

export type OwnNodeDeps = ViewDeps & {
  admin: Pick<Admin, "pauseNode" | "resumeNode">;
  clock: Clock;
  live: Live;
  auth: OwnerAuthDeps;
  /** Asks the coordinators. */
  earnings(days: number): Promise<NodeEarnings>;
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
  const view = () => nodeView(deps, heard, deps.clock.nowMs());
  const act = (path: string, summary: string, change: (call: OwnerCall) => Promise<Response>): HttpRoute => ({
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
        const { OpenNode } = await import("../../../web/pages/own-node.tsx");
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
        const { OwnNode } = await import("../../../web/pages/own-node.tsx");
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
      handle: () =>
        deps.live.open({
          key: "own node",
          everyMs: UPDATE_MS,
          async render() {
            heard = await earnings();
            const { ownNodeParts } = await import("../../../web/pages/own-node.tsx");
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
    act("/close", "Closes the dashboard in this browser.", async ({ request, token }) => {
      if (token !== null) auth.door.close(token);
      const response = doneAnswer(request, OPEN_PATH);
      response.headers.append("set-cookie", closedCookie(auth, request));
      return response;
    }),
  ];
}

const told = (request: Request, result: Result<unknown, AdminError>, toast: Toast): Response =>
  result.ok ? doneAnswer(request, "/", toast) : toastAnswer(request, { text: result.error.message, kind: "bad" }, 409);

/** Each part as an event of its own, so that only those that changed travel. */
const events = (parts: Record<string, unknown>): Promise<LiveEvent[]> =>
  Promise.all(
    Object.entries(parts).map(async ([id, part]) => ({
      data: `<hx-partial hx-target="#${id}" hx-swap="outerMorph">${String(await part)}</hx-partial>`,
    })),
  );
