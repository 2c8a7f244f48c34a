// The pages at `/` and `/reference` in real Chromium: both themes, small and large, without a complaint, whatever
// strangers call their models and nodes.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import type { Output } from "../src/admin/operations.ts";
import { allErrors } from "../src/http/errors.ts";
import type { ReadyFrame } from "../src/protocol/frames.ts";
import { openBrowser, openPage } from "./harness/browser.ts";
import { type HostileNode, openHostileNode } from "./harness/hostile-node.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";

/** Runs where markup is not escaped; none of it may. */
const HOSTILE_NAMES = [
  "!' $(touch owned) `touch owned` \\ \"", // the first in order: it is in the call to paste
  '<script>document.title="owned"</script>',
  '"><img src=x onerror=alert(1)>',
  "'; alert(1); '",
  "</pre></main><h1>owned</h1>",
  "javascript:alert(1)",
  "{{constructor.constructor('alert(1)')()}}",
  `\u202e${"long".repeat(60)}`,
];

/** Runs in the page: how light its paper and its ink are, 0 to 255. */
const LIGHTNESS = `(() => {
  const mean = (color) => color.match(/[\\d.]+/g).slice(0, 3).reduce((sum, value) => sum + Number(value), 0) / 3;
  const { backgroundColor, color } = getComputedStyle(document.body);
  return { paper: mean(backgroundColor), ink: mean(color) };
})()`;
/** Runs in the page: on how many lines the text of a cell is at most. */
const LINES = `Math.max(...[...document.querySelectorAll("td.n, th.n")].map((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
}))`;

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let hostile: HostileNode | undefined;
let screenshots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  coordinator = await stage.start({ mode: "coordinator", config: '[coordinator]\nregistration = "open"\n' });
  const { pubkey } = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
  hostile = await openHostileNode({ url: coordinator.url, coordinator: pubkey });
  const model = (name: string): ReadyFrame["models"][number] => ({
    name,
    context_length: 131_072,
    digest: null,
    loaded: true,
    quantization: null,
    demo: false,
    backend: 0,
  });
  await hostile.join({ name: HOSTILE_NAMES[2] ?? "", models: HOSTILE_NAMES.map(model) });
  const backend = stage.backend({ model: "qwen3-coder:30b" });
  await stage.node(coordinator, [backend.url]);
  await stage.served(coordinator, backend.model);
  screenshots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
}, 120_000);
afterAll(async () => {
  hostile?.close();
  await stage.close();
});

describe.each(["light", "dark"] as const)("in the %s theme", (colorScheme) => {
  test.each([360, 1440])("at %d px it is whole, readable and quiet", async (width) => {
    const viewport = { width, height: 900 };
    const { page, complaints } = await openPage(browser, `${coordinator.url}/`, { colorScheme, viewport });
    await page.screenshot({ path: join(screenshots, `home-${colorScheme}-${width}.png`), fullPage: true });
    expect(await page.title()).toBe("infernet");
    expect(await page.locator("h1").allTextContents()).toEqual(["infernet"]);
    const text = await page.locator("body").textContent();
    for (const part of ["qwen3-coder:30b", "2 nodes online", "9 models", "/v1/chat/completions", coordinator.url]) {
      expect(text).toContain(part);
    }
    // Nothing hangs out of the page.
    expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
    // However long a name, it does not squeeze the figures beside it.
    expect(await page.evaluate(LINES)).toBe(1);
    const lightness = await page.evaluate<{ paper: number; ink: number }>(LIGHTNESS);
    const [lighter, darker] =
      colorScheme === "light" ? [lightness.paper, lightness.ink] : [lightness.ink, lightness.paper];
    expect(lighter - darker).toBeGreaterThan(150);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});

describe.each(["light", "dark"] as const)("the reference in the %s theme", (colorScheme) => {
  test.each([360, 1440])("at %d px it tells every route and every error, and is quiet", async (width) => {
    const viewport = { width, height: 900 };
    const { page, complaints } = await openPage(browser, `${coordinator.url}/reference`, { colorScheme, viewport });
    await page.screenshot({ path: join(screenshots, `reference-${colorScheme}-${width}.png`) });
    expect(await page.title()).toBe("infernet: API reference");
    const cells = await page.locator("td").allTextContents();
    for (const { code } of allErrors()) expect(cells).toContain(code);
    for (const field of ["messages (required)", "provider.order", "infernet.session", "webhook"])
      expect(cells).toContain(field);
    const { paths } = (await (await fetch(`${coordinator.url}/openapi.json`)).json()) as { paths: object };
    const text = await page.locator("main").textContent();
    for (const path of Object.keys(paths))
      expect(text).toContain(path.replace(/^\/api(\/v1\/(chat|comp|emb|mod))/, "$1"));
    // What is linked to is there.
    const links = await page.locator('a[href^="#"]').evaluateAll((all) => all.map((one) => one.getAttribute("href")));
    expect(links.length).toBeGreaterThan(20);
    for (const link of links) expect(await page.locator(`[id="${link?.slice(1)}"]`).count()).toBe(1);
    expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});

test("hostile names are text, whole and inert", async () => {
  const { page, complaints } = await openPage(browser, `${coordinator.url}/`, {});
  const cells = await page.locator("td").allTextContents();
  for (const name of HOSTILE_NAMES) expect(cells).toContain(name);
  expect(await page.locator("script, img, iframe, [onerror], [onload]").count()).toBe(0);
  expect(await page.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href")))).toEqual([
    "/reference",
    "/openapi.json",
  ]);
  expect(complaints).toEqual([]);
  await page.context().close();
});

test("the call to paste is one that a shell takes as it stands, whatever the model is called", async () => {
  const { page } = await openPage(browser, `${coordinator.url}/`, {});
  const call = await page.locator("pre").textContent();
  const directory = stage.directory("shell");
  const shell = Bun.spawnSync(["sh", "-c", `${call}`.replace("curl ", 'printf "%s\\n" ')], { cwd: directory });
  expect(shell).toMatchObject({ exitCode: 0 });
  const body = JSON.parse(shell.stdout.toString().trimEnd().split("\n").at(-1) ?? "") as { model: string };
  expect(body.model).toBe(HOSTILE_NAMES[0] ?? "");
  expect(readdirSync(directory)).toEqual([]);
  await page.context().close();
});

test("it is served with headers that keep it shut in, and without a script", async () => {
  const response = await fetch(`${coordinator.url}/`);
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain("unsafe");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
  expect(await response.text()).not.toContain("<script");
});
