// Acts: what the forms about people do. Each asks the API's own route, in the same process, so that a page checks,
// bounds and says nothing otherwise than the API does.
import type { AdminError } from "../../admin/operations.ts";
import { statusOf } from "../../http/errors.ts";
import { accountRoutes } from "../../http/human/account.ts";
import { ADMIN_CODES } from "../../http/human/admin.ts";
import { bodyFields, isForm } from "../../http/human/answers.ts";
import { authRoutes } from "../../http/human/auth.ts";
import type { HumanDeps } from "../../http/human/deps.ts";
import { oidcRoutes } from "../../http/human/oidc.ts";
import { organisationRoutes } from "../../http/human/organisations.ts";
import type { HumanCall, HumanRoute } from "../../http/routes.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { sentence } from "../words.ts";

/** Why not: `field` where one of the form's is at fault. */
export type Said = { status: number; words: string; field: string | null; code: string };
export type Done = { body: Record<string, unknown>; cookies: string[] };
/** Asks the API's POST route at `path` with the form's fields, and with `more`. */
export type Ask = (call: HumanCall, path: string, more?: Record<string, string>) => Promise<Result<Done, Said>>;

/** What a form says, without what was left empty. */
export function fieldsOf(call: Pick<HumanCall, "request" | "body">): Record<string, string> {
  const given = Object.entries(bodyFields(call)).filter(([, value]) => typeof value === "string" && value !== "");
  return Object.fromEntries(given) as Record<string, string>;
}

type ErrorBody = { error?: { message?: string; param?: string | null; code?: string } };

export function apiActs(deps: HumanDeps): Ask {
  const all = [...authRoutes(deps), ...oidcRoutes(deps), ...accountRoutes(deps), ...organisationRoutes(deps)];
  const routes = new Map(all.filter(({ method }) => method === "POST").map((route) => [route.path, route]));
  return async (call, path, more = {}) => {
    const route = routes.get(path);
    if (!route) throw new Error(`the API has no POST ${path}`);
    const { csrf_token: _, next: _next, ...fields } = { ...fieldsOf(call), ...more };
    const body = isForm(call.request) ? new URLSearchParams(fields).toString() : JSON.stringify(fields);
    return read(await asked(route, { ...call, body: () => body }));
  };
}

async function read(answer: Response): Promise<Result<Done, Said>> {
  const body = (await answer.json()) as Done["body"] & ErrorBody;
  if (answer.ok) return ok({ body, cookies: answer.headers.getSetCookie() });
  const { message = "", param = null, code = "" } = body.error ?? {};
  const words = param !== null && message.startsWith(`${param}: `) ? message.slice(param.length + 2) : message;
  return err({ status: answer.status, words: sentence(words), field: param, code });
}

function asked(route: HumanRoute, call: HumanCall): Response | Promise<Response> {
  if (route.access !== "user") return route.handle(call);
  if (call.human === null) throw new Error(`${route.path} is for those who are signed in`);
  return route.handle({ ...call, human: call.human });
}

/** What an operation refuses, as the API would; `field`: whose fault it is where the words do not say. */
export function saidOf({ code, message }: AdminError, field: string | null = null): Said {
  const [, named = field, words = message] = /^([a-z_]+)(?:\.\d+)?: (.*)$/s.exec(message) ?? [];
  return { status: statusOf(ADMIN_CODES[code]), words: sentence(words), field: named, code };
}

/** Goes on to another page, with cookies to set. */
export function goOn(request: Request, location: string, cookies: readonly string[] = []): Response {
  const htmx = request.headers.get("hx-request") === "true";
  const response = new Response(null, {
    status: htmx ? 200 : 303,
    headers: { [htmx ? "hx-redirect" : "location"]: location },
  });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}
