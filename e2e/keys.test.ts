// The keys' pages in a real browser: a key made, used, rotated and revoked; by the keyboard alone where it is the core.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import type { Instance } from "./harness/instance.ts";
import { Person } from "./harness/person.ts";
import { ADMIN, expectWhole, expectWholeEverywhere, firstAdmin, follow, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let admin: Person;
let shots: string;
let keys: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  coordinator = await stage.start({ mode: "coordinator" });
  admin = await firstAdmin(coordinator);
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
  keys = `${coordinator.url}/keys`;
  await stage.node(coordinator, [stage.backend().url]);
  await stage.served(coordinator, "scripted-model");
});
afterAll(() => stage.close());

const statusWith = async (key: string): Promise<number> =>
  (await fetch(`${coordinator.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;

test("without a key it says what keys are for; the form is whole, and keeps what was typed", async () => {
  const cleo = await newcomer("cleo@example.org");
  await expectWholeEverywhere(browser, keys, cleo, { shots, name: "keys-empty" });
  await expectWholeEverywhere(browser, `${keys}/new`, admin, { shots, name: "key-new" });
  const { context, page, complaints } = await visit(browser, keys, cleo);
  await page.goto(keys);
  await follow(page.getByRole("link", { name: "New key" }));
  await page.getByLabel("Name").fill("laptop");
  await page.getByLabel("Spending a day, $").fill("much");
  await page.getByRole("button", { name: "Make key" }).click();
  await page.locator("#spend_day[aria-invalid=true]").waitFor();
  expect(await page.getByLabel("Name").inputValue()).toBe("laptop");
  await expectWhole(page, `${shots}/key-new-wrong.png`);
  // The browser tells of the refused form's status itself.
  expect(complaints.filter((complaint) => !complaint.includes("422"))).toEqual([]);
  await context.close();
});

test("with the keyboard alone: a key is made, shown once, and works", async () => {
  const { context, page, complaints } = await visit(browser, keys, admin);
  await page.goto(`${keys}/new`);
  await page.locator("input:focus").waitFor();
  await page.keyboard.type("laptop");
  await page.getByLabel("Spending in all, $").focus();
  await page.keyboard.type("12.50");
  await page.keyboard.press("Enter");
  const secret = ((await page.locator("#new-key").textContent()) ?? "").trim();
  expect(await statusWith(secret)).toBe(200);
  expect(await page.locator("#example-curl").textContent()).toContain(secret);
  await expectWhole(page, `${shots}/key-shown.png`);
  await follow(page.getByRole("link", { name: "See its limits" }));
  await page.locator("text=$0.00 of $12.50").waitFor();
  await expectWholeEverywhere(browser, page.url(), admin, { shots, name: "key" });
  expect(complaints).toEqual([]);
  await context.close();
});

test("it is rotated: the old one goes on for as long as was chosen", async () => {
  const { context, page, complaints } = await visit(browser, keys, admin);
  await page.goto(keys);
  await follow(page.getByRole("link", { name: "laptop" }));
  await page.getByLabel("The old key stays good").selectOption("One more hour");
  await page.getByRole("button", { name: "Rotate key" }).click();
  const secret = ((await page.locator("#new-key").textContent()) ?? "").trim();
  expect(await statusWith(secret)).toBe(200);
  await page.locator("text=The old key ends").waitFor();
  await page.goto(keys);
  expect(await page.locator("tbody tr", { hasText: "laptop" }).count()).toBe(2);
  expect(complaints).toEqual([]);
  await context.close();
});

test("it is revoked by its name; names are text", async () => {
  const hostile = '<img src=x onerror="window.hit=1">\u202e';
  const made = await admin.post("/api/v1/account/keys", { name: hostile, spend_day: 0 });
  const { context, page, complaints } = await visit(browser, keys, admin);
  await expectWholeEverywhere(browser, keys, admin, { shots, name: "keys" });
  await page.goto(keys);
  const row = page.locator("tbody tr", { hasText: "<img" });
  await row.getByRole("button").click();
  const dialog = page.locator("#confirm");
  await dialog.getByRole("textbox").fill('<img src=x onerror="window.hit=1">');
  await dialog.getByRole("button", { name: "Revoke key" }).click();
  await page.locator(".toast", { hasText: "Key revoked" }).waitFor();
  await row.waitFor({ state: "detached" });
  await waitFor("the key to be refused", async () => (await statusWith(String(made.body.key))) === 401);
  await page.getByLabel("State").selectOption("Ended");
  await page.locator("tbody tr", { hasText: "<img" }).waitFor();
  expect(await page.evaluate("window.hit")).toBeUndefined();
  expect(complaints).toEqual([]);
  await context.close();
});

test("the app is installed: its worker shows a page without a connection, and keeps nobody's", async () => {
  const { context, page } = await visit(browser, keys, admin);
  await page.goto(keys);
  await page.evaluate("navigator.serviceWorker.ready.then(() => 1)");
  await page.reload();
  const kept =
    "caches.keys().then((names) => Promise.all(names.map((name) => caches.open(name).then((cache) => cache.keys()))))";
  const paths = (await page.evaluate(
    `${kept}.then((all) => all.flat().map(({ url }) => new URL(url).pathname))`,
  )) as string[];
  expect(paths.map((path) => path.replace(/\.[0-9a-f]{12}\./, "."))).toEqual([
    "/offline",
    "/assets/infernet.css",
    "/assets/icons.svg",
  ]);
  await context.setOffline(true);
  await page.goto(keys);
  await page.locator("text=This instance is not reached now").waitFor();
  await expectWhole(page, `${shots}/offline.png`);
  await context.setOffline(false);
  await page.goto(keys);
  expect(await page.locator("h1").textContent()).toBe("Keys");
  await context.close();
});

test("notifications are asked for by a click, and one tab tells of a node that asks to join", async () => {
  const { context, page } = await visit(browser, keys, admin);
  const { origin } = new URL(coordinator.url);
  await context.grantPermissions(["notifications"], { origin });
  await page.goto(`${coordinator.url}/admin`);
  await page.evaluate("navigator.serviceWorker.ready.then(() => 1)");
  await page.locator("#notify", { hasText: "Notify me" }).click();
  await page.locator("#notify[aria-pressed=true]").waitFor();
  const other = await context.newPage();
  await other.goto(keys);
  // The stream has begun: what comes from now on is news.
  await waitFor("the tab to follow", async () => (await page.evaluate('localStorage.getItem("notify-seen")')) !== null);
  const backend = stage.backend();
  await stage.start({
    mode: "node",
    config: `[node]\nname = "newcomer"\ncoordinators = [{ url = "${coordinator.url}", pubkey = "${await keyOf()}" }]\nbackends = [{ kind = "openai", url = "${backend.url}" }]\n`,
  });
  const titles =
    "navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((all) => all.map(({ title }) => title))";
  await waitFor("to be told", async () =>
    ((await page.evaluate(titles)) as string[]).includes("newcomer asks to join"),
  );
  expect(await page.evaluate(titles)).toEqual(["newcomer asks to join"]);
  await context.close();
});

/** A client who has nothing yet, signed in. */
async function newcomer(email: string): Promise<Person> {
  const { body } = await admin.post("/api/v1/admin/users", { name: "Cleo", email, roles: ["client"] });
  const link = String(body.link);
  const person = new Person(coordinator.url);
  const secret = link.slice(link.indexOf("#") + 1);
  await person.post("/api/v1/auth/password/reset", { secret, password: ADMIN.password });
  await person.signIn(email, ADMIN.password);
  return person;
}

/** The coordinator's public key. */
async function keyOf(): Promise<string> {
  const { stdout } = await stage.run(coordinator, ["status", "--json"]);
  return (JSON.parse(stdout) as { pubkey: string }).pubkey;
}
