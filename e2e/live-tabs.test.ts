// Live tabs: a browser has six connections to a host for all its tabs, so only tabs that are looked at hold a stream.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page, Request } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import type { Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { firstAdmin, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const MODEL = "qwen3-coder:30b";

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let admin: Person;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  coordinator = await stage.start({ mode: "coordinator" });
  admin = await firstAdmin(coordinator);
});
afterAll(() => stage.close());

/** Tabs of one browser, which are looked at or not as a test says; headless ones are all in front. */
async function tabs(inFront: boolean) {
  const { context, page, complaints } = await visit(browser, coordinator.url, admin);
  await context.addInitScript(`{
    let hidden = ${!inFront};
    Object.defineProperty(document, "hidden", { get: () => hidden });
    addEventListener("look", ({ detail }) => {
      hidden = !detail;
      document.dispatchEvent(new Event("visibilitychange"));
    });
  }`);
  const open = async (tab: Page) => {
    await tab.goto(`${coordinator.url}/admin`, { waitUntil: "load" });
    return tab;
  };
  return { context, first: page, open, complaints, [Symbol.asyncDispose]: () => context.close() };
}
const look = (tab: Page, inFront: boolean) =>
  tab.evaluate(`dispatchEvent(new CustomEvent("look", { detail: ${inFront} }))`);
const isStream = (request: Request) => new URL(request.url()).pathname.startsWith("/live/overview");
const isLive = (tab: Page) => tab.locator("#stream-state.live").waitFor();

test("the stream of a hidden tab ends, and comes back with everything as it stands", async () => {
  await using all = await tabs(true);
  const [hidden, shown] = [await all.open(all.first), await all.open(await all.context.newPage())];
  await Promise.all([isLive(hidden), isLive(shown)]);
  const ended = Promise.race([
    hidden.waitForEvent("requestfailed", isStream),
    hidden.waitForEvent("requestfinished", isStream),
  ]);
  await look(hidden, false);
  await ended;
  await stage.node(coordinator, [stage.backend({ model: MODEL }).url], '[node]\nname = "late"');
  await stage.served(coordinator, MODEL);
  const tile = (tab: Page) => tab.locator("#nodes-card .tile", { hasText: "late" });
  await tile(shown).waitFor();
  expect(await tile(hidden).count()).toBe(0);
  await look(hidden, true);
  await tile(hidden).waitFor();
  await isLive(hidden);
  expect(all.complaints).toEqual([]);
});

test("tabs that were opened in the background ask for no stream, so that any number leaves room for a page", async () => {
  await using all = await tabs(false);
  const streams: string[] = [];
  all.context.on("request", (request) => {
    if (isStream(request)) streams.push(request.url());
  });
  const opened = [await all.open(all.first)];
  for (let i = 0; i < 8; i++) opened.push(await all.open(await all.context.newPage()));
  expect(streams).toEqual([]);
  const last = opened.at(-1);
  if (last === undefined) throw new Error("no tab");
  await look(last, true);
  await isLive(last);
  expect(streams.length).toBe(1);
  expect(all.complaints).toEqual([]);
});
