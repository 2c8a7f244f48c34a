// Versions on the dashboards, from a signed feed: nobody calls it before somebody asks, what it has is named until it
// runs, and how it is installed is said; on a coordinator and on a node.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { MANIFEST_FILE, SIGNATURE_FILE } from "../src/update/manifest.ts";
import { openBrowser, watchPage } from "./harness/browser.ts";
import type { Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { newReleaseKey, type ReleaseFeed, signedRelease, startReleaseFeed } from "./harness/release-feed.ts";
import { expectWhole, expectWholeEverywhere, firstAdmin, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const NEW = "99.0.0";
let stage: Stage;
let browser: Browser;
let feed: ReleaseFeed;
/** The folder of release 99.0.0. */
let release: string;
let coordinator: Instance;
let node: Instance;
let admin: Person;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  const key = newReleaseKey(stage);
  feed = startReleaseFeed(stage);
  release = await signedRelease(stage, key, NEW, stage.executable);
  feed.serve(release);
  const config = `[update]\nfeed = "${feed.url}"\npublic_key = "${key.publicKey}"\n`;
  ({ coordinator } = await stage.coordinator(config));
  node = await stage.node(coordinator, [stage.backend({ model: "m" }).url], `${config}[node]`);
  admin = await firstAdmin(coordinator);
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(() => stage.close());

const check = (page: Page) => page.getByRole("button", { name: "Check for updates" });
/** Of a node's own dashboard, whose other looks are in its own test. */
const LOOKS = [
  ["light", 360],
  ["dark", 1440],
] as const;
const BOTH = [MANIFEST_FILE, SIGNATURE_FILE];

test("an admin looks by keyboard: the overview names what is newer, also after a restart, and the feed is asked once", async () => {
  const { page, complaints } = await visit(browser, coordinator.url, admin);
  await page.goto(`${coordinator.url}/admin`);
  await page.locator("#stream-state.live").waitFor();
  expect(await page.getByText("is there").count()).toBe(0);
  await page.locator(".head a[href='/admin/version']").focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${coordinator.url}/admin/version`);
  await page.getByText("not looked for yet").waitFor();
  expect(feed.asked()).toEqual([]);
  await check(page).focus();
  await page.keyboard.press("Enter");
  await page.getByText(`infernet ${NEW}`).waitFor();
  expect(await page.locator("#install").textContent()).toBe("infernet update\ninfernet restart");
  expect(feed.asked()).toEqual(BOTH);
  await page.goto(`${coordinator.url}/admin`);
  await page.locator("#needs-card").getByText(`infernet ${NEW} is there`).waitFor();
  expect(complaints).toEqual([]);
  await page.context().close();
  await coordinator.kill9();
  coordinator = await stage.restart(coordinator);
  const again = await visit(browser, coordinator.url, admin);
  await again.page.goto(`${coordinator.url}/admin`);
  await again.page.locator("#needs-card").getByText(`infernet ${NEW} is there`).waitFor();
  expect(feed.asked()).toEqual(BOTH);
  await again.context.close();
});

test("and the page is whole in both themes, on a phone and on a wide screen", async () => {
  await expectWholeEverywhere(browser, `${coordinator.url}/admin/version`, admin, { shots, name: "version" });
});

test("where the feed is not signed as it must be it says so at the button, and what was known stays", async () => {
  feed.answer(SIGNATURE_FILE, () => new Response("00".repeat(64)));
  const { page } = await visit(browser, coordinator.url, admin);
  await page.goto(`${coordinator.url}/admin/version`);
  await check(page).click();
  await page.locator("#version-why", { hasText: "is not signed with the trusted release key" }).waitFor();
  await page.getByText(`infernet ${NEW}`).waitFor();
  await expectWhole(page, join(shots, "version-refused.png"));
  await page.context().close();
});

test("a node's own dashboard looks when its operator asks, and names what is newer in its head", async () => {
  feed.answer(SIGNATURE_FILE, () => new Response("busy", { status: 503 }));
  for (const [at, [theme, width]] of LOOKS.entries()) {
    const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 900 } });
    const page = await context.newPage();
    const complaints = await watchPage(page, new URL(node.url).origin);
    const { stdout } = await stage.run(node, ["status"]);
    await page.goto(/^dashboard (\S+)/m.exec(stdout)?.[1] ?? "");
    await page.waitForURL(`${node.url}/`);
    if (at === 0) {
      await page.getByText("not looked for yet").waitFor();
      await check(page).click();
      await page.locator("#version-why", { hasText: "answers with status 503" }).waitFor();
      feed.serve(release);
      await check(page).click();
      await page.locator("#version-card", { hasText: `infernet ${NEW}` }).waitFor();
      await page.reload();
    }
    await page.locator(".head", { hasText: `infernet ${NEW} is there` }).waitFor();
    await page.locator("#stream-state.live").waitFor();
    await expectWhole(page, join(shots, `own-node-version-${theme}-${width}.png`));
    expect(complaints.filter((one) => !one.includes("422"))).toEqual([]);
    await context.close();
  }
});
