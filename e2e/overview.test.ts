// The overview of an admin in a real browser.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import type { Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { expectWholeEverywhere, firstAdmin, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let admin: Person;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  coordinator = await stage.start({ mode: "coordinator" });
  admin = await firstAdmin(coordinator);
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
}, 120_000);
afterAll(() => stage.close());

test("it is whole in both themes, on a phone and on a wide screen", async () => {
  await expectWholeEverywhere(browser, `${coordinator.url}/admin`, admin, { shots, name: "overview" });
}, 60_000);

test("its figures come by themselves", async () => {
  const { context, page, complaints } = await visit(browser, coordinator.url, admin);
  await page.goto(`${coordinator.url}/admin`);
  await page.locator("#stream-state.live").waitFor();
  await stage.node(coordinator, [stage.backend({ model: "qwen3-coder:30b" }).url]);
  await page.locator("#figures", { hasText: "1 node" }).first().waitFor();
  expect(complaints).toEqual([]);
  await context.close();
}, 60_000);
