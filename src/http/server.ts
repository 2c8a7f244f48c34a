// Server: one Bun server for everything on the port. Checks the Host, upgrades links, authenticates by tier, and hands
// the rest to Elysia's router.
import type { Server } from "bun";
import { Elysia } from "elysia";
import { storageFault } from "../db/errors.ts";
import { rememberRegistered, type VerifyDeps } from "../identity/verify-request.ts";
import type { Log } from "../lib/log.ts";
import type { Links } from "../registry/links.ts";
import { authenticateClient, type ClientAuthDeps } from "./client-auth.ts";
import { errorResponse } from "./errors.ts";
import { type HostRule, hostRule, misdirected } from "./host-check.ts";
import { guardHuman, type HumanAuthDeps } from "./human/guard.ts";
import { authenticateMachine, readBounded } from "./machine-auth.ts";
import { type LinkSocket, linkSockets, upgradeLink } from "./node-link.ts";
import { refuseStrangePage } from "./origin-check.ts";
import { guardOwner, type OwnerAuthDeps } from "./owner/guard.ts";
import { pathOf, refuse } from "./refusals.ts";
import type { Call, ClientCall, HttpRoute } from "./routes.ts";

export type ServerDeps = {
  log: Log;
  host: string;
  port: number;
  tls: { cert: string; key: string } | null;
  hosts: HostRule;
  corsOrigins: readonly string[];
  maxBodyBytes: number;
  idleTimeoutS: number;
  routes: readonly HttpRoute[];
  /** Present on a coordinator. */
  clientAuth: ClientAuthDeps | null;
  /** Present on a coordinator. */
  humanAuth: HumanAuthDeps | null;
  /** Present on a node. */
  ownerAuth?: OwnerAuthDeps;
  verify: VerifyDeps;
  links: Links | null;
  /** What answers browsers where there is nothing; left out: the same as everybody gets. */
  missing?: HttpRoute;
};

export const LINK_ROUTE = "/api/v1/node/link";

export type HttpServer = { url: string; port: number; stop(): Promise<void> };

export function startServer(deps: ServerDeps): HttpServer {
  const hostIsOurs = hostRule(deps.hosts);
  const app = router(deps, () => server);
  const answer = app.fetch;
  const cors = new Set(deps.corsOrigins);

  const handle = (
    request: Request,
    server: Server<LinkSocket>,
  ): Response | undefined | Promise<Response | undefined> => {
    if (!hostIsOurs(request.headers.get("host"))) return misdirected(pathOf(request.url));
    if (deps.links && isLinkUpgrade(request)) return link(deps, request, server);
    const origin = request.headers.get("origin");
    if (origin !== null && cors.has(origin)) return withCors(request, origin, answer);
    return answer(request);
  };
  const server = Bun.serve<LinkSocket>({
    hostname: deps.host,
    port: deps.port,
    idleTimeout: deps.idleTimeoutS,
    // Bodies over the limit are refused by us, with a proper error; this is the wall behind, where Bun's is an empty 413.
    maxRequestBodySize: deps.maxBodyBytes * 8,
    ...(deps.tls ? { tls: deps.tls } : {}),
    fetch: handle,
    websocket: deps.links ? linkSockets(deps.links) : { message: () => undefined },
    error(error) {
      deps.log.error("a request failed", { err: error });
      return errorResponse("internal_error", "something went wrong here; the log has more");
    },
  });
  const scheme = deps.tls ? "https" : "http";
  const anyAddress = deps.host === "0.0.0.0" || deps.host === "::";
  const shown = anyAddress ? "127.0.0.1" : deps.host.includes(":") ? `[${deps.host}]` : deps.host;
  return {
    url: `${scheme}://${shown}:${server.port}`,
    port: server.port ?? deps.port,
    stop: () => server.stop(true),
  };
}

function isLinkUpgrade(request: Request): boolean {
  if (request.headers.get("upgrade") === null) return false;
  return pathOf(request.url) === LINK_ROUTE;
}

async function link(deps: ServerDeps, request: Request, server: Server<LinkSocket>): Promise<Response | undefined> {
  const verified = await authenticateMachine(deps.verify, request, "link");
  if (!verified.ok) return verified.error;
  const address = server.requestIP(request)?.address ?? "unknown";
  return upgradeLink(request, server, {
    pubkey: verified.value.pubkey,
    address,
    known: () => rememberRegistered(deps.verify, verified.value),
  });
}

/** One Elysia route for each of ours; the tier decides what stands before the handler. */
function router(deps: ServerDeps, server: () => Server<LinkSocket>) {
  const app = new Elysia({ normalize: false });
  // Before the routes: those that are there already would answer with the fault's own words.
  app.onError(({ code, error, request }) => {
    if (code === "NOT_FOUND") return notFound(deps, request, server);
    deps.log.error("a request failed", {
      err: error instanceof Error ? error : String(error),
      path: pathOf(request.url),
    });
    if (storageFault(error) !== null) {
      return refuse(pathOf(request.url), "storage_failed", "the database could not be read; try again in a moment");
    }
    return refuse(pathOf(request.url), "internal_error", "something went wrong here; the log has more");
  });
  for (const route of deps.routes) {
    app.route(
      route.method,
      route.path,
      ({ request, params }) =>
        guard(
          deps,
          route,
          callOf(request, decoded(params as Record<string, string> | undefined), server(), deps.idleTimeoutS),
        ),
      { parse: "none" },
    );
  }
  return app.compile();
}

function notFound(deps: ServerDeps, request: Request, server: () => Server<LinkSocket>): Response | Promise<Response> {
  const path = pathOf(request.url);
  const methods = deps.routes.filter((route) => fits(route.path, path)).map((route) => route.method);
  // Asked for without `Upgrade`: by a browser, or by a node behind a proxy that takes the header away.
  if (deps.links && path === LINK_ROUTE) {
    const message = "this is the address of the link, a WebSocket; a proxy in between has to pass Upgrade on";
    return Response.json(
      { error: message, code: "upgrade_required" },
      { status: 426, headers: { upgrade: "websocket" } },
    );
  }
  if (methods.length === 0 && deps.missing && isBrowser(request)) {
    return guard(deps, deps.missing, callOf(request, {}, server(), deps.idleTimeoutS));
  }
  if (methods.length === 0) return refuse(path, "route_not_found", `there is nothing at ${path.slice(0, 200)}`);
  const allow = methods.join(", ");
  return refuse(path, "method_not_allowed", `${path} takes ${allow}`, { headers: { allow } });
}

/** It wants a page to show: programs do not say so. */
const isBrowser = ({ method, headers }: Request): boolean =>
  method === "GET" && /\btext\/html\b/.test(headers.get("accept") ?? "");

/** Whether `path` is one of `pattern`: `:name` stands for one segment, a last `*` for all that follows. */
function fits(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.at(-1) === "*" ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every((segment, i) => segment === "*" || segment.startsWith(":") || segment === given[i]);
}

/** Of most routes: Elysia gives none at all then. */
const NO_PARAMS: Record<string, string> = {};

/** The router decodes named parameters; what stands for `*` it leaves as it came. */
function decoded(params: Record<string, string> = NO_PARAMS): Record<string, string> {
  const rest = params["*"];
  if (rest === undefined || !rest.includes("%")) return params;
  try {
    return { ...params, "*": decodeURIComponent(rest) };
  } catch {
    // Not UTF-8: it names nothing that is here.
    return params;
  }
}

function callOf(
  request: Request,
  params: Record<string, string>,
  server: Server<LinkSocket>,
  idleTimeoutS: number,
): Call {
  return {
    request,
    params,
    get query() {
      return new URL(request.url).searchParams;
    },
    get address() {
      return server.requestIP(request)?.address ?? "unknown";
    },
    body: () => request.text(),
    mayBeSilent() {
      server.timeout(request, 0);
      return () => server.timeout(request, idleTimeoutS);
    },
  };
}

function guard(deps: ServerDeps, route: HttpRoute, call: Call): Response | Promise<Response> {
  if (Number(call.request.headers.get("content-length") ?? 0) > deps.maxBodyBytes) return tooLarge(deps, call);
  switch (route.tier) {
    case "public":
      return route.handle(call);
    case "client":
      return guardClient(deps, route, call);
    case "human":
      if (route.access === "owner" || route.access === "opening") {
        if (!deps.ownerAuth) return errorResponse("route_not_found", "this is a coordinator: sign in instead");
        return guardOwner(deps.ownerAuth, route, call);
      }
      if (!deps.humanAuth) return errorResponse("route_not_found", "this is a node: ask its coordinator");
      return guardHuman(deps.humanAuth, route, call);
    default:
      return guardMachine(deps, route, call);
  }
}

const tooLarge = ({ maxBodyBytes }: ServerDeps, { request }: Call): Response =>
  refuse(pathOf(request.url), "body_too_large", `the body may have ${maxBodyBytes} bytes`);

function guardClient(
  deps: ServerDeps,
  route: Extract<HttpRoute, { tier: "client" }>,
  call: Call,
): Response | Promise<Response> {
  if (!deps.clientAuth) return errorResponse("route_not_found", "this is a node: ask its coordinator");
  const strange = deps.clientAuth.requireApiKey ? null : refuseStrangePage(call.request, deps.corsOrigins);
  if (strange) return strange;
  const caller = authenticateClient(deps.clientAuth, call.request, call, deps.maxBodyBytes, route.scope);
  if (!(caller instanceof Promise)) {
    if (!caller.ok) return caller.error;
    const known = Object.assign(call, { caller: caller.value });
    return call.request.headers.has("transfer-encoding") ? handleUndeclared(deps, route, known) : route.handle(known);
  }
  return caller.then((known) => {
    if (!known.ok) return known.error;
    const { body = "", ...who } = known.value;
    return route.handle(Object.assign(call, { caller: who, body: () => body }));
  });
}

/** A body whose length nobody declared is read here, as far as the limit goes. */
async function handleUndeclared(
  deps: ServerDeps,
  route: Extract<HttpRoute, { tier: "client" }>,
  call: ClientCall,
): Promise<Response> {
  if (route.method === "GET") return route.handle(call);
  const body = await readBounded(call.request, deps.maxBodyBytes);
  if (!body.ok) return tooLarge(deps, call);
  const text = new TextDecoder().decode(body.value);
  return route.handle(Object.assign(call, { body: () => text }));
}

async function guardMachine(
  deps: ServerDeps,
  route: Extract<HttpRoute, { tier: "machine" | "local" }>,
  call: Call,
): Promise<Response> {
  const rule = route.tier === "local" ? "local" : route.rule;
  const verified = await authenticateMachine(deps.verify, call.request, rule);
  if (!verified.ok) return verified.error;
  const signed = verified.value;
  const text = new TextDecoder().decode(signed.body);
  const known = Object.assign(call, { body: () => text });
  if (route.tier === "local") return route.handle(known);
  return route.handle(Object.assign(known, { signed, registered: () => rememberRegistered(deps.verify, signed) }));
}

/** What a page may read of an answer beside the usual. */
const EXPOSED = [
  ...["x-infernet-job", "x-infernet-node", "x-infernet-attempts", "retry-after"],
  ...["limit", "remaining", "reset"].flatMap((of) => [`x-ratelimit-${of}-requests`, `x-ratelimit-${of}-tokens`]),
].join(", ");

async function withCors(
  request: Request,
  origin: string,
  answer: (request: Request) => Response | Promise<Response>,
): Promise<Response> {
  const allow = { "access-control-allow-origin": origin, vary: "Origin" };
  if (request.method === "OPTIONS") {
    return new Response(null, {
      status: 204,
      headers: {
        ...allow,
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "authorization, content-type, idempotency-key, last-event-id",
        "access-control-max-age": "600",
      },
    });
  }
  const response = await answer(request);
  for (const [name, value] of Object.entries(allow)) response.headers.set(name, value);
  response.headers.set("access-control-expose-headers", EXPOSED);
  return response;
}
