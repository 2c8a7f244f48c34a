// Refusal: how pages say no: what happened, to what, what to do; to htmx as a toast, which leaves the page as it is.
import { type ErrorCode, statusOf } from "../http/errors.ts";
import type { Call, Human } from "../http/routes.ts";
import { isHtmx, pageAnswer, toastAnswer, wantsFragment } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { viewerOf } from "./viewer.ts";

type Deps = Pick<DashboardDeps, "billing">;
export type Refusal = {
  status: number;
  /** In a few words. */
  title: string;
  /** One sentence, with what to do. */
  words: string;
  code?: string;
};

/** A page, or a toast, that says no. */
export async function refusal(
  deps: Deps,
  call: Pick<Call, "request">,
  human: Human | null,
  said: Refusal,
): Promise<Response> {
  const { request } = call;
  if (isHtmx(request) && (request.method !== "GET" || wantsFragment(request))) {
    return toastAnswer(request, { text: said.words, kind: "bad" }, said.status);
  }
  const { Refused } = await import("../../web/pages/refused.tsx");
  return pageAnswer(request, Refused({ viewer: viewerOf(deps, { human, request }), ...said }), { status: said.status });
}

/** There is no such thing, or none that one may see: the same answer. */
export const notFound = (
  deps: Deps,
  call: Pick<Call, "request">,
  human: Human | null,
  what = "page",
): Promise<Response> =>
  refusal(deps, call, human, {
    status: 404,
    title: `No such ${what}`,
    words: `There is no such ${what}, or it is not yours to see. Check the address, or go back to where you came from.`,
    code: "not_found",
  });

const TITLES: Partial<Record<ErrorCode, string>> = {
  role_missing: "Not for you to see",
  csrf_failed: "This page is too old",
  origin_not_allowed: "Asked from elsewhere",
};

/** For the guard of the human routes. */
export const refusalPage =
  (deps: Deps) =>
  (call: Call, human: Human | null, code: ErrorCode, message: string): Promise<Response> => {
    const words =
      code === "csrf_failed"
        ? "You signed in again, or act for another account, since this page was opened. Load it anew and try once more."
        : `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
    const said = { status: statusOf(code), title: TITLES[code] ?? "That did not work", words, code };
    return code === "storage_failed" && !isHtmx(call.request)
      ? unavailable(call, said)
      : refusal(deps, call, human, said);
  };

/** The browser asks for a page again, though not for an act. */
async function unavailable({ request }: Call, { status, words, code }: Required<Refusal>): Promise<Response> {
  const { Unavailable } = await import("../../web/pages/unavailable.tsx");
  const { pathname, search } = new URL(request.url);
  const again = request.method === "GET" ? pathname + search : null;
  const headers = { "retry-after": `${AGAIN_S}`, ...(again === null ? {} : { refresh: `${AGAIN_S}` }) };
  return pageAnswer(request, Unavailable({ words, code, again }), { status, headers });
}
const AGAIN_S = 5;
