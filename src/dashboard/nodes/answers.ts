// Answers of the nodes' acts: the page that they were asked from, as it stands now, or why not.
import type { AdminError, AdminErrorCode } from "../../admin/operations.ts";
import type { SignedInCall } from "../../http/routes.ts";
import { doneAnswer, type Toast } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { refusal } from "../refusal.ts";
import { sentence } from "../words.ts";

/** Pages whose rows have buttons: whoever uses one stays there. */
const LISTS = ["/admin/nodes", "/my/nodes", "/my/join-tokens"];

/** The list that was asked from, as it was filtered, or else `to`. */
export function donePage(call: SignedInCall, to: string, toast: Toast): Response {
  const from = call.request.headers.get("hx-current-url");
  const { pathname, search } = from !== null && URL.canParse(from) ? new URL(from) : { pathname: "", search: "" };
  const stays = LISTS.some((list) => pathname === list || pathname.startsWith(`${list}/`));
  return doneAnswer(call.request, stays ? pathname + search : to, toast);
}

const STATUS: Record<AdminErrorCode, number> = {
  invalid: 422,
  not_found: 404,
  conflict: 409,
  not_available: 409,
  storage_failed: 503,
};

export const notDone = (deps: DashboardDeps, call: SignedInCall, { code, message }: AdminError): Promise<Response> =>
  refusal(deps, call, call.human, {
    status: STATUS[code],
    title: "That was not done",
    words: sentence(message),
    code,
  });

export const notOwner = (deps: DashboardDeps, call: SignedInCall): Promise<Response> =>
  refusal(deps, call, call.human, {
    status: 403,
    title: "Not for you to change",
    words: "Only an owner of the account may do this. Ask one of them.",
    code: "not_owner",
  });
