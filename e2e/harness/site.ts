// Site: somebody who is signed in at a browser, and what every page has to stand: readable for everybody, quiet, in both
// themes, on a phone and on a wide screen.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { watchPage } from "./browser.ts";
import type { Instance } from "./instance.ts";
import { Person } from "./person.ts";

/** axe-core, which runs in the page. */
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
/** WCAG 2.2 AA, and what axe holds for good practice. */
const RULES = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };

export const THEMES = ["light", "dark"] as const;
export const WIDTHS = [360, 1440] as const;
export type Look = { theme?: (typeof THEMES)[number]; width?: number };

export const ADMIN = { name: "Ada", email: "ada@example.org", password: "correct horse battery" };

/** Makes the first admin through the link that a coordinator's start left; the session is the person's. */
export async function firstAdmin({ url, dataDirectory }: Instance, admin = ADMIN): Promise<Person> {
  const person = new Person(url);
  const link = readFileSync(join(dataDirectory, "setup-link"), "utf8").trim();
  const secret = link.slice(link.indexOf("#") + 1);
  const { status, body } = await person.post("/api/v1/auth/setup", { ...admin, secret });
  if (status !== 200) throw new Error(`no first admin: ${status} ${JSON.stringify(body)}`);
  return person;
}

/** A browser of their own in which the person is signed in; or of somebody who is not. */
export async function visit(
  browser: Browser,
  url: string,
  person: Person | null,
  { theme = "light", width = 1440 }: Look = {},
): Promise<{ context: BrowserContext; page: Page; complaints: string[] }> {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 900 } });
  const origin = new URL(url).origin;
  if (person) {
    await context.addCookies([...person.jar].map(([name, value]) => ({ name, value, url: origin })));
  }
  const page = await context.newPage();
  return { context, page, complaints: await watchPage(page, origin) };
}

/** Presses what leads to another page; resolves once that one is there and its scripts run. */
export async function follow(link: Locator): Promise<void> {
  const loaded = link.page().waitForEvent("load");
  await link.click();
  await loaded;
}

/** The toast's way back, which stays for as long as it is pointed at. */
export async function undoOf(page: Page, text: string): Promise<Locator> {
  const undo = page.locator(".toast", { hasText: text }).getByRole("button", { name: "Undo" });
  await undo.hover();
  return undo;
}

/** What a page has to be, whatever it shows. `shot`: a file for its picture. */
export async function expectWhole(page: Page, shot?: string): Promise<void> {
  if (shot !== undefined) await page.screenshot({ path: shot, fullPage: true });
  expect(await page.locator("h1").count()).toBe(1);
  expect(await page.locator("main").count()).toBe(1);
  expect(await page.title()).toMatch(/ · infernet$/);
  // Nothing hangs out of the page.
  expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
  expect(await violations(page)).toEqual([]);
}

/** What axe-core finds wrong: rule and place. */
export async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(`"axe" in window`))) await page.evaluate(AXE);
  return await page.evaluate(`axe.run(document, ${JSON.stringify(RULES)}).then(({ violations }) =>
    violations.map(({ id, impact, nodes }) => impact + " " + id + ": " + nodes.slice(0, 3).map(({ target }) => target.join(" ")).join(" | ")))`);
}

/** Looks at a page in both themes, on a phone and on a wide screen; returns when all of it held. */
export async function expectWholeEverywhere(
  browser: Browser,
  url: string,
  person: Person | null,
  { shots, name, ready }: { shots?: string; name: string; ready?: (page: Page) => Promise<void> },
): Promise<void> {
  for (const width of WIDTHS) {
    const { context, page, complaints } = await visit(browser, url, person, { width });
    await page.goto(url, { waitUntil: "load" });
    await ready?.(page);
    // The system's theme changes under an open page, as it does at dusk.
    for (const theme of THEMES) {
      await page.emulateMedia({ colorScheme: theme });
      await expectWhole(page, shots === undefined ? undefined : join(shots, `${name}-${theme}-${width}.png`));
    }
    expect(complaints).toEqual([]);
    await context.close();
  }
}
