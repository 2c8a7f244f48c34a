// Browser: `bun build/browser.ts` sees to it that there is a Chromium for the tests of our pages, and prints its path.
// Debian's package where this is Debian and we are root; Playwright's own download otherwise.
import { existsSync, readFileSync } from "node:fs";
import { BROWSER_ENV, findBrowser } from "./setup/browser.ts";
import { bun, ROOT, runScript } from "./setup/tools.ts";

async function run(command: string[]): Promise<boolean> {
  console.log(`$ ${command.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const child = Bun.spawn(command, { cwd: ROOT, env, stdio: ["ignore", "inherit", "inherit"] });
  return (await child.exited) === 0;
}

function isDebian(): boolean {
  const path = "/etc/os-release";
  // Ubuntu's package of that name is not the browser.
  return existsSync(path) && /^ID=debian$/m.test(readFileSync(path, "utf8"));
}

const isRoot = process.getuid?.() === 0;

async function install(): Promise<void> {
  if (isRoot && isDebian()) {
    const good =
      (await run(["apt-get", "update", "-qq"])) &&
      (await run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]));
    if (good) return;
    console.log("apt-get could not install it; trying Playwright's own");
  }
  const system = isRoot && process.platform === "linux" ? ["--with-deps"] : [];
  await run(bun("node_modules/playwright-core/cli.js", "install", ...system, "chromium"));
}

await runScript("browser", async () => {
  if ((await findBrowser()) === null) await install();
  const path = await findBrowser();
  if (path === null) {
    throw new Error(`no Chromium could be installed: install one, or name it in ${BROWSER_ENV}, then run this again`);
  }
  console.log(path);
  return 0;
});
