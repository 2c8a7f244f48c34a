// The human routes on the real server: cookies, sessions and the proof that a page of ours asks.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { LOCAL_CALLER } from "../../accounts/caller.ts";
import { insertUser } from "../../accounts/users.ts";
import { StorageError } from "../../db/errors.ts";
import { type CoordinatorStage, coordinatorStage } from "../testing/coordinator-stage.ts";
import { isSecure, readCookie, setCookie } from "./cookies.ts";

let on: CoordinatorStage;
beforeAll(async () => {
  on = await coordinatorStage();
  const { people } = on.human;
  const hash = await people.passwords.hash(PASSWORD);
  for (const [email, roles] of [
    ["anna@example.org", ["admin", "client"]],
    ["bert@example.org", ["client"]],
  ] as const) {
    const user = { email, name: email, passwordHash: hash.ok ? hash.value : null, roles };
    await people.db.writer.transact((tx) => insertUser(tx, people, user, LOCAL_CALLER));
  }
});
afterAll(() => on[Symbol.asyncDispose]());

const PASSWORD = "correct horse";
type Answer = { status: number; cookies: string[]; body: Record<string, unknown> & { error?: { code: string } } };

async function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  method = "POST",
): Promise<Answer> {
  const response = await fetch(on.server.url + path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(method === "GET" ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    cookies: response.headers.getSetCookie(),
    body: (text.startsWith("{") ? JSON.parse(text) : {}) as Answer["body"],
  };
}
const tokenIn = ({ cookies }: Answer) => /^infernet-session=([A-Za-z0-9_-]{43});/.exec(cookies[0] ?? "")?.[1] ?? "";

async function signedIn(email = "anna@example.org") {
  const answer = await post("/api/v1/auth/sign-in", { email, password: PASSWORD });
  const cookie = `infernet-session=${tokenIn(answer)}`;
  const csrf = String(answer.body.csrf_token);
  return { answer, cookie, csrf, headers: { cookie, "x-csrf-token": csrf } };
}
const who = async (cookie: string) => (await post("/api/v1/account", "", { cookie }, "GET")).status;

test("signing in sets a cookie that no script reads and no other site brings, and says what a page must know", async () => {
  const { answer, cookie } = await signedIn();
  expect(answer.status).toBe(200);
  expect(answer.cookies[0]).toMatch(/; Path=\/; HttpOnly; SameSite=Lax; Max-Age=86400$/);
  expect(answer.cookies[1]).toMatch(/^infernet-device=.*HttpOnly/);
  expect(answer.body).toMatchObject({
    user: { email: "anna@example.org", roles: ["admin", "client"] },
    account: { kind: "user", role: "owner" },
  });
  expect(JSON.stringify(answer.body)).not.toContain(tokenIn(answer));
  expect(await who(cookie)).toBe(200);
});

test("a cookie that was there before signing in is worth nothing afterwards", async () => {
  const planted = "P".repeat(43);
  const answer = await post(
    "/api/v1/auth/sign-in",
    { email: "anna@example.org", password: PASSWORD },
    { cookie: `infernet-session=${planted}` },
  );
  expect(tokenIn(answer)).not.toBe(planted);
  expect(await who(`infernet-session=${planted}`)).toBe(401);
  const again = await post(
    "/api/v1/auth/sign-in",
    { email: "bert@example.org", password: PASSWORD },
    { cookie: `infernet-session=${tokenIn(answer)}` },
  );
  expect(again.status).toBe(200);
  expect(await who(`infernet-session=${tokenIn(answer)}`)).toBe(401);
});

describe("what changes something", () => {
  test("takes the token of this very session, as a header or a field, and nothing else", async () => {
    const [anna, bert] = [await signedIn(), await signedIn("bert@example.org")];
    const rename = (headers: Record<string, string>, body: object | string = { name: "Anna" }) =>
      post("/api/v1/account/name", body, { cookie: anna.cookie, ...headers });
    for (const headers of [
      {},
      { "x-csrf-token": "" },
      { "x-csrf-token": bert.csrf },
      { "x-csrf-token": `${anna.csrf}x` },
      // As many characters, and more bytes.
      { "x-csrf-token": "é".repeat(anna.csrf.length) },
    ]) {
      const { status, body } = await rename(headers as Record<string, string>);
      expect([status, body.error?.code]).toEqual([403, "csrf_failed"]);
    }
    expect((await rename({ "x-csrf-token": anna.csrf })).status).toBe(200);
    expect((await rename({}, { name: "Anna", csrf_token: anna.csrf })).status).toBe(200);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await rename(form, `name=Anna&csrf_token=${anna.csrf}`)).status).toBe(200);
    expect((await rename(form, "name=Anna")).status).toBe(403);
    expect((await rename(form, `name=Anna&csrf_token=${"é".repeat(anna.csrf.length)}`)).status).toBe(403);
  });

  test("is refused to other origins even with the token, and to forms of other sites at sign-in", async () => {
    const { headers } = await signedIn();
    const own = new URL(on.server.url).origin;
    for (const [origin, status] of [
      [own, 200],
      ["https://evil.example", 403],
      ["null", 403],
      [`${own}0`, 403],
    ] as const) {
      const answer = await post("/api/v1/account/name", { name: "Anna" }, { ...headers, origin });
      expect([origin, answer.status]).toEqual([origin, status]);
    }
    const form = "email=anna%40example.org&password=correct+horse";
    const posted = await post("/api/v1/auth/sign-in", form, {
      "content-type": "application/x-www-form-urlencoded",
      origin: "https://evil.example",
    });
    expect([posted.status, posted.cookies]).toEqual([403, []]);
  });

  test("is bounded for everybody but admins: the audit log keeps it for good", async () => {
    const [anna, bert] = [await signedIn(), await signedIn("bert@example.org")];
    const rename = async ({ headers }: typeof anna, name: string) =>
      (await post("/api/v1/account/name", { name }, headers)).status;
    expect([await rename(anna, "A1"), await rename(bert, "B1")]).toEqual([200, 200]);
    const { db } = on.human.people;
    await db.writer.batch("UPDATE attempts SET n = n + ?", [[998]]);
    expect([await rename(anna, "A2"), await rename(bert, "B2"), await rename(bert, "B3")]).toEqual([200, 200, 429]);
    await db.writer.batch("DELETE FROM attempts WHERE n > ?", [[0]]);
  });

  test("reads no body beyond its bound", async () => {
    const answer = await post("/api/v1/auth/sign-in", { email: "a@b.org", password: "x".repeat(70_000) });
    expect([answer.status, answer.body.error?.code]).toEqual([413, "body_too_large"]);
  });
});

test("signing out ends the session and takes the cookie away", async () => {
  const { cookie, headers } = await signedIn();
  const answer = await post("/api/v1/auth/sign-out", {}, headers);
  expect(answer.cookies[0]).toStartWith("infernet-session=;");
  expect(answer.cookies[0]).toContain("Max-Age=0");
  expect(await who(cookie)).toBe(401);
  const [entry] = await on.database.db.query("SELECT action, actor FROM audit_log ORDER BY seq DESC LIMIT 1");
  expect(entry).toEqual(["session.revoked", expect.stringMatching(/^user\//)]);
});

test("what admins may do is for admins, and done in their name", async () => {
  const [anna, bert] = [await signedIn(), await signedIn("bert@example.org")];
  expect((await post("/api/v1/admin/users", "", { cookie: bert.cookie }, "GET")).body.error?.code).toBe("role_missing");
  expect((await post("/api/v1/admin/users", { email: "eve@example.org" }, bert.headers)).status).toBe(403);
  const made = await post("/api/v1/admin/users", { email: "carl@example.org", roles: ["client"] }, anna.headers);
  expect(made.status).toBe(200);
  expect(made.body.link).toMatch(/\/password#/);
  const listed = await post("/api/v1/admin/users", "", { cookie: anna.cookie }, "GET");
  expect(JSON.stringify(listed.body)).toContain("carl@example.org");
  expect(JSON.stringify(listed.body)).not.toContain("argon2");
  const [entry] = await on.database.db.query(
    "SELECT actor FROM audit_log WHERE action = 'user.created' ORDER BY seq DESC",
  );
  expect(String(entry?.[0])).toMatch(/^user\/user_/);
  const taken = await post("/api/v1/admin/users", { email: "CARL@example.org" }, anna.headers);
  expect([taken.status, taken.body.error?.code]).toEqual([409, "conflict"]);
  const wrong = await post("/api/v1/admin/users", { email: "x", roles: ["king"] }, anna.headers);
  expect([wrong.status, wrong.body.error?.code]).toEqual([400, "invalid_value"]);
});

test("a role that is taken away is gone at the next request", async () => {
  const { people, admin } = on.human;
  const hash = await people.passwords.hash(PASSWORD);
  const user = {
    email: "dora@example.org",
    name: "Dora",
    passwordHash: hash.ok ? hash.value : null,
    roles: ["admin"] as const,
  };
  await people.db.writer.transact((tx) => insertUser(tx, people, user, LOCAL_CALLER));
  const dora = await signedIn("dora@example.org");
  expect((await post("/api/v1/admin/users", "", { cookie: dora.cookie }, "GET")).status).toBe(200);
  await admin.setUserRoles({ user: "dora@example.org", roles: ["client"] });
  expect((await post("/api/v1/admin/users", "", { cookie: dora.cookie }, "GET")).status).toBe(401);
  const again = await signedIn("dora@example.org");
  expect((await post("/api/v1/admin/users", "", { cookie: again.cookie }, "GET")).status).toBe(403);
});

test("wrong passwords get one answer, and a time to wait once there were many", async () => {
  const wrong = (email: string) => post("/api/v1/auth/sign-in", { email, password: "wrong password" });
  const [known, unknown] = [await wrong("bert@example.org"), await wrong("nobody@example.org")];
  expect(known.body).toEqual(unknown.body);
  expect([known.status, known.cookies]).toEqual([401, []]);
  for (let i = 0; i < 10; i += 1) await wrong("nobody@example.org");
  const response = await fetch(`${on.server.url}/api/v1/auth/sign-in`, {
    method: "POST",
    body: JSON.stringify({ email: "nobody@example.org", password: PASSWORD }),
  });
  expect([response.status, response.headers.get("retry-after")]).toEqual([429, "900"]);
});

describe("cookies", () => {
  const request = (host: string, cookie = "") => new Request("http://x/", { headers: { host, cookie } });
  const behindProxy = { tls: false, publicUrl: "https://infer.example" };

  test("are bound to the host and to TLS where there is TLS", () => {
    expect(isSecure({ tls: true, publicUrl: null }, request("a"))).toBe(true);
    expect(isSecure(behindProxy, request("infer.example"))).toBe(true);
    expect(isSecure(behindProxy, request("127.0.0.1:46337"))).toBe(false);
    expect(isSecure({ tls: false, publicUrl: "http://infer.example" }, request("infer.example"))).toBe(false);
    const set = setCookie(behindProxy, request("infer.example"), "session", "v", 60);
    expect(set).toBe("__Host-infernet-session=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
  });

  test("that another name smuggled in are not read on TLS", () => {
    const sent = "infernet-session=evil; x__Host-infernet-session=evil; __Host-infernet-session=good";
    expect(readCookie(behindProxy, request("infer.example", sent), "session")).toBe("good");
    expect(readCookie(behindProxy, request("infer.example", "infernet-session=evil"), "session")).toBeNull();
  });
});

test("an account's keys are made, rotated and revoked by its owner, and nobody else's by anybody", async () => {
  const anna = await signedIn();
  const bert = await signedIn("bert@example.org");
  const made = await post("/api/v1/account/keys", { name: "mine", spend_day: 5_000_000 }, bert.headers);
  expect(made.status).toBe(200);
  const key = String(made.body.key);
  const mine = String((bert.answer.body.account as { id: string }).id);
  const works = async (token: string) =>
    (await fetch(`${on.server.url}/api/v1/key`, { headers: { authorization: `Bearer ${token}` } })).status === 200;
  expect(await works(key)).toBe(true);
  const listed = await post("/api/v1/account/keys", "", bert.headers, "GET");
  expect(listed.body).toMatchObject({
    keys: [{ id: made.body.id, account: mine, name: "mine", spend_day: 5_000_000 }],
  });
  expect((await post("/api/v1/account/keys", "", anna.headers, "GET")).body).toMatchObject({ keys: [] });
  for (const act of ["rotate", "revoke"]) {
    const path = `/api/v1/account/keys/${made.body.id}/${act}`;
    expect((await post(path, { account: mine }, anna.headers)).status).toBe(404);
  }
  expect((await post("/api/v1/account/keys", { name: "x", account: "local" }, bert.headers)).status).toBe(200);
  expect((await post("/api/v1/account/keys", "", bert.headers, "GET")).body.keys).toHaveLength(2);
  expect((await post("/api/v1/account/keys", { name: "w", role: "operator" }, bert.headers)).status).toBe(403);
  expect((await post("/api/v1/account/keys", { name: "p", pools: ["team"] }, bert.headers)).status).toBe(403);
  const rotated = await post(`/api/v1/account/keys/${made.body.id}/rotate`, { overlap_s: 0 }, bert.headers);
  expect(rotated.status).toBe(200);
  expect(await works(key)).toBe(false);
  const next = String(rotated.body.key);
  expect((await post(`/api/v1/account/keys/${rotated.body.id}/revoke`, {}, bert.headers)).status).toBe(200);
  expect(await works(next)).toBe(false);
});

test("where nothing can be stored any more, programs and people are told so", async () => {
  const { cookie, headers } = await signedIn();
  const { writer } = on.database.db;
  await writer.transact(async (_, execute) => execute("create table filler (text)", []));
  await writer.exclusive((connection) => connection.script("PRAGMA max_page_count = 1"));
  const insert = "insert into filler values (hex(zeroblob(?)))";
  for (const bytes of [2_000, 20, 1]) {
    let fault: unknown = null;
    while (fault === null) {
      fault = await writer.batch(insert, [[bytes]]).then(
        () => null,
        (error: unknown) => error,
      );
    }
    expect(fault).toBeInstanceOf(StorageError);
  }
  const body = { name: "o".repeat(64) };
  let refused: Answer | null = null;
  for (let i = 0; i < 500 && refused === null; i++) {
    const answer = await post("/api/v1/organisations", body, headers);
    if (answer.status >= 500) refused = answer;
  }
  expect(refused).toMatchObject({ status: 503, body: { error: { code: "storage_failed" } } });
  const page = await fetch(`${on.server.url}/organisations/new`, {
    method: "POST",
    headers: { ...headers, cookie, "hx-request": "true", "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(body),
  });
  expect([page.status, await page.text()]).toEqual([
    503,
    expect.stringContaining("full, nothing of this write was kept"),
  ]);
  await writer.exclusive((connection) => connection.script("PRAGMA max_page_count = 1000000"));
});
