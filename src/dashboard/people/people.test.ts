// The pages about people on the real server: what they show to whom, and that nobody does what is not theirs.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSetupLink } from "../../accounts/first-admin.ts";
import { type CoordinatorStage, coordinatorStage } from "../../http/testing/coordinator-stage.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";
import { pageFor } from "./account.ts";

const HOSTILE = `</h1><script>alert(1)</script>"'`;
let on: CoordinatorStage;
let admin: SignedIn;
let anna: SignedIn;
let bert: SignedIn;

beforeAll(async () => {
  on = await coordinatorStage();
  admin = await signedIn(on, { email: "ada@example.org", roles: ["admin", "client"] });
  anna = await signedIn(on, { email: "anna@example.org" });
  bert = await signedIn(on, { email: "bert@example.org" });
});
afterAll(() => on[Symbol.asyncDispose]());

const text = async (answer: Promise<Response>): Promise<string> => (await answer).text();
const statusOf = async (answer: Promise<Response>): Promise<number> => (await answer).status;
const htmx = { headers: { "hx-request": "true", "hx-request-type": "partial" } };
/** As a stranger's browser sends a form. */
const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  fetch(on.server.url + path, {
    method: "POST",
    redirect: "manual",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: new URLSearchParams(fields).toString(),
  });
async function organisation(owner: SignedIn, name: string): Promise<string> {
  const made = await owner.post("/organisations/new", { name });
  expect(made.status).toBe(303);
  return made.headers.get("location") ?? "";
}

describe("coming in", () => {
  const fields = { email: "anna@example.org", password: "correct horse battery" };

  test("works without script, and goes nowhere but here", async () => {
    for (const [next, to] of [
      ["/jobs?state=failed", "/jobs?state=failed"],
      ["https://evil.example", "/playground"],
      ["//evil.example", "/playground"],
      ["/.//evil.example", "/playground"],
    ] as const) {
      const answer = await form("/sign-in", { ...fields, next });
      expect([next, answer.status, answer.headers.get("location")]).toEqual([next, 303, to]);
      expect(answer.headers.getSetCookie()[0]).toContain("HttpOnly");
      const asked = await text(fetch(`${on.server.url}/sign-in?next=${encodeURIComponent(next)}`));
      expect(asked.includes("evil.example")).toBe(false);
    }
  });

  test("keeps what was typed where it was refused, but for the password", async () => {
    const answer = await form("/sign-in", {
      ...fields,
      email: 'a"><script>@example.org',
      password: "my wrong password",
    });
    const page = await answer.text();
    expect(answer.status).toBe(400);
    expect(page).toContain("a&quot;&gt;&lt;script&gt;@example.org");
    expect(page).toContain('id="email-why"');
    expect(page).not.toContain("my wrong password");
  });

  test("takes no form of another site", async () => {
    const answer = await form("/sign-in", fields, { origin: "https://evil.example" });
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([403, []]);
  });

  test("a set-up link may be pasted whole; without a good one nobody becomes an admin", async () => {
    await using fresh = await coordinatorStage();
    const link = await createSetupLink(fresh.human.people);
    const wanted = { name: "Eve", email: "eve@example.org", password: "correct horse battery" };
    const set = (secret: string) =>
      fetch(`${fresh.server.url}/setup`, {
        method: "POST",
        redirect: "manual",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ ...wanted, secret }).toString(),
      });
    const refused = await set("x".repeat(43));
    expect([refused.status, (await refused.text()).includes('value="eve@example.org"')]).toEqual([410, true]);
    const made = await set(link.ok ? link.value.link : "");
    expect([made.status, made.headers.get("location")]).toEqual([303, "/welcome"]);
    expect(await text(fetch(`${fresh.server.url}/setup`))).toContain("There is an admin already");
  });
});

test("pages without a secret of their own run our scripts and no others", async () => {
  for (const path of [
    "/setup",
    "/sign-in",
    "/sign-in/link",
    "/sign-up",
    "/sign-up/finish",
    "/password",
    "/password/forgot",
  ]) {
    const answer = await fetch(on.server.url + path);
    const page = await answer.text();
    expect([path, answer.status, answer.headers.get("referrer-policy")]).toEqual([path, 200, "same-origin"]);
    expect(page).not.toMatch(/ style=| on[a-z]+=|<script(?! src="\/assets\/)/);
  }
});

describe("an account", () => {
  test("shows names as text", async () => {
    await anna.post("/account/name", { name: HOSTILE });
    const page = await text(anna.get("/account"));
    expect(page).not.toContain("<script>alert");
    expect(page).toContain("&lt;script&gt;alert(1)");
  });

  test("ends no session of others", async () => {
    const mine = await text(bert.get("/account"));
    const session = /id="(ses_[0-9a-f]+)"/.exec(mine)?.[1] ?? "";
    expect(session).not.toBe("");
    expect(await statusOf(anna.post(`/account/sessions/${session}/revoke`))).toBe(404);
    expect(await statusOf(bert.get("/account"))).toBe(200);
  });

  test("acts for no account that it is not in", async () => {
    expect(await statusOf(anna.post("/account/switch", { account: bert.accountId }))).toBe(404);
    expect(await statusOf(anna.post("/account/switch", { account: "local" }))).toBe(404);
  });

  test("is what a page does things for: one that was opened for another does nothing any more", async () => {
    const zoe = await signedIn(on, { email: "zoe@example.org" });
    const path = await organisation(zoe, "Zoe & Co");
    const account = path.slice(path.lastIndexOf("/") + 1);
    expect(await statusOf(zoe.post("/account/switch", { account }))).toBe(303);
    expect(await text(zoe.post("/keys", { name: "for whom" }))).toContain("csrf_failed");
    expect(await text(zoe.get("/keys"))).not.toContain("for whom");
    // Nor is it told what happens in this one.
    expect(await text(zoe.get("/live/notices"))).toContain("csrf_failed");
  });

  test("shows the secret of webhooks to owners only, and only when asked", async () => {
    expect(await text(anna.get("/account"))).not.toContain("whsec_");
    expect(await text(anna.post("/account/webhook-secret"))).toContain("whsec_");
    const member = await signedIn(on, { email: "member@example.org", member: true });
    const refused = await member.post("/account/webhook-secret");
    expect([refused.status, (await refused.text()).includes("whsec_")]).toEqual([403, false]);
  });

  test("says to script in a toast what went wrong with a button", async () => {
    const answer = await anna.post("/account/sessions/ses_none/revoke", {}, htmx);
    expect([answer.status, answer.headers.get("hx-reswap")]).toEqual([404, "none"]);
    expect(answer.headers.get("hx-trigger")).toContain("no such session");
  });

  test("goes on, after a switch, to what the other account has too", () => {
    for (const [next, to] of [
      ["/jobs", "/jobs"],
      ["/jobs/019aa", "/jobs"],
      ["/keys/key_1", "/keys"],
      ["/organisations/org_1", "/account"],
      ["/admin/people?q=a", "/admin/people?q=a"],
      ["//evil.example", "/account"],
      [undefined, "/account"],
    ] as const) {
      expect([next, pageFor(next)]).toEqual([next, to]);
    }
  });
});

describe("an organisation", () => {
  test("is there for its members and for admins, and for nobody else", async () => {
    const path = await organisation(anna, HOSTILE);
    expect(await text(anna.get(path))).not.toContain("<script>alert");
    expect(await text(admin.get(path))).toContain("you see it as an admin");
    const [hidden, none] = [await bert.get(path), await bert.get("/organisations/org_none")];
    expect([hidden.status, none.status]).toEqual([404, 404]);
    const bare = (page: string) => page.replaceAll(/\/organisations\/\w+|key="[^"]+"/g, "");
    expect(bare(await hidden.text())).toBe(bare(await none.text()));
    for (const act of ["name", "members", "members/remove", "leave", "invitations", "invitations/x/revoke"]) {
      const refused = await bert.post(`${path}/${act}`, { name: "x", user: "x", role: "owner" });
      expect([act, refused.status]).toEqual([act, 404]);
    }
    expect(await statusOf(bert.get(`/organisations/${anna.accountId}`))).toBe(404);
  });

  test("is changed by owners; members look on", async () => {
    const path = await organisation(anna, "Initech");
    const invited = await text(anna.post(`${path}/invitations`, {}));
    const link = /http[^<"]*\/sign-up#[\w-]{43}|https:[^<"]*#[\w-]{43}/.exec(invited)?.[0] ?? "";
    expect(await text(bert.get("/sign-up"))).toContain("You are invited");
    const joined = await bert.post("/account/join", { invitation: link });
    expect([joined.status, joined.headers.get("location")]).toEqual([303, "/account?news=joined"]);
    const page = await text(bert.get(path));
    expect(page).toContain("anna@example.org");
    for (const part of ["Make a link", "Rename", "Make owner"])
      expect([part, page.includes(part)]).toEqual([part, false]);
    for (const act of ["name", "members", "members/remove", "invitations"]) {
      expect([
        act,
        await statusOf(bert.post(`${path}/${act}`, { name: "Mine", user: "user_1", role: "owner" })),
      ]).toEqual([act, 403]);
    }
    // The link is used up.
    expect(await statusOf(bert.post("/account/join", { invitation: link }))).toBe(410);
  });

  test("is mended by an admin who is not in it", async () => {
    const path = await organisation(anna, "Globex");
    const page = await text(admin.get(path));
    expect(page).toContain("Make a link");
    expect(await text(admin.post(`${path}/invitations`, {}))).toContain("Send this link");
    const owner = /id="(user_[0-9a-f]+)"/.exec(page)?.[1] ?? "";
    const kept = await admin.post(`${path}/members/remove`, { user: owner }, htmx);
    expect([kept.status, kept.headers.get("hx-trigger")?.includes("last owner")]).toEqual([409, true]);
  });
});

describe("people, for admins", () => {
  test("a user is made with a link that is shown once, and found by how a name begins", async () => {
    const made = await text(admin.post("/admin/people", { email: "carl@example.org", name: HOSTILE, role: "client" }));
    expect(made).toMatch(/https:\/\/infer\.example\/password#[\w-]{43}/);
    expect(made).not.toContain("<script>alert");
    const found = await text(admin.get("/admin/people?q=CARL"));
    expect(found).toContain("carl@example.org");
    expect(found).not.toContain("bert@example.org");
    expect(found).not.toContain("/password#");
  });

  test("what is wrong with a form is said, and nothing of it is lost", async () => {
    const taken = await admin.post("/admin/people", { email: "bert@example.org", name: "B", role: "operator" });
    const page = await taken.text();
    expect([taken.status, page.includes("is a user already")]).toEqual([409, true]);
    expect(page).toMatch(/value="operator" checked/);
    expect(await statusOf(admin.post("/admin/people", { email: "dora@example.org" }))).toBe(422);
    const unknown = await admin.post("/admin/people/invitations", { role: "client", organisation: "org_none" });
    expect(await unknown.text()).toContain('id="organisation-why"');
    const key = await admin.post("/admin/people/keys", { name: "k", spend_day: "much" });
    expect(await key.text()).toContain('id="spend_day-why"');
  });

  test("the last admin is not shut out", async () => {
    const page = await text(admin.get("/admin/people?q=ada"));
    const id = /users\/(user_[0-9a-f]+)/.exec(page)?.[1] ?? "";
    const refused = await admin.post(`/admin/people/users/${id}/disable`, {}, htmx);
    expect([refused.status, refused.headers.get("hx-trigger")?.includes("last admin")]).toEqual([409, true]);
    expect(await statusOf(admin.get("/admin/people/users/user_0"))).toBe(404);
  });

  test("a cursor that is none of ours begins at the start", async () => {
    for (const tab of ["", "/invitations", "/organisations", "/keys"]) {
      for (const cursor of ["older:1:x", "newer:99999999999999999999:x", "' OR 1=1", "older:1:"]) {
        expect([
          tab,
          cursor,
          await statusOf(admin.get(`/admin/people${tab}?cursor=${encodeURIComponent(cursor)}`)),
        ]).toEqual([tab, cursor, 200]);
      }
    }
  });
});
