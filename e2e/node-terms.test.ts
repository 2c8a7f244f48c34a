// The terms of a node in a real browser: its slots, prices and schedule changed from the coordinator's page, where its
// owner lets the coordinator, and from nowhere else where not.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import type { Output } from "../src/admin/operations.ts";
import { openBrowser } from "./harness/browser.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { expectWhole, expectWholeEverywhere, firstAdmin, violations, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const HOSTILE = "<img src=x onerror=alert(1)>";
let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let admin: Person;
let node: Instance;
let nodeKey: string;
let model: string;
let shots: string;

async function onPage<T>(act: (page: Page) => Promise<T>): Promise<T> {
  const { context, page, complaints } = await visit(browser, coordinator.url, admin);
  await page.goto(`${coordinator.url}/nodes/${nodeKey}`);
  await page.locator("#stream-state.live").waitFor();
  const result = await act(page);
  // A browser says of every refusal that it was one.
  expect(complaints.filter((one) => !one.includes("status of 422"))).toEqual([]);
  await context.close();
  return result;
}
const offered = async () =>
  (
    await commandJson<Output<"listModels">>(stage.executable, coordinator.dataDirectory, ["models", "list"])
  ).models.find(({ name }) => name === model);
const ask = (...args: string[]) => stage.run(coordinator, ["nodes", "command", nodeKey, "configure", ...args]);
/** A span that is not now, so that the node is paused by it. */
const ELSEWHEN = `${["sun", "mon", "tue", "wed", "thu", "fri", "sat"][(new Date().getDay() + 3) % 7]} 03:00-03:01`;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  ({ coordinator } = await stage.coordinator());
  admin = await firstAdmin(coordinator);
  const backend = stage.backend({ model: "qwen3:8b" });
  model = backend.model;
  node = await stage.node(coordinator, [backend.url], '[node]\nname = "aurora-3"');
  await stage.served(coordinator, model);
  const status = await commandJson<Output<"status">>(stage.executable, node.dataDirectory, ["status"]);
  nodeKey = status.pubkey;
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(() => stage.close());

test("a node's terms are its own machine's to change, and page and command say what allows others to", async () => {
  await onPage(async (page) => {
    const card = page.locator("#terms-h-card");
    await card.getByText("$0.00 / $0.00").waitFor();
    await card.getByText("infernet settings set node.allow_commands").waitFor();
    expect(await card.locator("form").count()).toBe(0);
    await expectWhole(page, `${shots}/node-terms-closed.png`);
  });
  const refused = await ask("slots=4");
  expect(refused.code).toBe(4);
  const how = /`(infernet settings set node\.allow_commands [a-z,]+)`/.exec(refused.stderr)?.[1] ?? "";
  expect(refused.stderr).toContain("does not let its coordinators change its slots, prices and schedule");
  for (const wrong of [["slots=many"], ["allow_commands=configure"], ["join_token=x"], [], ["schedule=whenever"]]) {
    expect([wrong, (await ask(...wrong)).code]).toEqual([wrong, 2]);
  }
  // What it says is what does it, without a restart.
  expect(await stage.run(node, how.split(" ").slice(1))).toMatchObject({ code: 0 });
});

test("allowed, slots, price and schedule are changed on the page, by keyboard, and what is wrong is said", async () => {
  await onPage(async (page) => {
    await page.locator("#terms-h-card summary").focus();
    await page.keyboard.press("Enter");
    await page.locator("#terms-slots").fill("3");
    await page.locator("#terms-price_output").fill("0.25");
    await page.locator("#terms-prices-0-name").fill(`${HOSTILE}*`);
    await page.locator("#terms-prices-0-input").fill("1");
    await page.locator("#terms-prices-0-output").fill("much");
    await page.locator("#terms-schedule").fill("whenever");
    await page.locator("#terms-save").focus();
    await page.keyboard.press("Enter");
    await page.locator("#terms-schedule-why").waitFor();
    await page.locator("#terms-prices-0-output-why").waitFor();
    expect(await page.locator("#terms-slots").inputValue()).toBe("3");
    // As it is, caret included: hiding it would leave its mark on the fields.
    await page.screenshot({ path: `${shots}/node-terms-fault.png`, fullPage: true, caret: "initial" });
    expect(await violations(page)).toEqual([]);
    await page.locator("#terms-schedule").fill(ELSEWHEN);
    await page.locator("#terms-prices-0-output").fill("2");
    await page.locator("#terms-save").click();
    await page.locator(".toast", { hasText: "The node is asked" }).first().waitFor();
    const now = page.locator("#node-terms");
    await now.getByText("$0.00 / $0.25").waitFor();
    await now.getByText(ELSEWHEN).waitFor();
    expect(await now.locator("bdi").first().textContent()).toBe(`${HOSTILE}*`);
    // It holds to it at once.
    await page.locator("#node-notes", { hasText: "outside of its schedule" }).waitFor();
    await page.locator("#node-commands", { hasText: "Set slots, price output, prices, schedule" }).waitFor();
    await page.locator("#node-commands tr", { hasText: "Done" }).first().waitFor();
  });
  await waitFor("the catalogue to show the price", async () => (await offered())?.price_output === 250_000);
  expect((await offered())?.slots).toBe(3);
});

test("it stays so over a restart of the node, on its own dashboard too, and the command line sets the rest", async () => {
  await node.stop();
  node = await stage.restart(node);
  await stage.served(coordinator, model);
  const link = /^dashboard (\S+)/m.exec((await stage.run(node, ["status"])).stdout)?.[1] ?? "";
  const page = await browser.newPage();
  await page.goto(link);
  await page.waitForURL(`${node.url}/`);
  expect(await page.locator("#f-node-slots").inputValue()).toBe("3");
  expect(await page.locator("#f-node-price_output").inputValue()).toBe("0.25");
  expect(await page.locator("#f-node-schedule").inputValue()).toBe(ELSEWHEN);
  await page.close();
  const done = await ask("schedule=", "idle_gpu_percent=35", "--json");
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({
    commands: [{ command: "configure", state: "completed", terms: { schedule: [], idle_gpu_percent: 35 } }],
  });
  const { settings } = await commandJson<Output<"listSettings">>(stage.executable, node.dataDirectory, [
    "settings",
    "list",
  ]);
  expect(settings.find(({ key }) => key === "node.idle_gpu_percent")).toMatchObject({
    value: 35,
    source: { from: "settings", where: expect.stringMatching(/^coordinator\/[0-9a-f]{64}$/) },
  });
});

test("the page is whole with the form open, in both themes, on a phone and on a wide screen", async () => {
  await expectWholeEverywhere(browser, `${coordinator.url}/nodes/${nodeKey}`, admin, {
    ...{ shots, name: "node-terms" },
    ready: async (page) => {
      await page.locator("#stream-state.live").waitFor();
      await page.locator("#terms-h-card summary").click();
      await page.locator("#terms-save").waitFor();
    },
  });
});
