// Browser: the Chromium that looks at our pages in tests, wherever it is on this machine.
import { existsSync } from "node:fs";

/** Names a Chromium to use instead of those looked for. */
export const BROWSER_ENV = "INFERNET_CHROMIUM";
const USUAL_PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Path of a Chromium: the environment's, a usual place, Playwright's own; null where there is none. */
export async function findBrowser(): Promise<string | null> {
  const given = process.env[BROWSER_ENV];
  if (given) {
    if (existsSync(given)) return given;
    throw new Error(`${BROWSER_ENV} names ${given}, which is not there`);
  }
  const found = USUAL_PLACES.find((path) => existsSync(path));
  if (found !== undefined) return found;
  const { chromium } = await import("playwright-core");
  const own = chromium.executablePath();
  return existsSync(own) ? own : null;
}
