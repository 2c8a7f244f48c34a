// People in a real browser: the first run, coming in, one's own account, organisations, and what admins see of them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import type { Instance } from "./harness/instance.ts";
import { Person } from "./harness/person.ts";
import { ADMIN, expectWhole, firstAdmin, follow, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const PASSWORD = "correct horse battery";
let stage: Stage;
let browser: Browser;
let on: Instance;
let admin: Person;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  on = await stage.start({ mode: "coordinator" });
  admin = await firstAdmin(on);
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(() => stage.close());

/** A page for one person; what it complains of is looked at when it is closed. */
async function as<T>(person: Person | null, act: (page: Page) => Promise<T>, allowed = /^$/): Promise<T> {
  const { context, page, complaints } = await visit(browser, on.url, person);
  const result = await act(page);
  expect(complaints.filter((text) => !allowed.test(text))).toEqual([]);
  await context.close();
  return result;
}
/** Browsers complain of answers that refuse. */
const REFUSED = /status of 4\d\d/;

/** A new user, by an admin's link. */
async function user(email: string, roles = ["client"], name = email): Promise<Person> {
  const made = await admin.post("/api/v1/admin/users", { email, roles, name });
  const person = new Person(on.url);
  const set = await person.post("/api/v1/auth/password/reset", {
    secret: behindHash(made.body.link),
    password: PASSWORD,
  });
  if (set.status !== 200) throw new Error(`no user ${email}: ${set.code}`);
  return person;
}
const behindHash = (link: unknown): string => String(link).slice(String(link).indexOf("#") + 1);
const toast = (page: Page, text: string) => page.locator(".toast", { hasText: text }).first().waitFor();
const press = async (page: Page, ...keys: string[]) => {
  for (const key of keys) await page.keyboard.press(key);
};
/** By the keyboard alone: on to the next things until the one that is meant has the focus. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let i = 0; i < 80; i += 1) {
    if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)}) === true`)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard does not get to ${selector}`);
}

test("an empty directory becomes a first chat by the printed link, three steps and the keyboard", async () => {
  const fresh = await stage.start({ mode: "both", config: "[node]\nprobe = false\n" });
  const link = readFileSync(join(fresh.dataDirectory, "setup-link"), "utf8").trim();
  const { context, page, complaints } = await visit(browser, fresh.url, null);
  await page.goto(link);
  expect(page.url()).toBe(`${fresh.url}/setup`);
  await expectWhole(page, join(shots, "setup.png"));
  await page.locator("input:focus").waitFor();
  await page.keyboard.type("Ada");
  await press(page, "Tab");
  await page.keyboard.type("ada@example.org");
  await press(page, "Tab");
  await page.keyboard.type(PASSWORD);
  await press(page, "Enter");
  await page.waitForURL(`${fresh.url}/welcome`);
  // This machine's own node comes by itself, with the model that is built in.
  await page.locator("#start-chat").waitFor();
  expect(await page.locator("#welcome-nodes li a").count()).toBe(1);
  await expectWhole(page, join(shots, "welcome.png"));
  await tabTo(page, "#start-chat");
  await press(page, "Enter");
  await page.waitForURL(/\/playground\?model=/);
  await page.locator("main textarea").first().waitFor();
  await tabTo(page, "textarea[name=message]");
  await page.keyboard.type("What is infernet?");
  await press(page, "Enter");
  await page.locator(".answer", { hasText: /\w/ }).first().waitFor();
  expect(complaints).toEqual([]);
  // The link is good for nobody any more, and says so.
  await page.goto(`${fresh.url}/setup`);
  await page.getByText("There is an admin already").waitFor();
  await context.close();
});

test("without a node of its own, the second step waits for one live", async () => {
  const one = await stage.start({ mode: "coordinator" });
  const person = await firstAdmin(one);
  const { context, page, complaints } = await visit(browser, one.url, person);
  await page.goto(`${one.url}/welcome`);
  await page.getByText("No node is here yet").waitFor();
  await page.locator("#make-token").click();
  const command = await page.locator("#join-command").textContent();
  expect(command).toMatch(/^infernet setup --join infjoin_\S+ && infernet start$/);
  await expectWhole(page, join(shots, "welcome-join.png"));
  await stage.node(one, [stage.backend({ model: "qwen3:32b" }).url]);
  await page.locator("#start-chat").waitFor();
  expect(await page.locator("#welcome-nodes").textContent()).toContain("qwen3:32b");
  // What was shown once stays while the rest moves on.
  expect(await page.locator("#join-command").textContent()).toBe(command);
  expect(complaints).toEqual([]);
  await context.close();
});

describe("signing in", () => {
  test("takes the keyboard alone, keeps what was typed, and goes on to what was asked for", async () => {
    await as(
      null,
      async (page) => {
        await page.goto(`${on.url}/account`);
        expect(page.url()).toBe(`${on.url}/sign-in?next=%2Faccount`);
        await page.locator("input:focus").waitFor();
        await page.keyboard.type(ADMIN.email);
        await press(page, "Tab");
        await page.keyboard.type("not the password");
        await press(page, "Enter");
        await page.getByRole("alert").getByText("The email address or the password is wrong").waitFor();
        await expectWhole(page, join(shots, "sign-in-refused.png"));
        expect(await page.getByLabel("Email address").inputValue()).toBe(ADMIN.email);
        await tabTo(page, "#password");
        await page.keyboard.type(ADMIN.password);
        await press(page, "Enter");
        await page.waitForURL(`${on.url}/account`);
        // Out by the menu at the foot of the side bar.
        await tabTo(page, ".menu summary");
        await press(page, "Enter");
        await tabTo(page, ".menu form[action='/account/sign-out'] button");
        await press(page, "Enter");
        await page.waitForURL(`${on.url}/sign-in`);
      },
      REFUSED,
    );
  });

  test("goes to no other place, whatever the link says, and to each where their work is", async () => {
    const operator = "olga@example.org";
    await user(operator, ["operator", "client"]);
    await user("cleo@example.org");
    for (const [email, next, to] of [
      ["cleo@example.org", "https://evil.example/", "/playground"],
      ["cleo@example.org", "//evil.example", "/playground"],
      ["cleo@example.org", "/.//evil.example", "/playground"],
      ["cleo@example.org", "/\\evil.example", "/playground"],
      [operator, "", "/my/nodes"],
      [ADMIN.email, "/sign-in", "/admin"],
    ] as const) {
      const password = email === ADMIN.email ? ADMIN.password : PASSWORD;
      await as(null, async (page) => {
        await page.goto(`${on.url}/sign-in?next=${encodeURIComponent(next)}`);
        await page.getByLabel("Email address").fill(email);
        await page.getByLabel("Password").fill(password);
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.waitForURL((url) => url.pathname !== "/sign-in");
        expect([next, new URL(page.url()).origin, new URL(page.url()).pathname]).toEqual([next, on.url, to]);
        // Who is signed in has no use for it.
        await page.goto(`${on.url}/sign-in`);
        expect(new URL(page.url()).pathname).toBe(to);
      });
    }
  });
});

describe("one's own account", () => {
  let bert: Person;
  const at = "bert@example.org";
  beforeAll(async () => {
    bert = await user(at);
  });

  test("is renamed, and its sessions end, one or all", async () => {
    const [other, third] = [new Person(on.url), new Person(on.url)];
    await other.signIn(at, PASSWORD);
    await third.signIn(at, PASSWORD);
    await as(bert, async (page) => {
      await page.goto(`${on.url}/account`);
      await page.getByLabel("Name", { exact: true }).fill("Bert");
      await page.locator("#save-name").click();
      await toast(page, "Name saved");
      const rows = page.locator("#sessions-card tbody tr");
      expect(await rows.count()).toBe(3);
      expect(await rows.locator("text=This one").count()).toBe(1);
      await rows
        .getByRole("button", { name: /^End the session/ })
        .first()
        .click();
      await toast(page, "Session ended");
      await rows.nth(2).waitFor({ state: "detached" });
      await page.locator("#end-others").click();
      await toast(page, "All other sessions ended");
      await rows.nth(1).waitFor({ state: "detached" });
      expect((await bert.get("/api/v1/account")).body).toMatchObject({ user: { name: "Bert" } });
      expect([(await other.get("/api/v1/account")).status, (await third.get("/api/v1/account")).status]).toEqual([
        401, 401,
      ]);
    });
  });

  test("has its password changed; what is wrong is said at its field", async () => {
    await as(
      bert,
      async (page) => {
        await page.goto(`${on.url}/account`);
        await page.getByLabel("Current password").fill("not the password");
        await page.getByLabel("New password").fill("another password");
        await page.locator("#change-password").click();
        await page.getByRole("alert").getByText("The email address or the password is wrong").waitFor();
        await page.getByLabel("Current password").fill(PASSWORD);
        await page.getByLabel("New password").fill("another password");
        await page.locator("#change-password").click();
        await page.getByText("The password is changed").waitFor();
        // The page that stands now is proved: what it does counts.
        await page.getByLabel("Name", { exact: true }).fill("Berta");
        await page.locator("#save-name").click();
        await toast(page, "Name saved");
      },
      REFUSED,
    );
    expect((await new Person(on.url).signIn(at, "another password")).status).toBe(200);
    await bert.signIn(at, "another password");
  });

  test("shows the command that links a node, and the secret of its webhooks, when asked", async () => {
    await as(bert, async (page) => {
      await page.goto(`${on.url}/account`);
      expect(await page.content()).not.toContain("whsec_");
      await page.locator("#link-node").click();
      const command = page.locator("#link-command");
      await command.waitFor();
      expect(await command.textContent()).toMatch(/^infernet link-account inflink_\S+$/);
      await page.locator("#show-webhook-secret").click();
      await page.locator("#webhook-secret").waitFor();
      expect(await page.locator("#webhook-secret").textContent()).toMatch(/^whsec_/);
    });
  });
});

describe("an organisation", () => {
  test("is made, joined by a link, governed and left", async () => {
    const [emma, finn] = [
      await user("emma@example.org", ["client"], "Emma"),
      await user("finn@example.org", ["client"], "Finn"),
    ];
    const made = await as(emma, async (page) => {
      await page.goto(`${on.url}/account`);
      await follow(page.getByRole("link", { name: "New organisation" }));
      await page.getByLabel("Name").fill("Initech");
      await page.getByRole("button", { name: "Create the organisation" }).click();
      await page.getByRole("heading", { level: 1, name: "Initech" }).waitFor();
      await page.locator("#make-invitation").click();
      const link = (await page.locator("#invitation-link").textContent()) ?? "";
      await expectWhole(page, join(shots, "organisation-invited.png"));
      return { link, path: new URL(page.url()).pathname };
    });
    await as(
      finn,
      async (page) => {
        const { path } = made;
        const hidden = await page.goto(on.url + path);
        expect(hidden?.status()).toBe(404);
        // Whoever is here already joins by the same link.
        await page.goto(made.link);
        await follow(page.getByRole("button", { name: "Join" }));
        await page.getByText("You joined").waitFor();
        // By the side bar: whoever is in two accounts says for which they act.
        await page.locator(".menu summary").click();
        await page.locator(".menu").getByRole("button", { name: "Act for Initech" }).click();
        await page.locator(".menu summary", { hasText: "Initech" }).waitFor();
        await page.goto(on.url + path);
        await page.getByText("You act for it now").waitFor();
        // A member looks on.
        expect(await page.locator("#make-invitation, #rename").count()).toBe(0);
      },
      REFUSED,
    );
    await as(
      emma,
      async (page) => {
        await page.goto(on.url + made.path);
        await page.getByRole("button", { name: "Make owner: finn@example.org" }).click();
        await toast(page, "Role changed");
        await page.getByRole("button", { name: "Make member: finn@example.org" }).click();
        await page.getByRole("button", { name: "Make owner: finn@example.org" }).waitFor();
        await page.getByRole("button", { name: "Remove finn@example.org" }).click();
        const sure = page.locator("dialog button[value=yes]");
        expect(await sure.isDisabled()).toBe(true);
        await page.locator("dialog input").fill("finn@example.org");
        await sure.click();
        await toast(page, "Removed");
        await page.locator("#members-card tbody tr").nth(1).waitFor({ state: "detached" });
        // The last owner stays.
        await page.locator("#leave").click();
        await page.locator("dialog input").fill("Initech");
        await sure.click();
        await toast(page, "keeps one owner");
        expect(page.url()).toBe(on.url + made.path);
      },
      REFUSED,
    );
  });
});

describe("an admin", () => {
  test("invites somebody by the keyboard, who signs up by the link", async () => {
    const link = await as(admin, async (page) => {
      await page.goto(`${on.url}/admin/people/invitations`);
      await tabTo(page, "#email");
      await page.keyboard.type("gina@example.org");
      await tabTo(page, "input[name=role][value=operator]");
      await press(page, "Space");
      await tabTo(page, "#make-invitation");
      await press(page, "Enter");
      await page.locator("#invitation-link").waitFor();
      await expectWhole(page, join(shots, "invited.png"));
      return (await page.locator("#invitation-link").textContent()) ?? "";
    });
    await as(
      null,
      async (page) => {
        await page.goto(link);
        expect(page.url()).toBe(`${on.url}/sign-up`);
        await page.getByLabel("Name").fill("Gina");
        await page.getByLabel("Email address").fill("gina@example.org");
        await page.getByLabel("New password").fill(PASSWORD);
        await expectWhole(page, join(shots, "sign-up-invited.png"));
        await page.getByRole("button", { name: "Sign up" }).click();
        await page.waitForURL(`${on.url}/my/nodes`);
      },
      REFUSED,
    );
    await as(
      null,
      async (page) => {
        await page.goto(link);
        await page.getByLabel("Name").fill("Eve");
        await page.getByLabel("Email address").fill("eve@example.org");
        await page.getByLabel("New password").fill(PASSWORD);
        await page.getByRole("button", { name: "Sign up" }).click();
        await page.getByRole("alert").getByText("This link was used already").waitFor();
        expect(await page.getByLabel("Name").inputValue()).toBe("Eve");
      },
      REFUSED,
    );
  });

  test("makes a user, finds them, changes what they may do, and shuts them out by name", async () => {
    const hugo = "hugo@example.org";
    const link = await as(
      admin,
      async (page) => {
        await page.goto(`${on.url}/admin/people`);
        await page.getByLabel("Email address").fill(ADMIN.email);
        await page.locator("#create-user").click();
        await page.getByRole("alert").getByText("is a user already").waitFor();
        expect(await page.getByLabel("Email address").inputValue()).toBe(ADMIN.email);
        await page.getByLabel("Email address").fill(hugo);
        await page.locator("#create-user").click();
        await page.locator("#user-link").waitFor();
        return (await page.locator("#user-link").textContent()) ?? "";
      },
      REFUSED,
    );
    const person = new Person(on.url);
    await person.post("/api/v1/auth/password/reset", { secret: behindHash(link), password: PASSWORD });
    await as(admin, async (page) => {
      await page.goto(`${on.url}/admin/people`);
      await page.getByRole("searchbox").fill("HUGO@");
      await press(page, "Enter");
      const rows = page.locator("#users-card tbody tr");
      await page.waitForURL(/q=HUGO/);
      await rows.nth(1).waitFor({ state: "detached" });
      await rows.getByRole("link", { name: hugo }).waitFor();
      await follow(rows.getByRole("link"));
      await page.getByLabel(/^Operator/).check();
      await page.locator("#save-roles").click();
      await toast(page, "Roles saved");
      expect(await page.getByLabel(/^Operator/).isChecked()).toBe(true);
      await page.getByText("Signed in nowhere").waitFor();
      await page.locator("#disable").click();
      await page.locator("dialog input").fill(hugo);
      await page.locator("dialog button[value=yes]").click();
      await toast(page, "User disabled");
      await page.locator("#enable").waitFor();
      await page.locator("#entries-card").getByText("user.disabled").first().waitFor();
    });
    expect((await person.signIn(hugo, PASSWORD)).code).toBe("wrong_credentials");
  });

  test("makes and revokes keys of everybody", async () => {
    await user("ida@example.org");
    await as(
      admin,
      async (page) => {
        await page.goto(`${on.url}/admin/people/keys`);
        await page.getByLabel("Name", { exact: true }).fill("for ida");
        await page.getByLabel("Account", { exact: true }).fill("nobody@example.org");
        await page.getByLabel("Spending a day, $").fill("2.50");
        await page.locator("#create-key").click();
        await page.locator("#account-why").waitFor();
        expect(await page.getByLabel("Spending a day, $").inputValue()).toBe("2.50");
        await page.getByLabel("Account", { exact: true }).fill("ida@example.org");
        await page.locator("#create-key").click();
        const key = (await page.locator("#new-key").textContent()) ?? "";
        const ask = () => fetch(`${on.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
        expect((await ask()).status).toBe(200);
        const row = page.locator("#keys-card tbody tr", { hasText: "for ida" });
        expect(await row.getByRole("link").textContent()).toBe("ida@example.org");
        await row.getByRole("button", { name: "Revoke for ida" }).click();
        await page.locator("dialog input").fill("for ida");
        await page.locator("dialog button[value=yes]").click();
        await toast(page, "Key revoked");
        expect((await ask()).status).toBe(401);
      },
      REFUSED,
    );
  });

  test("leafs through many users, and back", async () => {
    for (let i = 0; i < 60; i += 1) await admin.post("/api/v1/admin/users", { email: `many${i}@example.org` });
    await as(admin, async (page) => {
      await page.goto(`${on.url}/admin/people`);
      const first = page.locator("#users-card tbody tr").first();
      await first.getByRole("link", { name: "many59@example.org" }).waitFor();
      await page.locator("#users-card-older").click();
      await page.locator("#users-card tbody tr", { hasText: ADMIN.email }).waitFor();
      await page.locator("#users-card-newer").click();
      await first.getByRole("link", { name: "many59@example.org" }).waitFor();
    });
  });
});
