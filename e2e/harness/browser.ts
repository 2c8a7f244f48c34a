// Browser: real Chromium without a window, and everything it complains about on a page.
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { BROWSER_ENV, findBrowser } from "../../build/setup/browser.ts";
import { DEADLINE_MS } from "./wait-for.ts";

/** What a machine without a screen, a GPU or a user of its own needs, and nothing that calls home. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
];

/** Runs in the page. */
const REPORT_VIOLATIONS = `document.addEventListener("securitypolicyviolation", (event) => {
  console.error("CSP: " + event.violatedDirective + " " + event.blockedURI);
});`;

/** Every wait in it is as long as the tests' own. Throws where there is no browser: the page would be untested. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = await findBrowser();
  if (executablePath === null) {
    throw new Error(`no Chromium here: run \`bun build/browser.ts\`, or name one in ${BROWSER_ENV}`);
  }
  const browser = await chromium.launch({ executablePath, args: FLAGS, timeout: DEADLINE_MS });
  browser.on("context", (context) => context.setDefaultTimeout(DEADLINE_MS));
  return browser;
}

/** A page and its complaints. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions,
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = await watchPage(page, new URL(url).origin);
  await page.goto(url, { waitUntil: "load" });
  return { page, complaints };
}

/** What it will complain of: console errors and warnings, thrown errors, CSP violations, failed or foreign requests. */
export async function watchPage(page: Page, origin: string): Promise<string[]> {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`thrown: ${error.message}`));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("requestfailed", (request) => {
    // A stream that the page leaves, or a file it stops loading, is not a fault.
    if (request.failure()?.errorText === "net::ERR_ABORTED") return;
    complaints.push(`failed: ${request.url()}`);
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`foreign: ${request.url()}`);
  });
  await page.addInitScript({ content: REPORT_VIOLATIONS });
  return complaints;
}
