// What admins govern, in a real browser: the overview under load, settings that count at once, aliases, and the audit log.

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import { type Client, client } from "./harness/client.ts";
import type { FaultBackend } from "./harness/fault-backend.ts";
import type { Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { expectWholeEverywhere, firstAdmin, follow, undoOf, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const MODEL = "qwen3-coder:30b";
/** Script, an image, text turned around, and more than a line holds. */
const HOSTILE = `<img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp.exe ${"long".repeat(12)}`;

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let backend: FaultBackend;
let admin: Person;
let ask: Client;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
  const env = { INFERNET_COORDINATOR_MAX_ATTEMPTS: "2" };
  coordinator = await stage.start({ mode: "coordinator", env, config: '[billing]\nmode = "off"\n' });
  admin = await firstAdmin(coordinator);
  const { stdout } = await stage.run(coordinator, ["keys", "create", "govern"]);
  ask = client(() => coordinator.url, stdout.trim(), MODEL);
  backend = stage.backend({ model: MODEL });
  await stage.node(coordinator, [backend.url], `[node]\nslots = 1\nname = ${JSON.stringify(HOSTILE)}`);
  await stage.served(coordinator, MODEL);
});
afterAll(() => stage.close());

const open = async (path: string) => {
  const { context, page, complaints } = await visit(browser, coordinator.url, admin);
  await page.goto(coordinator.url + path, { waitUntil: "load" });
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
};
const field = (page: Page, key: string) => page.locator(`#set-${key.replaceAll(".", "-")}-field`);
const row = (page: Page, key: string) => page.locator(`#set-${key.replaceAll(".", "-")}`);
async function save(page: Page, key: string, value: string): Promise<void> {
  await field(page, key).fill(value);
  await row(page, key).getByRole("button", { name: /^Save/ }).click();
}
const lastBody = () => backend.requests.at(-1)?.body ?? {};
const reads = (page: Page, selector: string, text: string | RegExp) =>
  page.locator(selector, { hasText: text }).first().waitFor();

test("the overview shows jobs as they come, run and end, and the nodes they run on", async () => {
  await using tab = await open("/admin");
  const { page, complaints } = tab;
  await page.locator("#stream-state.live").waitFor();
  await reads(page, "#needs-card", "Nothing waits for you");
  backend.script({ holdAfter: 2 });
  const answer = ask.readChat();
  const waiting = ask.readChat();
  await reads(page, "#recent-card tbody tr", "Running");
  await reads(page, "#recent-card tbody tr", "Queued");
  await reads(page, "#figures", "1 in the queue");
  await reads(page, "#queue-card", `${MODEL}1 of 256`);
  await reads(page, "#nodes-card .tile", "Full");
  backend.script({ holdAfter: null });
  backend.release();
  await Promise.all([answer, waiting]);
  await reads(page, "#figures", "0 of 2 jobs, last hour");
  await reads(page, "#recent-card tbody", /Done[\s\S]*Done/);
  await follow(page.getByRole("link", { name: "24 h" }));
  await page.locator("#tps-24h").waitFor();
  expect(complaints).toEqual([]);
});

test("what needs an admin comes and goes by itself, with where to deal with it", async () => {
  await using tab = await open("/admin");
  const { page, complaints } = tab;
  const { stdout } = await stage.run(coordinator, ["nodes", "list", "--json"]);
  const node = (JSON.parse(stdout) as { nodes: { pubkey: string }[] }).nodes[0]?.pubkey ?? "";
  // Nobody waits for a node that may come back.
  expect((await stage.run(coordinator, ["settings", "set", "coordinator.resume_grace_s", "0"])).code).toBe(0);
  expect((await stage.run(coordinator, ["settings", "set", "coordinator.price_input_min", "5"])).code).toBe(0);
  await reads(page, "#needs-card", "One node asks prices out of bounds");
  await reads(page, "#needs-card", "No model is on offer");
  // What is out of bounds is not to be had, from this very moment.
  expect((await ask.chat()).status).toBe(503);
  await follow(page.getByRole("link", { name: "See them" }));
  await reads(page, "#prices-card", "the least here is 5");
  expect(await page.locator(`#prices-card a[href="/nodes/${node}"]`).count()).toBe(1);
  for (const key of ["coordinator.price_input_min", "coordinator.resume_grace_s"])
    expect((await stage.run(coordinator, ["settings", "reset", key])).code).toBe(0);
  expect((await ask.chat()).status).toBe(200);
  expect(complaints).toEqual([]);
});

test("a setting counts for the next request; it is undone, refused with a reason, and reset", async () => {
  await using tab = await open("/admin/settings");
  const { page, complaints } = tab;
  const key = "coordinator.default_max_tokens";
  await save(page, key, "77");
  const undo = await undoOf(page, "Answer length by default: 77 tokens");
  await reads(page, `#set-coordinator-default_max_tokens`, /changed by Ada/);
  await ask.readChat();
  expect(lastBody()).toMatchObject({ max_tokens: 77 });
  await undo.click();
  await reads(page, `#set-coordinator-default_max_tokens`, /Default: 4.096/);
  await ask.readChat();
  expect(lastBody()).toMatchObject({ max_tokens: 4096 });
  await save(page, key, "-5");
  await reads(page, `#set-coordinator-default_max_tokens .why`, "an integer from 1 to 10000000");
  expect(await field(page, key).inputValue()).toBe("-5");
  expect(await field(page, key).getAttribute("aria-invalid")).toBe("true");
  await save(page, key, "99");
  await reads(page, `#set-coordinator-default_max_tokens`, /changed by Ada/);
  await row(page, key)
    .getByRole("button", { name: /^Reset/ })
    .click();
  await reads(page, `#set-coordinator-default_max_tokens`, /Default: 4.096/);
  // The fault was a 422, which the browser says; nothing else.
  expect(complaints.filter((one) => !one.includes("422"))).toEqual([]);
});

test("a queue that is closed turns away at once; whoever has no key comes in while none is needed", async () => {
  await using tab = await open("/admin/settings");
  const { page } = tab;
  await save(page, "coordinator.queue_limit", "0");
  await reads(page, ".toast", "Waiting jobs per model: 0 jobs");
  backend.script({ holdAfter: 1 });
  const running = ask.readChat();
  await waitFor("the node to be full", () => backend.open() > 0);
  const refused = await ask.chat();
  expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([
    429,
    "queue_full",
  ]);
  backend.script({ holdAfter: null });
  backend.release();
  await running;
  await row(page, "coordinator.queue_limit")
    .getByRole("button", { name: /^Reset/ })
    .click();
  await reads(page, "#set-coordinator-queue_limit", "Default: 256");

  const stranger = () => fetch(`${coordinator.url}/v1/models`);
  expect((await stranger()).status).toBe(401);
  await field(page, "coordinator.require_api_key").uncheck();
  await row(page, "coordinator.require_api_key").getByRole("button", { name: /^Save/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Change it" }).click();
  await reads(page, ".toast", "Clients need an API key: off");
  expect((await stranger()).status).toBe(200);
  expect((await stage.run(coordinator, ["settings", "reset", "coordinator.require_api_key"])).code).toBe(0);
  expect((await stranger()).status).toBe(401);
});

test("what the environment says is locked, in the page, for commands and for who sends the form all the same", async () => {
  await using tab = await open("/admin/settings");
  const key = "coordinator.max_attempts";
  expect(await field(tab.page, key).isDisabled()).toBe(true);
  await reads(tab.page, "#set-coordinator-max_attempts", "INFERNET_COORDINATOR_MAX_ATTEMPTS says what it is");
  const { code, stderr } = await stage.run(coordinator, ["settings", "set", key, "9"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("INFERNET_COORDINATOR_MAX_ATTEMPTS says what it is")]);
  const answer = await fetch(`${coordinator.url}/admin/settings/${key}`, {
    method: "POST",
    headers: { cookie: admin.cookie, "x-csrf-token": admin.csrf, "content-type": "application/x-www-form-urlencoded" },
    body: "value=9",
  });
  expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining("says what it is")]);
});

test("aliases are made, put in another order and taken away, by keyboard too", async () => {
  await using tab = await open("/admin/models");
  const { page, complaints } = tab;
  await page.locator("summary", { hasText: "Add an alias" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.type(HOSTILE.slice(0, 60));
  await page.keyboard.press("Tab");
  await page.keyboard.type(`nobody-has-this\n${MODEL}`);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await reads(page, "#aliases-card", "1 name");
  await reads(page, "#aliases-card", `nobody-has-this (nobody serves it)`);
  expect((await ask.chat({ model: HOSTILE.slice(0, 60) })).status).toBe(200);
  await page.locator("summary", { hasText: "Add an alias" }).click();
  await page.locator("#alias-new-name").fill("gpt-4o");
  await page.locator("#alias-new-models").fill(MODEL);
  await page.locator("#alias-new-save").click();
  await reads(page, "#aliases-card", "2 names");
  expect((await ask.chat({ model: "gpt-4o" })).status).toBe(200);
  await page.getByRole("button", { name: "Delete gpt-4o" }).click();
  const undo = await undoOf(page, "gpt-4o stands for nothing");
  await reads(page, "#aliases-card", "1 name");
  expect((await ask.chat({ model: "gpt-4o" })).status).toBe(404);
  await undo.click();
  await reads(page, "#aliases-card", "2 names");
  expect((await ask.chat({ model: "gpt-4o" })).status).toBe(200);
  expect(complaints).toEqual([]);
});

test("settings stand after a restart, and are printed with who made them", async () => {
  expect((await stage.run(coordinator, ["settings", "set", "coordinator.registration", "open"])).code).toBe(0);
  await coordinator.stop();
  coordinator = await stage.restart(coordinator);
  await stage.served(coordinator, MODEL);
  expect((await ask.chat({ model: "gpt-4o" })).status).toBe(200);
  const { stdout } = await stage.run(coordinator, ["settings", "list", "--json"]);
  const { settings } = JSON.parse(stdout) as { settings: { key: string; value: unknown; source: { from: string } }[] };
  const registration = settings.find(({ key }) => key === "coordinator.registration");
  expect(registration).toMatchObject({ value: "open", source: { from: "settings" } });
  const printed = await stage.run(coordinator, ["config", "print"]);
  expect(printed.stdout).toContain('registration = "open" # settings, by local');
});

test("a setting is changed by keyboard alone", async () => {
  await using tab = await open("/admin/settings#set-scheduler-affinity_ttl_s");
  const { page, complaints } = tab;
  // From the place that the address names.
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.id")).toBe("set-scheduler-affinity_ttl_s-field");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("60");
  await page.keyboard.press("Enter");
  await reads(page, "#set-scheduler-affinity_ttl_s", /changed by Ada/);
  await page.locator("#set-scheduler-affinity_ttl_s-field:focus").waitFor();
  expect(complaints).toEqual([]);
});

test("the audit log tells of it, holds, contains a head that was kept, and goes out whole", async () => {
  await using tab = await open("/admin/audit?action=settings");
  const { page, complaints } = tab;
  await reads(page, "#log-card tbody tr", /Ada changed Conversations stay on a node from 1.800 to 60 seconds/);
  await page.locator("#log-card summary").first().click();
  await reads(page, "#log-card .diff", /1.800 seconds\s*→\s*60 seconds/);
  await reads(page, "#log-card pre", '"subject": "scheduler.affinity_ttl_s"');
  await page.getByRole("link", { name: "Conversations stay on a node" }).first().click();
  await page.locator("#set-scheduler-affinity_ttl_s").waitFor();
  await page.goBack();
  await page.getByRole("button", { name: "Verify" }).click();
  await reads(page, "#verify-card", "It holds");
  const head = (await stage.run(coordinator, ["audit", "head"])).stdout.trim();
  await page.locator("#kept").fill(head);
  await page.getByRole("button", { name: "Verify" }).click();
  await reads(page, "#verify-card", "still contains entry");
  await page.locator("#kept").fill(`1:${"ab".repeat(32)}`);
  await page.getByRole("button", { name: "Verify" }).click();
  await reads(page, "#verify-card", "Row 1 is not the one whose hash was kept");
  await page.locator("#kept").fill("nonsense");
  await page.getByRole("button", { name: "Verify" }).click();
  await reads(page, "#verify-card .why", "A head is a number");
  const text = await (
    await fetch(`${coordinator.url}/admin/audit/export`, { headers: { cookie: admin.cookie } })
  ).text();
  const lines = text.trimEnd().split("\n");
  expect(lines.length).toBe(Number(head.split(":")[0]));
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ seq: lines.length, hash: head.split(":")[1] });
  expect(complaints.filter((one) => !one.includes("422"))).toEqual([]);
});

test.each([
  ["/admin", "overview"],
  ["/admin/models", "admin-models"],
  ["/admin/settings", "settings"],
  ["/admin/audit", "audit"],
])("%s is whole in both themes, on a phone and on a wide screen, whatever names are in it", async (path, name) => {
  await expectWholeEverywhere(browser, `${coordinator.url}${path}`, admin, { shots, name });
});

test("a log that somebody changed in the file is shown to be broken, and where", async () => {
  const dataDirectory = stage.directory("tampered");
  await coordinator.stop();
  cpSync(coordinator.dataDirectory, dataDirectory, { recursive: true });
  const file = new Database(join(dataDirectory, "infernet.db"));
  const triggers = file.query("select name from sqlite_master where type = 'trigger' and tbl_name = 'audit_log'").all();
  for (const { name } of triggers as { name: string }[]) file.run(`drop trigger "${name}"`);
  file.run("update audit_log set after = '\"nothing\"' where seq = 3");
  file.close();
  const tampered = await stage.start({ mode: "coordinator", dataDirectory });
  const { context, page } = await visit(browser, tampered.url, admin);
  await page.goto(`${tampered.url}/admin/audit`);
  await page.getByRole("button", { name: "Verify" }).click();
  await reads(page, "#verify-card", "Row 3 was changed after it was written");
  await page.getByRole("link", { name: "Go to entry 3" }).click();
  await page.locator("#entry-3").waitFor();
  await page.goto(`${tampered.url}/admin`);
  await reads(page, "#needs-card", "The audit log does not hold");
  await context.close();
});
