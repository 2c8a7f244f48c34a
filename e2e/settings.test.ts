// Settings that are more than one field, in a real browser: prices as a table that is edited with script and without, by
// keyboard too, and stays usable when it is long; choices by what they are called.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import type { Output } from "../src/admin/operations.ts";
import { openBrowser } from "./harness/browser.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { expectWholeEverywhere, firstAdmin, follow, undoOf, violations, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const HOSTILE = `"><img src=x onerror=alert(1)>\u202egnp*`;
const MANY = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`model-${i}`, { input: i, output: 2 * i }]));

let stage: Stage;
let browser: Browser;
let both: Instance;
let admin: Person;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
  const backend = stage.backend({ model: "llama3:8b" });
  const config = `[node]\nbackends = [{ kind = "openai", url = "${backend.url}" }]\n`;
  both = await stage.start({ mode: "both", config });
  admin = await firstAdmin(both);
  await stage.served(both, backend.model);
});
afterAll(() => stage.close());

const setting = async (key: string) => {
  const { settings } = await commandJson<Output<"listSettings">>(stage.executable, both.dataDirectory, [
    "settings",
    "list",
  ]);
  return settings.find((row) => row.key === key)?.value;
};
const prices = () => setting("node.prices");
const ROW = "#set-node-prices";
const cell = (page: Page, row: number, field: "name" | "input" | "output") =>
  page.locator(`${ROW}-field-${row}-${field}`);
async function fill(page: Page, row: number, name: string, input: string, output: string): Promise<void> {
  await cell(page, row, "name").fill(name);
  await cell(page, row, "input").fill(input);
  await cell(page, row, "output").fill(output);
}
const save = (page: Page) => page.locator(`${ROW}-save`).click();
const toast = (page: Page, text: string) => page.locator(".toast", { hasText: text }).first();
const open = async (script = true) => {
  const { context, page, complaints } = await visit(browser, both.url, admin);
  if (script) {
    await page.goto(`${both.url}/admin/settings`, { waitUntil: "load" });
    return { page, complaints, close: () => context.close() };
  }
  await context.close();
  const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1440, height: 900 } });
  const origin = new URL(both.url).origin;
  await plain.addCookies([...admin.jar].map(([name, value]) => ({ name, value, url: origin })));
  const still = await plain.newPage();
  await still.goto(`${both.url}/admin/settings`);
  return { page: still, complaints: [], close: () => plain.close() };
};

test("a price is added by keyboard, counts at once, is changed, taken away and brought back", async () => {
  const { page, complaints, close } = await open();
  await page.locator(`${ROW}-field-add`).focus();
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.activeElement.id")).toBe("set-node-prices-field-0-name");
  await page.keyboard.type("llama3*");
  await page.keyboard.press("Tab");
  await page.keyboard.type("0.10");
  await page.keyboard.press("Tab");
  await page.keyboard.type("$0.30");
  await page.keyboard.press("Enter");
  await toast(page, "Prices of single models: 1 entry").waitFor();
  expect(await prices()).toEqual({ "llama3*": { input: 100_000, output: 300_000 } });
  await waitFor("the catalogue to show the price", async () => {
    const listed = await commandJson<Output<"listModels">>(stage.executable, both.dataDirectory, ["models", "list"]);
    return listed.models[0]?.price_output === 300_000;
  });

  // Of the empty rows one is left; the buttons make more.
  for (const [row, name] of [HOSTILE, "b", "c", "d"].entries()) {
    await page.locator(`${ROW}-field-add`).click();
    await fill(page, row + 1, name, "1", "2");
  }
  await save(page);
  await toast(page, "5 entries").waitFor();
  expect(Object.keys((await prices()) as object)).toEqual(expect.arrayContaining(["llama3*", HOSTILE, "b", "c", "d"]));

  await page.getByRole("button", { name: "Remove b", exact: true }).click();
  const keep = page.getByRole("button", { name: "Keep b", exact: true });
  await keep.click();
  await page.getByRole("button", { name: "Remove c", exact: true }).click();
  await page.getByRole("button", { name: "Remove d", exact: true }).click();
  await save(page);
  const undo = await undoOf(page, "3 entries");
  expect(Object.keys((await prices()) as object)).toHaveLength(3);
  await undo.click();
  await page.getByRole("button", { name: "Remove d", exact: true }).waitFor();
  expect(Object.keys((await prices()) as object)).toHaveLength(5);
  expect(complaints).toEqual([]);
  await close();
});

test("what is wrong is told at its row and field, and nothing that was typed is lost", async () => {
  const { page, complaints, close } = await open();
  const before = await prices();
  await fill(page, 5, "a*b", "cheap", "1");
  await save(page);
  const first = cell(page, 5, "name");
  await page.locator(`${ROW}-field-5-name-why`, { hasText: "Write a model's name" }).waitFor();
  await page.locator(`${ROW}-field-5-input-why`, { hasText: "Input price must be $0.00 to" }).waitFor();
  expect([await first.inputValue(), await cell(page, 5, "input").inputValue()]).toEqual(["a*b", "cheap"]);
  expect(await page.locator(`${ROW} [aria-invalid]`).count()).toBe(2);
  await page.locator(ROW).screenshot({ path: `${shots}/settings-prices-fault.png`, caret: "initial" });
  expect(await violations(page)).toEqual([]);
  expect(await prices()).toEqual(before);
  await fill(page, 5, "a", "0.5", "1");
  await save(page);
  await toast(page, "6 entries").waitFor();
  expect(complaints.filter((one) => !one.includes("422"))).toEqual([]);
  await close();
});

test("without script there are rows for more, an emptied name takes one away, and faults keep what was typed", async () => {
  const { page, close } = await open(false);
  expect(await page.getByRole("button", { name: /^Remove|Add a model/ }).count()).toBe(0);
  expect(await page.locator(`${ROW} [name="row.name"]`).count()).toBe(9);
  const name = await cell(page, 0, "name").inputValue();
  await cell(page, 0, "name").fill("");
  await fill(page, 7, "phi4", "0.25", "free");
  await follow(page.locator(`${ROW}-save`));
  expect(await cell(page, 6, "output").inputValue()).toBe("free");
  await cell(page, 6, "output").fill("0");
  await follow(page.locator(`${ROW}-save`));
  const now = (await prices()) as Record<string, unknown>;
  expect([Object.hasOwn(now, name), now.phi4]).toEqual([false, { input: 250_000, output: 0 }]);
  await close();
});

test("of five hundred models one is found, changed and saved, and the page stays whole", async () => {
  expect((await stage.run(both, ["settings", "set", "node.prices", JSON.stringify(MANY)])).code).toBe(0);
  const { page, complaints, close } = await open();
  await page.locator(`${ROW}-field-search`).fill("el-49");
  expect(await page.locator(`${ROW} tbody tr:visible`).count()).toBe(11 + 3);
  // In it Enter looks for the model, and sends nothing.
  await page.keyboard.press("Enter");
  const found = page.locator(`${ROW} tbody tr`, { has: page.locator('[value="model-499"]') });
  await found.locator('[name="row.input"]').fill("7");
  await save(page);
  const undo = await undoOf(page, "500 entries");
  expect(await prices()).toEqual({ ...MANY, "model-499": { input: 7_000_000, output: 998 } });
  await undo.click();
  await page.locator(ROW, { has: page.locator('[value="0.000499"]') }).waitFor();
  expect(await prices()).toEqual(MANY);
  await page.locator(ROW).screenshot({ path: `${shots}/settings-500.png`, caret: "initial" });
  expect(complaints).toEqual([]);
  await close();
  expect((await stage.run(both, ["settings", "reset", "node.prices"])).code).toBe(0);
});

test("choices say what they do, and are made by keyboard", async () => {
  const { page, complaints, close } = await open();
  await page.locator("#set-accounts-signup-field-invite").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const undo = await undoOf(page, "Sign-up: Nobody");
  expect(await setting("accounts.signup")).toBe("closed");
  await undo.click();
  await page.locator("#set-accounts-signup", { hasText: "Default: By invitation" }).waitFor();
  await page.getByLabel("Restart").uncheck();
  await page.locator("#set-node-allow_commands-save").click();
  await toast(page, "Allowed commands").waitFor();
  expect(await setting("node.allow_commands")).toEqual(["models", "drain", "resume", "refresh"]);
  expect(complaints).toEqual([]);
  await close();
});

test("the page is whole in both themes, on a phone and on a wide screen, with prices and hostile names", async () => {
  const some = { [HOSTILE]: { input: 1, output: 2_500_000 }, ...Object.fromEntries(Object.entries(MANY).slice(0, 15)) };
  expect((await stage.run(both, ["settings", "set", "node.prices", JSON.stringify(some)])).code).toBe(0);
  await expectWholeEverywhere(browser, `${both.url}/admin/settings`, admin, { shots, name: "settings-both" });
});
