// A node's own dashboard in a real browser: opened by the command's link, by nobody else; it shows what the node does and
// did, and pauses it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { Output } from "../src/admin/operations.ts";
import { openBrowser, watchPage } from "./harness/browser.ts";
import { client } from "./harness/client.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { expectWhole, THEMES, WIDTHS } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const HOSTILE = '"><img src=x onerror=alert(1)>';

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let key: string;
let node: Instance;
let backend: ReturnType<Stage["backend"]>;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  ({ coordinator, key } = await stage.coordinator());
  backend = stage.backend({ model: HOSTILE });
  node = await stage.node(coordinator, [backend.url]);
  await stage.served(coordinator, backend.model);
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(() => stage.close());

async function link(): Promise<string> {
  const { stdout } = await stage.run(node, ["status"]);
  const found = /^dashboard (\S+)/m.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`no link in: ${stdout}`);
  return found;
}
async function opened(
  look: { theme?: "light" | "dark"; width?: number } = {},
): Promise<{ page: Page; complaints: string[] }> {
  const { theme = "light", width = 1440 } = look;
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  const complaints = await watchPage(page, new URL(node.url).origin);
  await page.goto(await link());
  await page.waitForURL(`${node.url}/`);
  return { page, complaints };
}

test("nobody looks in who has no link; a link opens once", async () => {
  const home = await fetch(`${node.url}/`, { redirect: "manual" });
  expect([home.status, home.headers.get("location")]).toEqual([303, "/open"]);
  for (const path of ["/pause", "/resume", "/close"]) {
    expect((await fetch(node.url + path, { method: "POST", redirect: "manual" })).status).toBe(303);
    expect((await fetch(node.url + path, { method: "POST", headers: { "hx-request": "true" } })).status).toBe(401);
  }
  expect((await fetch(`${node.url}/live/node`)).status).toBe(401);
  const url = await link();
  const secret = url.slice(url.indexOf("#") + 1);
  const open = (headers: Record<string, string> = {}) =>
    fetch(`${node.url}/open`, { method: "POST", body: JSON.stringify({ secret }), headers });
  expect((await open({ origin: "https://evil.example" })).status).toBe(403);
  const answer = await open();
  expect(answer.status).toBe(200);
  expect(answer.headers.get("set-cookie")).toMatch(
    /^infernet-node-[0-9a-f]{12}=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax/,
  );
  expect((await open()).status).toBe(410);
  const cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? "";
  expect((await fetch(`${node.url}/`, { headers: { cookie } })).status).toBe(200);
  // With the cookie and without the page's proof nothing is changed.
  expect((await fetch(`${node.url}/pause`, { method: "POST", headers: { cookie } })).status).toBe(403);
});

test("it shows jobs as they run and when they are done, what is served, and the log; names are only text", async () => {
  const { page, complaints } = await opened();
  await page.locator("#stream-state.live").waitFor();
  await page.getByText("No job yet").waitFor();
  expect((await client(() => coordinator.url, key, backend.model).chat()).status).toBe(200);
  await page.locator("#jobs td", { hasText: "Done" }).waitFor();
  expect(await page.locator("#jobs bdi").first().textContent()).toBe(HOSTILE);
  expect(await page.locator("#models bdi").first().textContent()).toBe(HOSTILE);
  expect(await page.locator("#coordinators").textContent()).toContain("Linked");
  expect(await page.locator("#log .log").textContent()).toContain("linked to a coordinator");
  expect(complaints).toEqual([]);
  await page.context().close();
});

test("it is paused and resumed by keyboard, and the coordinator sees it", async () => {
  const { page, complaints } = await opened();
  await page.locator("#standing-act").focus();
  await page.keyboard.press("Enter");
  await page.locator("#standing", { hasText: "paused by its operator" }).waitFor();
  await page.getByText("Paused. Running jobs may end").waitFor();
  expect((await stage.run(node, ["status"])).stdout).toContain("node      paused");
  await page.locator("#standing-act").focus();
  await page.keyboard.press("Enter");
  await page.locator("#standing", { hasText: "Ready" }).waitFor();
  expect(complaints).toEqual([]);
  await page.context().close();
});

test("a price and a schedule that are set here count at once, at the coordinator too, and what is wrong is said", async () => {
  const { page, complaints } = await opened();
  const field = page.locator("#f-node-price_output");
  await field.fill("-3");
  await field.press("Enter");
  await page.getByText("Must be $0.00 to").waitFor();
  await field.fill("0.25");
  await field.press("Enter");
  await page.getByText("Saved. It counts from now on.").waitFor();
  await page.locator("#models", { hasText: "$0.25" }).waitFor();
  await waitFor("the coordinator to know the price", async () => {
    const { models } = await commandJson<Output<"listModels">>(stage.executable, coordinator.dataDirectory, [
      "models",
      "list",
    ]);
    return models[0]?.price_output === 250_000 ? true : undefined;
  });
  const prices = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`some-model-${i}`, { input: i, output: i }]),
  );
  expect((await stage.run(node, ["settings", "set", "node.prices", JSON.stringify(prices)])).code).toBe(0);
  await page.reload();
  await page.locator("#f-node-prices-search").fill("some-model-19");
  await page.locator("#f-node-prices-add").click();
  await page.keyboard.type(`${HOSTILE}*`);
  await page.locator("#f-node-prices-200-input").fill("cheap");
  await page.locator("#f-node-prices-200-output").fill("0.5");
  await page.locator("#set-node-prices-save").click();
  await page.locator("#f-node-prices-200-input-why").waitFor();
  await page.locator("#f-node-prices-200-input").fill("0.1");
  await page.locator("#set-node-prices-save").click();
  await page.locator("#models", { hasText: "$0.50" }).waitFor();
  // Some other day: it is paused until then, and lets go when the schedule does.
  const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
  const other = `${days[(new Date().getDay() + 3) % 7]} 03:00-03:01`;
  await page.locator("#f-node-schedule").fill(other);
  await page.locator("#set-node-schedule button").click();
  await page.locator("#standing", { hasText: "outside of its schedule" }).waitFor();
  await page.locator("#f-node-schedule").fill("");
  await page.locator("#set-node-schedule button").click();
  await page.locator("#standing", { hasText: "Ready" }).waitFor();
  expect(complaints.filter((one) => !one.includes("422"))).toEqual([]);
  await page.context().close();
});

test("it is whole in both themes, on a phone and on a wide screen", async () => {
  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      const { page, complaints } = await opened({ theme, width });
      await page.locator("#stream-state.live").waitFor();
      await expectWhole(page, join(shots, `own-node-${theme}-${width}.png`));
      expect(complaints).toEqual([]);
      await page.context().close();
    }
  }
  const page = await browser.newPage();
  await page.goto(`${node.url}/open`);
  await expectWhole(page, join(shots, "own-node-open.png"));
  await page.close();
});

test("what it did is there after a restart; its links and sessions are not", async () => {
  const { page } = await opened();
  await node.stop();
  node = await stage.restart(node);
  await page.context().close();
  const again = await opened();
  await again.page.locator("#jobs td", { hasText: "Done" }).waitFor();
  await again.page.context().close();
});
