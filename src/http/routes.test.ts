// Every route of a coordinator, on the real server: each tier refuses what it must.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { HttpRoute } from "./routes.ts";
import {
  CLIENT,
  COORDINATOR,
  type CoordinatorStage,
  coordinatorStage,
  PROVIDER,
  STRANGER,
  until,
} from "./testing/coordinator-stage.ts";

let on: CoordinatorStage;
beforeAll(async () => {
  on = await coordinatorStage();
});
afterAll(() => on[Symbol.asyncDispose]());

const pathOf = (route: HttpRoute) => route.path.replaceAll(/:\w+|\*/g, "x");
const bodyOf = (route: HttpRoute) => (route.method === "POST" ? "{}" : "");
async function ask(
  route: HttpRoute,
  headers: Record<string, string>,
): Promise<{ status: number; code: string | null; json: unknown }> {
  const response = await fetch(on.server.url + pathOf(route), {
    method: route.method,
    headers,
    ...(route.method === "POST" ? { body: bodyOf(route) } : {}),
  });
  const text = await response.text();
  const json = text.startsWith("{") ? JSON.parse(text) : null;
  const error = json?.error;
  return { status: response.status, code: json?.code ?? error?.code ?? null, json };
}
const signed = (as: typeof CLIENT, route: HttpRoute) => on.sign(as, route.method, pathOf(route), bodyOf(route));
/** Those of workers, which take only keys of role operator, are apart. */
const isForWorkers = (route: HttpRoute): boolean => route.tier === "client" && route.scope === "operator";
const inTier = (tier: HttpRoute["tier"]) => on.routes.filter((route) => route.tier === tier && !isForWorkers(route));

test("the list is what it is meant to be: a route that is added is put into its tier here too", () => {
  const listed = on.apiRoutes
    .filter(({ tier }) => tier !== "local")
    .map(({ method, path, tier }) => `${tier} ${method} ${path}`);
  expect(listed).toEqual([
    "public GET /healthz",
    "public GET /readyz",
    "public GET /metrics",
    "public GET /openapi.json",
    "client POST /v1/chat/completions",
    "client POST /v1/completions",
    "client POST /v1/embeddings",
    "client GET /v1/models",
    "client GET /v1/models/*",
    "client POST /api/v1/chat/completions",
    "client POST /api/v1/completions",
    "client POST /api/v1/embeddings",
    "client GET /api/v1/models",
    "client GET /api/v1/models/*",
    "client POST /api/v1/jobs",
    "client GET /api/v1/jobs",
    "client GET /api/v1/jobs/:id",
    "client GET /api/v1/jobs/:id/stream",
    "client POST /api/v1/jobs/:id/cancel",
    "client GET /api/v1/key",
    "client GET /api/v1/webhooks/secret",
    "client GET /api/v1/credits",
    "client GET /api/v1/usage",
    "client GET /api/v1/statement",
    "client GET /api/v1/jobs/:id/receipt",
    "client GET /api/v1/receipts",
    "machine POST /api/v1/node/register",
    "machine POST /api/v1/node/heartbeat",
    "machine POST /api/v1/node/me",
    "machine POST /api/v1/node/jobs/poll",
    "machine POST /api/v1/node/jobs/:id/events",
    "machine POST /api/v1/node/jobs/:id/complete",
    "machine POST /api/v1/node/commands/poll",
    "machine POST /api/v1/node/commands/:id/progress",
    "machine POST /api/v1/node/commands/:id/complete",
    "machine POST /api/v1/node/remove",
    "machine POST /api/v1/node/account/link",
    "machine POST /api/v1/node/account/unlink",
    "machine POST /api/v1/node/payments/list",
    "machine POST /api/v1/node/payouts/list",
    "machine POST /api/v1/node/payouts/set",
    "machine POST /api/v1/node/earnings",
    "machine POST /api/v1/node/payouts/prepare",
    "machine POST /api/v1/node/payouts/history",
    "machine POST /api/v1/node/payouts/:id/status",
    "machine POST /api/v1/node/payouts/:id/receipts",
    "machine POST /api/v1/node/payouts/:id/acknowledge",
    "client POST /api/v1/worker/register",
    "client POST /api/v1/worker/jobs/next",
    "client POST /api/v1/worker/jobs/:id/output",
    "client POST /api/v1/worker/jobs/:id/finish",
    "client POST /api/v1/worker/jobs/:id/fail",
    "client POST /api/v1/worker/leave",
    "human POST /api/v1/auth/setup",
    "human POST /api/v1/auth/sign-in",
    "human POST /api/v1/auth/sign-up",
    "human POST /api/v1/auth/sign-up/finish",
    "human POST /api/v1/auth/password/forgot",
    "human POST /api/v1/auth/password/reset",
    "human POST /api/v1/auth/password",
    "human POST /api/v1/auth/sign-out",
    "human GET /api/v1/auth/oidc/:provider",
    "human POST /api/v1/auth/oidc/:provider",
    "human POST /api/v1/auth/oidc/:provider/link",
    "human GET /api/v1/auth/oidc/:provider/callback",
    "human POST /api/v1/auth/oidc/prove",
    "human GET /api/v1/account",
    "human POST /api/v1/account/name",
    "human GET /api/v1/account/accounts",
    "human POST /api/v1/account/switch",
    "human GET /api/v1/account/sessions",
    "human POST /api/v1/account/sessions/:id/revoke",
    "human POST /api/v1/account/sessions/revoke-others",
    "human POST /api/v1/account/invitations/accept",
    "human GET /api/v1/account/identities",
    "human POST /api/v1/account/identities/unlink",
    "human GET /api/v1/account/nodes",
    "human POST /api/v1/account/nodes/link",
    "human POST /api/v1/account/nodes/unlink",
    "human GET /api/v1/account/keys",
    "human POST /api/v1/account/keys",
    "human POST /api/v1/account/keys/:id/rotate",
    "human POST /api/v1/account/keys/:id/revoke",
    "human GET /api/v1/organisations",
    "human POST /api/v1/organisations",
    "human POST /api/v1/organisations/:id/name",
    "human GET /api/v1/organisations/:id/members",
    "human POST /api/v1/organisations/:id/members",
    "human POST /api/v1/organisations/:id/members/remove",
    "human POST /api/v1/organisations/:id/leave",
    "human GET /api/v1/organisations/:id/invitations",
    "human POST /api/v1/organisations/:id/invitations",
    "human POST /api/v1/organisations/:id/invitations/:invitation/revoke",
    "human GET /api/v1/admin/users",
    "human GET /api/v1/admin/users/:user",
    "human POST /api/v1/admin/users/:user/sign-out",
    "human POST /api/v1/admin/users",
    "human POST /api/v1/admin/users/:user/reset-password",
    "human POST /api/v1/admin/users/:user/roles",
    "human POST /api/v1/admin/users/:user/disabled",
    "human POST /api/v1/admin/invitations",
    "human GET /api/v1/admin/invitations",
    "human DELETE /api/v1/admin/invitations/:id",
    "human GET /api/v1/admin/organisations",
    "human GET /api/v1/admin/organisations/:organisation/members",
    "human POST /api/v1/admin/organisations/:organisation/members",
  ]);
  const keys = on.routes.map(({ method, path }) => `${method} ${path}`);
  expect(new Set(keys).size).toBe(keys.length);
});

test("every client route says what an API key has to allow for it, but for what a key is itself", () => {
  const unsaid = inTier("client").filter((route) => route.tier === "client" && route.scope === undefined);
  expect(unsaid.map(({ path }) => path)).toEqual(["/api/v1/key"]);
});

test("local routes, and only they, are below /api/v1/local/", () => {
  expect(inTier("local").length).toBeGreaterThan(10);
  for (const { path, tier } of on.routes) expect(path.startsWith("/api/v1/local/")).toBe(tier === "local");
});

test("public routes answer everybody", async () => {
  for (const route of inTier("public")) {
    const { status } = await ask(route, {});
    // There is no file of the name that is asked for.
    expect([route.path, status]).toEqual([route.path, route.path.endsWith("/:file") ? 404 : 200]);
  }
});

describe("client routes refuse", () => {
  const credentials: [string, (route: HttpRoute) => Record<string, string>, number, string][] = [
    ["no credentials", () => ({}), 401, "api_key_missing"],
    ["a key nobody made", () => ({ authorization: `Bearer inf_${"x".repeat(43)}` }), 401, "api_key_invalid"],
    ["another scheme", () => ({ authorization: "Basic aW5mOg==" }), 401, "api_key_invalid"],
    ["an unknown machine", (route) => signed(STRANGER, route), 401, "key_unknown"],
    ["a machine that is no client", (route) => signed(PROVIDER, route), 403, "role_not_allowed"],
    ["this instance's own key", (route) => signed(COORDINATOR, route), 401, "key_unknown"],
    ["a signature for another path", () => on.sign(CLIENT, "GET", "/v1/other"), 401, "bad_signature"],
    ["a malformed signature", () => ({ "x-infernet-auth": "x" }), 401, "header_malformed"],
  ];
  for (const [name, headersFor, status, code] of credentials) {
    test(name, async () => {
      for (const route of inTier("client")) {
        const answer = await ask(route, headersFor(route));
        expect([route.path, answer.status, answer.code]).toEqual([route.path, status, code]);
        expect(answer.json).toEqual({
          error: { message: expect.any(String), type: expect.any(String), param: null, code },
        });
      }
    });
  }

  test("nobody with a key, in any spelling of Bearer, or a registered client's signature", async () => {
    for (const route of inTier("client")) {
      for (const headers of [
        { authorization: `Bearer ${on.key}` },
        { authorization: `bearer  ${on.key}` },
        signed(CLIENT, route),
      ]) {
        const { status } = await ask(route, headers);
        expect([route.path, status === 401 || status === 403]).toEqual([route.path, false]);
      }
    }
  });

  test("the same signature a second time", async () => {
    const [route] = inTier("client").filter(({ path }) => path === "/v1/models");
    if (!route) throw new Error("no such route");
    const headers = signed(CLIENT, route);
    expect((await ask(route, headers)).status).toBe(200);
    expect(await ask(route, headers)).toMatchObject({ status: 401, code: "nonce_replayed" });
  });
});

test("workers' routes take a key of role operator, and nothing else does", async () => {
  const credentials: [Record<string, string>, number, string][] = [
    [{}, 401, "api_key_missing"],
    [{ authorization: `Bearer inf_${"x".repeat(43)}` }, 401, "api_key_invalid"],
    [{ authorization: `Bearer ${on.key}` }, 403, "api_key_role"],
  ];
  const forWorkers = on.routes.filter(isForWorkers);
  for (const route of forWorkers) {
    for (const [headers, status, code] of [
      ...credentials,
      [signed(CLIENT, route), 401, "api_key_missing"] as const,
      [{ authorization: `Bearer ${on.operatorKey}` }, 400, "invalid_value"] as const,
    ]) {
      const answer = await ask(route, headers);
      const isLenient = status === 400 && answer.status !== 401 && answer.status !== 403;
      expect([route.path, isLenient || [answer.status, answer.code].join() === [status, code].join()]).toEqual([
        route.path,
        true,
      ]);
    }
  }
  for (const route of inTier("client")) {
    const answer = await ask(route, { authorization: `Bearer ${on.operatorKey}` });
    expect([route.path, answer.status, answer.code]).toEqual([route.path, 403, "api_key_role"]);
  }
});

describe("machine routes", () => {
  const refused: [string, (route: HttpRoute) => Record<string, string>, number, string][] = [
    ["no credentials", () => ({}), 401, "header_missing"],
    ["an API key", () => ({ authorization: `Bearer ${on.operatorKey}` }), 401, "header_missing"],
    ["a signature for another path", () => on.sign(PROVIDER, "POST", "/api/v1/other"), 401, "bad_signature"],
  ];
  for (const [name, headersFor, status, code] of refused) {
    test(`refuse ${name}`, async () => {
      for (const route of inTier("machine")) {
        const answer = await ask(route, headersFor(route));
        expect([route.path, answer.status, answer.code]).toEqual([route.path, status, code]);
        expect(answer.json).toEqual({ error: expect.any(String), code });
      }
    });
  }

  test("know strangers only where these make themselves known", async () => {
    for (const route of inTier("machine")) {
      const { status, code } = await ask(route, signed(STRANGER, route));
      const expected = {
        register: [400, "invalid_value"],
        presence: [404, "not_registered"],
        polling: [401, "key_unknown"],
      };
      if (route.tier === "machine") expect([route.path, status, code]).toEqual([route.path, ...expected[route.rule]]);
    }
  });

  test("let a registered node in", async () => {
    for (const route of inTier("machine")) {
      const { status } = await ask(route, signed(PROVIDER, route));
      expect([route.path, status === 401 || status === 403]).toEqual([route.path, false]);
    }
  });
});

describe("human routes", () => {
  const forUsers = () => inTier("human").filter((route) => route.tier === "human" && route.access === "user");

  test("refuse whoever is not signed in, whatever other credentials they bring", async () => {
    for (const route of forUsers()) {
      for (const headers of [
        {},
        { authorization: `Bearer ${on.key}` },
        signed(COORDINATOR, route),
        { cookie: `infernet-session=${"x".repeat(43)}` },
        { cookie: "infernet-session=" },
      ]) {
        const page = route.answers === "text/html";
        const response = await fetch(on.server.url + pathOf(route), {
          method: route.method,
          headers,
          redirect: "manual",
          ...(route.method === "POST" ? { body: bodyOf(route) } : {}),
        });
        expect([route.path, response.status]).toEqual([route.path, page ? 303 : 401]);
        if (!page) expect(await response.json()).toMatchObject({ error: { code: "session_missing" } });
        expect(response.headers.get("cache-control")).toBe("no-store");
      }
    }
  });

  test("that change something refuse pages of others, before they look at anything else", async () => {
    const changing = inTier("human").filter(({ method }) => method !== "GET");
    expect(changing.length).toBeGreaterThan(25);
    for (const route of changing) {
      for (const headers of [
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ] as Record<string, string>[]) {
        const { status, code } = await ask(route, headers);
        expect([route.path, status, code]).toEqual([route.path, 403, "origin_not_allowed"]);
      }
    }
  });
});

describe("local routes refuse", () => {
  const credentials: [string, (route: HttpRoute) => Record<string, string>, string][] = [
    ["no credentials", () => ({}), "header_missing"],
    ["an API key", () => ({ authorization: `Bearer ${on.key}` }), "header_missing"],
    ["a registered client", (route) => signed(CLIENT, route), "key_unknown"],
    ["an approved node", (route) => signed(PROVIDER, route), "key_unknown"],
    ["a stranger", (route) => signed(STRANGER, route), "key_unknown"],
    [
      "its own key's signature of another body",
      (route) => on.sign(COORDINATOR, route.method, pathOf(route), "other"),
      "bad_signature",
    ],
  ];
  for (const [name, headersFor, code] of credentials) {
    test(name, async () => {
      for (const route of inTier("local")) {
        const answer = await ask(route, headersFor(route));
        expect([route.path, answer.status, answer.code]).toEqual([route.path, 401, code]);
        expect(answer.json).toEqual({ error: expect.any(String), code });
      }
    });
  }

  test("nothing of this instance's own key", async () => {
    for (const route of inTier("local")) {
      const { status, code } = await ask(route, signed(COORDINATOR, route));
      expect([route.path, status === 401 || status === 403, code === "bad_signature"]).toEqual([
        route.path,
        false,
        false,
      ]);
    }
  });
});

test("without require_api_key clients need none, a wrong key is refused all the same, local routes stay closed", async () => {
  await using open = await coordinatorStage({ requireApiKey: false });
  const status = async (path: string, headers: Record<string, string>) =>
    (await fetch(open.server.url + path, { headers })).status;
  expect(await status("/v1/models", {})).toBe(200);
  expect(await status("/v1/models", { authorization: "Bearer sk-anything" })).toBe(200);
  expect(await status("/v1/models", { authorization: `Bearer inf_${"x".repeat(43)}` })).toBe(401);
  expect(await status("/api/v1/local/status", {})).toBe(401);
});

test("without require_api_key no web page asks that nobody allowed, unless it brings a key", async () => {
  await using open = await coordinatorStage({ requireApiKey: false });
  const own = new URL(open.server.url).origin;
  const ask = async (origin: string, more: Record<string, string> = {}) => {
    const headers = { origin, "content-type": "text/plain", ...more };
    const answer = await fetch(`${open.server.url}/api/v1/jobs`, { method: "POST", headers, body: "{}" });
    return [answer.status, ((await answer.json()) as { error: { code: string } }).error.code];
  };
  for (const origin of ["https://evil.example", "http://127.0.0.1:1", "null", `${own}.evil.example`])
    expect([origin, ...(await ask(origin))]).toEqual([origin, 403, "origin_not_allowed"]);
  for (const origin of ["https://app.example", own]) expect(await ask(origin)).toEqual([400, "invalid_value"]);
  expect(await ask("https://evil.example", { authorization: "Bearer sk-any" })).toEqual([400, "invalid_value"]);
});

describe("what is not there", () => {
  test("is 404 in the caller's shape", async () => {
    const answer = await on.call("/v1/nowhere");
    expect([answer.status, await answer.json()]).toEqual([
      404,
      {
        error: {
          message: "there is nothing at /v1/nowhere",
          type: "invalid_request_error",
          param: null,
          code: "route_not_found",
        },
      },
    ]);
    expect(await (await on.call("/api/v1/local/nowhere")).json()).toMatchObject({ code: "route_not_found" });
  });

  test("a method that a path does not take is 405, with those it takes", async () => {
    for (const [path, method, allow] of [
      ["/v1/chat/completions", "GET", "POST"],
      ["/v1/models", "DELETE", "GET"],
      ["/v1/models/a/b", "POST", "GET"],
      ["/api/v1/jobs", "PUT", "POST, GET"],
      ["/api/v1/jobs/x", "PATCH", "GET"],
      ["/api/v1/jobs/x/cancel", "GET", "POST"],
    ] as const) {
      const answer = await on.call(path, { method });
      expect([path, answer.status, answer.headers.get("allow")]).toEqual([path, 405, allow]);
      expect(await answer.json()).toMatchObject({ error: { code: "method_not_allowed", param: null } });
    }
  });
});

test("a Host that nobody configured is 421, on every tier", async () => {
  for (const route of on.routes) {
    const answer = await ask(route, { host: "evil.example" });
    expect([route.path, answer.status, answer.code]).toEqual([route.path, 421, "host_not_allowed"]);
  }
});

describe("CORS", () => {
  const origin = "https://app.example";

  test("a configured origin may ask and read, before and after authentication", async () => {
    const preflight = await on.call("/v1/chat/completions", { method: "OPTIONS", headers: { origin } });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, origin]);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
    for (const headers of [{ origin }, { origin, authorization: "Bearer x" }]) {
      const answer = await on.call("/v1/models", { headers });
      expect([answer.headers.get("access-control-allow-origin"), answer.headers.get("vary")]).toEqual([
        origin,
        "Origin",
      ]);
      expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
    }
  });

  test("no other origin does", async () => {
    for (const other of ["https://evil.example", "https://app.example.evil", "http://app.example", "null"]) {
      for (const method of ["GET", "OPTIONS"]) {
        const answer = await on.call("/v1/models", { method, headers: { origin: other } });
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
      }
    }
  });
});

test("openapi.json describes every route but the local ones, with its tier's security", async () => {
  const { paths } = (await (await fetch(`${on.server.url}/openapi.json`)).json()) as {
    paths: Record<
      string,
      Record<string, { security: object[]; parameters?: { name: string }[]; requestBody?: object }>
    >;
  };
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const listed = on.apiRoutes
    .filter(({ tier }) => tier !== "local")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}").replace("*", "{model}")}`);
  expect(described.toSorted()).toEqual(listed.toSorted());
  expect(JSON.stringify(paths)).not.toContain("/local/");
  for (const [path, methods] of Object.entries(paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const { parameters = [] } of Object.values(methods))
      expect(parameters.map(({ name }) => name)).toEqual(named as string[]);
  }
  expect(paths["/healthz"]?.get?.security).toEqual([]);
  expect(paths["/api/v1/jobs"]?.post).toMatchObject({
    security: [{ apiKey: [] }, { signature: [] }],
    requestBody: { required: true },
  });
});

test("openapi.json tells each caller the shape of its errors", async () => {
  type Described = { responses: { default: { content: Record<string, { schema: object }> } } };
  const { paths, components } = (await (await fetch(`${on.server.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Described>>;
    components: { schemas: Record<string, { required?: string[]; properties: { error: { type: string } } }> };
  };
  const schemaAt = (path: string) => {
    const schema = paths[path]?.post?.responses.default.content["application/json"]?.schema as { $ref: string };
    return components.schemas[schema.$ref.split("/").at(-1) ?? ""]?.properties.error.type;
  };
  expect(schemaAt("/v1/chat/completions")).toBe("object");
  expect(schemaAt("/api/v1/worker/register")).toBe("object");
  expect(schemaAt("/api/v1/node/register")).toBe("string");
});

test("readyz says why an instance is not ready", async () => {
  on.unready.why = "draining";
  const answer = await fetch(`${on.server.url}/readyz`);
  expect([answer.status, await answer.text()]).toEqual([503, "draining\n"]);
  on.unready.why = null;
});

test("metrics count jobs, tokens, slots and attempts", async () => {
  const node = on.node(8, { models: ["metered"], slots: 5 });
  const answer = on.call("/v1/chat/completions", {
    body: { model: "metered", messages: [{ role: "user", content: "hi" }] },
  });
  await until(() => node.attempts.size > 0);
  node.stream(node.last, 2);
  node.end(node.last);
  expect((await answer).status).toBe(200);
  const text = await (await fetch(`${on.server.url}/metrics`)).text();
  node.lose();
  expect(text).toContain("infernet_slots 5");
  expect(text).toMatch(/infernet_jobs_live \d/);
  for (const name of ["nodes_online", "models", "jobs_queued", "db_writes", "build_info", "attempts_total"]) {
    expect(text).toContain(`infernet_${name}`);
  }
});
