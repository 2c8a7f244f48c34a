// People on the compiled executable: the first admin, signing up and in, what is refused, mail, a provider, and nodes
// that belong to accounts.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { startTestProvider } from "../src/accounts/testing/oidc-provider.ts";
import type { Output } from "../src/admin/operations.ts";
import { openBrowser, openPage } from "./harness/browser.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { Person } from "./harness/person.ts";
import { startSmtpServer } from "./harness/smtp-server.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const PASSWORD = "correct horse";
const ADMIN = "anna@example.org";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const secretOf = (link: unknown) => String(link).trim().split("#")[1] ?? "";
const setupFile = ({ dataDirectory }: Instance) => join(dataDirectory, "setup-link");
const users = <T>(on: Instance, ...args: string[]) =>
  commandJson<T>(stage.executable, on.dataDirectory, ["users", ...args]);
type Link = { id: string; link: string };

/** A coordinator with a first admin, and that admin signed in. */
async function governed(config = ""): Promise<{ on: Instance; admin: Person }> {
  const on = await stage.start({ mode: "coordinator", config });
  const admin = new Person(on.url);
  const secret = secretOf(readFileSync(setupFile(on), "utf8"));
  const made = await admin.post("/api/v1/auth/setup", { secret, email: ADMIN, password: PASSWORD, name: "Anna" });
  expect(made.status).toBe(200);
  return { on, admin };
}
async function signedIn(on: Instance, email: string, password = PASSWORD): Promise<Person> {
  const person = new Person(on.url);
  const answer = await person.signIn(email, password);
  if (answer.status !== 200) throw new Error(`not signed in: ${answer.code}`);
  return person;
}

test("the start writes a link; whoever opens it in a browser is the first admin, and nobody after", async () => {
  const on = await stage.start({ mode: "coordinator" });
  const link = readFileSync(setupFile(on), "utf8").trim();
  expect(statSync(setupFile(on)).mode & 0o777).toBe(0o600);
  expect(link).toMatch(new RegExp(`^${on.url}/setup#[A-Za-z0-9_-]{43}$`));
  expect(on.output()).not.toContain(secretOf(link));
  const browser = await openBrowser();
  stage.onClose(() => browser.close());
  const { page, complaints } = await openPage(browser, link, {});
  // The secret is out of the address, and so of the history, before anything else happens.
  expect(page.url()).toBe(`${on.url}/setup`);
  await page.getByLabel("Name").fill("Anna");
  await page.getByLabel("Email address").fill(ADMIN);
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create the admin" }).click();
  await page.waitForURL(`${on.url}/welcome`);
  await page.goto(`${on.url}/account`);
  expect(await page.locator("main").textContent()).toContain("admin, operator, client");
  expect(complaints).toEqual([]);
  expect(existsSync(setupFile(on))).toBe(false);
  // Out, and in again, by the pages.
  await page.locator("main").getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(`${on.url}/sign-in`);
  await page.getByLabel("Email address").fill(ADMIN);
  await page.getByLabel("Password").fill("wrong password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("The email address or the password is wrong").waitFor();
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${on.url}/admin`);
  const late = await new Person(on.url).post("/api/v1/auth/setup", {
    secret: secretOf(link),
    email: "eve@example.org",
    password: PASSWORD,
  });
  expect([late.status, late.code]).toEqual([410, "link_not_valid"]);
  const again = await stage.run(on, ["users", "setup-link"]);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("there is an admin already")]);

  // A page of another origin posts a form with the browser's own cookies: nothing comes of it.
  const evil = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      new Response(
        `<form method="post" enctype="text/plain" action="${on.url}/api/v1/auth/sign-out"><button>x</button></form>`,
        { headers: { "content-type": "text/html" } },
      ),
  });
  stage.onClose(() => evil.stop(true));
  await page.goto(`${evil.url}`);
  const refused = page.waitForResponse(`${on.url}/api/v1/auth/sign-out`);
  await page.getByRole("button").click();
  expect((await refused).status()).toBe(403);
  await page.goto(`${on.url}/account`);
  expect(page.url()).toBe(`${on.url}/account`);
  await page.context().close();
});

describe("with an admin", () => {
  let on: Instance;
  let admin: Person;
  beforeAll(async () => {
    ({ on, admin } = await governed());
  });

  test("the admin owns what was there before, and the commands see them", async () => {
    expect((await admin.get("/api/v1/account")).body).toMatchObject({
      user: { email: ADMIN, roles: ["admin", "operator", "client"] },
      account: { id: "local", role: "owner" },
    });
    const listed = await users<Output<"listUsers">>(on, "list");
    expect(listed.users.map(({ email }) => email)).toEqual([ADMIN]);
  });

  test("whoever has an invitation signs up, once; nobody else does", async () => {
    const visitor = new Person(on.url);
    const asked = await visitor.post("/api/v1/auth/sign-up", { email: "bert@example.org", password: PASSWORD });
    expect([asked.status, asked.code]).toEqual([403, "invitation_needed"]);
    const { link } = await users<Link>(on, "invite", "--role", "operator", "--role", "client");
    const sign = (email: string) =>
      new Person(on.url).post("/api/v1/auth/sign-up", { email, password: PASSWORD, invitation: secretOf(link) });
    expect((await sign("bert@example.org")).body).toMatchObject({ user: { roles: ["operator", "client"] } });
    expect((await sign("eve@example.org")).code).toBe("link_not_valid");
  });

  test("a user made by a command sets a password by a link, once", async () => {
    const { link } = await users<Link>(on, "create", "carl@example.org");
    const set = (password: string) =>
      new Person(on.url).post("/api/v1/auth/password/reset", { secret: secretOf(link), password });
    expect((await set("short")).code).toBe("invalid_value");
    expect((await set(PASSWORD)).status).toBe(200);
    expect((await set("another password")).code).toBe("link_not_valid");
    await signedIn(on, "carl@example.org");
    await users(on, "disable", "carl@example.org");
    expect((await new Person(on.url).signIn("carl@example.org", PASSWORD)).code).toBe("wrong_credentials");
    await users(on, "enable", "carl@example.org");
    const reset = await users<Link>(on, "reset-password", "carl@example.org");
    const again = new Person(on.url);
    const next = { secret: secretOf(reset.link), password: "another password" };
    expect((await again.post("/api/v1/auth/password/reset", next)).status).toBe(200);
    await signedIn(on, "carl@example.org", "another password");
  });

  test("a session planted before signing in is none after it", async () => {
    const victim = new Person(on.url);
    const planted = "P".repeat(43);
    victim.jar.set("infernet-session", planted);
    expect((await victim.signIn(ADMIN, PASSWORD)).status).toBe(200);
    expect(victim.jar.get("infernet-session")).not.toBe(planted);
    const attacker = new Person(on.url);
    attacker.jar.set("infernet-session", planted);
    expect((await attacker.get("/api/v1/account")).status).toBe(401);
  });

  test("sessions are listed and ended; a new password ends the others", async () => {
    const [one, two] = [await signedIn(on, ADMIN), await signedIn(on, ADMIN)];
    const { sessions } = (await one.get("/api/v1/account/sessions")).body as {
      sessions: { id: string; current: boolean }[];
    };
    expect(sessions.filter(({ current }) => current).length).toBe(1);
    expect((await one.post("/api/v1/account/sessions/revoke-others")).status).toBe(200);
    expect((await two.get("/api/v1/account")).status).toBe(401);
    const three = await signedIn(on, ADMIN);
    const changed = await one.post("/api/v1/auth/password", { current: PASSWORD, password: "a new password" });
    expect(changed.status).toBe(200);
    expect((await one.get("/api/v1/account")).status).toBe(200);
    expect((await three.get("/api/v1/account")).status).toBe(401);
    await one.post("/api/v1/auth/password", { current: "a new password", password: PASSWORD });
  });

  test("wrong passwords are slowed down, alike for those who are here and those who are not", async () => {
    await users<Link>(on, "create", "dora@example.org");
    for (const email of ["dora@example.org", "nobody@example.org"]) {
      const codes: (string | null)[] = [];
      for (let i = 0; i < 12; i += 1) codes.push((await new Person(on.url).signIn(email, "wrong password")).code);
      expect(codes).toEqual([...Array<string>(10).fill("wrong_credentials"), "too_many_attempts", "too_many_attempts"]);
    }
  });

  test("what people did is in the audit log, and no secret with it", async () => {
    const { link } = await users<Link>(on, "invite");
    const database = new Database(join(on.dataDirectory, "infernet.db"));
    const log = JSON.stringify(database.query("SELECT * FROM audit_log").all());
    database.close();
    for (const action of [
      "user.created",
      "user.disabled",
      "session.created",
      "session.revoked",
      "invitation.created",
    ]) {
      expect(log).toContain(`"${action}"`);
    }
    for (const action of ["user.password_reset", "user.password_changed", "login.failed_throttled"]) {
      expect(log).toContain(`"${action}"`);
    }
    expect(log).not.toContain("argon2");
    expect(log).not.toContain(secretOf(link));
  });
});

test("open sign-up takes everybody, and closed nobody; neither tells who is there", async () => {
  const { on } = await governed('[accounts]\nsignup = "open"\n');
  const sign = (email: string) =>
    new Person(on.url).post("/api/v1/auth/sign-up", { email, password: "another password" });
  expect((await sign("bert@example.org")).body).toEqual({ next: "sign_in" });
  expect((await sign(ADMIN)).body).toEqual({ next: "sign_in" });
  await signedIn(on, "bert@example.org", "another password");
  expect((await new Person(on.url).signIn(ADMIN, "another password")).code).toBe("wrong_credentials");
  const closed = await stage.start({ mode: "coordinator", config: '[accounts]\nsignup = "closed"\n' });
  const refused = await new Person(closed.url).post("/api/v1/auth/sign-up", { email: ADMIN, password: PASSWORD });
  expect([refused.status, refused.code]).toEqual([403, "sign_up_closed"]);
});

test("with a mail server, forgotten passwords and sign-ups go by mail", async () => {
  const smtp = startSmtpServer();
  stage.onClose(() => smtp.close());
  const { on } = await governed(
    `[accounts]\nsignup = "open"\nsmtp_url = "${smtp.url}"\nmail_from = "infernet <infernet@example.org>"\n`,
  );
  const visitor = new Person(on.url);
  const forgot = (email: string) => visitor.post("/api/v1/auth/password/forgot", { email });
  expect((await forgot("nobody@example.org")).body).toEqual({ next: "mail" });
  expect((await forgot(ADMIN)).body).toEqual({ next: "mail" });
  const secret = /\/password#([A-Za-z0-9_-]{43})/.exec(await smtp.next(ADMIN))?.[1] ?? "";
  const reset = (password: string) => new Person(on.url).post("/api/v1/auth/password/reset", { secret, password });
  expect((await reset("a new password")).status).toBe(200);
  expect((await reset("and once more")).code).toBe("link_not_valid");
  await signedIn(on, ADMIN, "a new password");
  for (const email of ["bert@example.org", ADMIN]) {
    expect((await visitor.post("/api/v1/auth/sign-up", { email })).body).toEqual({ next: "mail" });
  }
  expect(await smtp.next(ADMIN)).toContain("already");
  const link = /\/sign-up\/finish#([A-Za-z0-9_-]{43})/.exec(await smtp.next("bert@example.org"))?.[1] ?? "";
  const finished = await visitor.post("/api/v1/auth/sign-up/finish", {
    secret: link,
    name: "Bert",
    password: PASSWORD,
  });
  expect(finished.body).toMatchObject({ user: { email: "bert@example.org", name: "Bert" } });
  expect(smtp.mails.some(({ to }) => to === "nobody@example.org")).toBe(false);
});

test("signing in with a provider: new people as sign-up allows, known addresses with their password once", async () => {
  // Where the browser is sent back to; the test takes it to where the instance really is.
  const publicUrl = "http://infer.test";
  const provider = await startTestProvider([`${publicUrl}/api/v1/auth/oidc/test/callback`]);
  stage.onClose(() => provider.close());
  const { on } = await governed(
    [
      `[server]\npublic_url = "${publicUrl}"`,
      '[accounts]\nsignup = "open"',
      `oidc = [{ name = "test", issuer = "${provider.issuer}", client_id = "infernet", client_secret = "${provider.clientSecret}" }]\n`,
    ].join("\n"),
  );
  const come = async (person: Person, login: string, as = person, next?: string) => {
    const wish = next === undefined ? "" : `?${new URLSearchParams({ next })}`;
    const begun = await person.get(`/api/v1/auth/oidc/test${wish}`);
    const back = await provider.signIn(`${begun.location}`, login);
    return await as.get(`${back.pathname}${back.search}`);
  };
  const bert = new Person(on.url);
  expect((await come(bert, "bert")).location).toBe("/playground");
  expect((await bert.get("/api/v1/account")).body).toMatchObject({
    user: { email: "bert@example.org", roles: ["client"], has_password: false },
  });
  // Back to the page that was wanted, where it is one of ours.
  for (const [next, to] of [
    ["/jobs?state=failed", "/jobs?state=failed"],
    ["//elsewhere.example", "/playground"],
    ["https://elsewhere.example/jobs", "/playground"],
    ["/.//elsewhere.example", "/playground"],
    [`/jobs?q=${"a".repeat(3_000)}`, "/playground"],
  ] as const) {
    const person = new Person(on.url);
    expect([next, (await come(person, "bert", person, next)).location]).toEqual([next, to]);
  }
  // What one browser began does not end in another.
  const thief = new Person(on.url);
  expect((await come(new Person(on.url), "carl", thief)).status).toBe(400);
  expect(thief.jar.has("infernet-session")).toBe(false);
  const anna = new Person(on.url);
  expect((await come(anna, "anna", anna, "/usage")).location).toBe("/sign-in/link?next=%2Fusage");
  expect((await anna.get("/api/v1/account")).status).toBe(401);
  const prove = (password: string) => anna.post("/api/v1/auth/oidc/prove", { password });
  expect((await prove("wrong password")).code).toBe("wrong_credentials");
  expect((await prove(PASSWORD)).body).toMatchObject({ user: { email: ADMIN } });
  const again = new Person(on.url);
  expect((await come(again, "anna")).location).toBe("/admin");
  expect((await again.get("/api/v1/account")).body).toMatchObject({ user: { email: ADMIN } });
  const log = on.output();
  expect(log).not.toContain(provider.clientSecret);
});

test("a node belongs to the account whose code its operator signs, until it is unlinked", async () => {
  const { on, admin } = await governed();
  const backend = stage.backend();
  const node = await stage.node(on, [backend.url]);
  await stage.served(on, backend.model);
  const { link } = await users<Link>(on, "invite");
  const bert = new Person(on.url);
  await bert.post("/api/v1/auth/sign-up", {
    email: "bert@example.org",
    password: PASSWORD,
    invitation: secretOf(link),
  });
  const codeOf = async (person: Person) => String((await person.post("/api/v1/account/nodes/link")).body.code);
  const nodesOf = async (person: Person) =>
    (await person.get("/api/v1/account/nodes")).body.nodes as { pubkey: string }[];
  const code = await codeOf(bert);
  const linked = await stage.run(node, ["link-account", code]);
  expect([linked.code, linked.stderr]).toEqual([0, expect.stringContaining("unlink-account")]);
  const [mine] = await nodesOf(bert);
  expect(linked.stdout).toContain("belongs to bert@example.org");
  expect(await nodesOf(admin)).toEqual([]);
  const second = await stage.run(node, ["link-account", code]);
  expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("used already")]);
  const other = await stage.run(node, ["link-account", await codeOf(admin)]);
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("another account")]);
  const nonsense = await stage.run(node, ["link-account", "inflink_nonsense"]);
  expect(nonsense.code).toBe(2);
  const unlinked = await bert.post("/api/v1/account/nodes/unlink", { pubkey: mine?.pubkey ?? "" });
  expect(unlinked.status).toBe(200);
  expect((await nodesOf(admin)).map(({ pubkey }) => pubkey)).toEqual([mine?.pubkey ?? ""]);
});
