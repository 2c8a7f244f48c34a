// Every page and act of the dashboard, on the real server: who may and who may not.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSetupLink } from "../accounts/first-admin.ts";
import type { HttpRoute, HumanRoute } from "../http/routes.ts";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";

let on: CoordinatorStage;
let admin: Session;
let client: Session;
type Session = { cookie: string; csrf: string };

const PASSWORD = "correct horse battery";
async function post(path: string, body: object, session?: Session): Promise<{ answer: Response; json: Json }> {
  const answer = await fetch(on.server.url + path, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(session ? { cookie: session.cookie, "x-csrf-token": session.csrf } : {}),
    },
    body: JSON.stringify(body),
  });
  return { answer, json: (await answer.json()) as Json };
}
type Json = Record<string, unknown> & { csrf_token?: string };
const sessionOf = ({ answer, json }: { answer: Response; json: Json }): Session => ({
  cookie: answer.headers
    .getSetCookie()
    .map((cookie) => cookie.slice(0, cookie.indexOf(";")))
    .join("; "),
  csrf: json.csrf_token ?? "",
});
const secretOf = (link: unknown): string => String(link).slice(String(link).indexOf("#") + 1);

beforeAll(async () => {
  on = await coordinatorStage();
  const setup = await createSetupLink(on.human.people);
  if (!setup.ok) throw new Error(setup.error);
  const first = { name: "Ada", email: "ada@example.org", password: PASSWORD, secret: secretOf(setup.value.link) };
  admin = sessionOf(await post("/api/v1/auth/setup", first));
  const cleo = { name: "Cleo", email: "cleo@example.org", roles: ["client"] };
  const { json } = await post("/api/v1/admin/users", cleo, admin);
  await post("/api/v1/auth/password/reset", { secret: secretOf(json.link), password: PASSWORD });
  client = sessionOf(await post("/api/v1/auth/sign-in", { email: cleo.email, password: PASSWORD }));
  expect(client.csrf).not.toBe("");
});
afterAll(() => on[Symbol.asyncDispose]());

type UserRoute = Extract<HumanRoute, { access: "user" }>;
const forUsers = (): UserRoute[] =>
  on.routes.filter((route): route is UserRoute => route.tier === "human" && route.access === "user");
const ask = (route: HttpRoute, headers: Record<string, string>) =>
  fetch(on.server.url + route.path.replaceAll(/:\w+|\*/g, "x"), {
    method: route.method,
    redirect: "manual",
    headers,
    ...(route.method === "POST" ? { body: "{}" } : {}),
  });
const codeOf = async (answer: Response) => ((await answer.json()) as { error: { code: string } }).error.code;

test("what is below /admin, and what feeds it, is for admins", () => {
  for (const { path, role } of forUsers()) {
    if (path === "/admin" || path.startsWith("/admin/")) expect([path, role]).toEqual([path, "admin"]);
  }
});

describe("somebody without the role", () => {
  test("is refused by every route that takes one", async () => {
    const routes = forUsers().filter(({ role }) => role === "admin");
    expect(routes.length).toBeGreaterThan(8);
    for (const route of routes) {
      const answer = await ask(route, { cookie: client.cookie, "x-csrf-token": client.csrf });
      expect([route.path, answer.status, await codeOf(answer)]).toEqual([route.path, 403, "role_missing"]);
    }
  });
});

describe("an admin's cookie without the page's proof", () => {
  test("changes nothing, on any route", async () => {
    const routes = forUsers().filter(({ method }) => method !== "GET");
    expect(routes.length).toBeGreaterThan(20);
    for (const route of routes) {
      for (const csrf of [{}, { "x-csrf-token": client.csrf }, { "x-csrf-token": "" }] as Record<string, string>[]) {
        const answer = await ask(route, { cookie: admin.cookie, ...csrf });
        expect([route.path, answer.status, await codeOf(answer)]).toEqual([route.path, 403, "csrf_failed"]);
      }
    }
  });
});

test("whoever is not signed in is sent to do that, and back again", async () => {
  const answer = await fetch(`${on.server.url}/admin?x=1`, { redirect: "manual" });
  expect([answer.status, answer.headers.get("location")]).toEqual([303, "/sign-in?next=%2Fadmin%3Fx%3D1"]);
  const part = await fetch(`${on.server.url}/admin`, {
    redirect: "manual",
    headers: { "hx-request": "true", "hx-current-url": `${on.server.url}/admin?y=2` },
  });
  expect([part.status, part.headers.get("hx-redirect")]).toEqual([401, "/sign-in?next=%2Fadmin%3Fy%3D2"]);
});

test("assets are kept for good under addresses that change with them", async () => {
  const page = await (await fetch(`${on.server.url}/admin`, { headers: { cookie: admin.cookie } })).text();
  const paths = [...page.matchAll(/(?:src|href)="(\/assets\/[^"#]+)/g)].map(([, path]) => path ?? "");
  expect(paths.length).toBeGreaterThan(4);
  for (const path of paths) {
    const answer = await fetch(on.server.url + path);
    expect([path, answer.status, answer.headers.get("cache-control")]).toEqual([
      path,
      200,
      "public, max-age=31536000, immutable",
    ]);
  }
});
