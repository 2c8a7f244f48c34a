// Pages of money in a real browser, on real processes: credit granted, spent, told of and checked; a deposit paid on a real
// chain from the code on the screen; payouts that are stuck.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import jsQR from "jsqr";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import { command, type Instance } from "./harness/instance.ts";
import { type Books, booksOf, faultsOf } from "./harness/money.ts";
import { MODEL, openPaidWorld, type PaidWorld, payUrl, TOKEN, waitOnChain } from "./harness/paid-world.ts";
import type { Person } from "./harness/person.ts";
import { expectWholeEverywhere, firstAdmin, follow, THEMES, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const HOSTILE = '<img src=x onerror=alert(1)>"\u202egnp.exe';
const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 10 };

let stage: Stage;
let browser: Browser;
let shots: string;
beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(() => stage.close());

describe("credits", () => {
  let coordinator: Instance;
  let key: string;
  let admin: Person;
  let books: Books;
  beforeAll(async () => {
    const prices = `[coordinator]\nprice_output_max = ${TOKEN * 1_000_000}\n[billing]\nmode = "credits"`;
    ({ coordinator, key } = await stage.coordinator(prices));
    admin = await firstAdmin(coordinator);
    const backend = stage.backend();
    await stage.node(coordinator, [backend.url], `[node]\nprobe = false\nprice_output = ${TOKEN * 1_000_000}`);
    await stage.served(coordinator, MODEL);
    books = await booksOf(coordinator.dataDirectory);
    stage.onClose(() => books.close());
  });

  const ask = () =>
    fetch(`${coordinator.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(chat),
    });

  test("granted by keyboard alone, spent by a call, told of in the statement, and it all adds up", async () => {
    expect((await ask()).status).toBe(402);
    const { context, page, complaints } = await visit(browser, coordinator.url, admin);
    await page.goto(`${coordinator.url}/admin/money/account?id=account%2Flocal`);
    await page.locator("#grant-usd").focus();
    await page.keyboard.type("0.01");
    await page.keyboard.press("Tab");
    await page.keyboard.type(HOSTILE);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Grant credit: $0.01?" }).waitFor();
    await page.locator("button:focus", { hasText: "Grant credit" }).waitFor();
    await page.keyboard.press("Enter");
    await page.locator(".toast", { hasText: "$0.01 granted" }).waitFor();
    expect((await books.client()).balance).toBe(10_000);

    expect((await ask()).status).toBe(200);
    await books.settled();
    const [receipt] = await books.receipts();
    const left = 10_000 - (receipt?.gross ?? 0);
    expect(left).toBeLessThan(10_000);
    await page.goto(`${coordinator.url}/billing`);
    const statement = page.locator("#statement-card");
    await statement.getByRole("link", { name: (receipt?.attempt ?? "").slice(0, 13) }).waitFor();
    expect(await statement.textContent()).toContain("<img src=x onerror=alert(1)>");
    expect(await page.locator("#figures").textContent()).toContain(`$0.00${`${left}`.padStart(4, "0").slice(0, 1)}`);
    const file = (await admin.get("/billing/statement?from=1970-01-01&format=json")).body as {
      statement: { amount_micro_usd: number }[];
      closing_micro_usd: number;
    };
    expect(file.statement.reduce((sum, row) => sum + row.amount_micro_usd, 0)).toBe(left);
    expect(file.closing_micro_usd).toBe(left);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("the ledger is checked with a click, and the command tells of the same look", async () => {
    const { context, page, complaints } = await visit(browser, coordinator.url, admin);
    await page.goto(`${coordinator.url}/admin/money/check`);
    await page.getByRole("button", { name: "Check the ledger" }).click();
    await page.getByRole("heading", { name: "The books are right" }).waitFor();
    const right = page.locator("#found-card .list > li.ok");
    await right.nth(19).waitFor();
    expect(await right.count()).toBe(20);
    const { code, stdout } = await stage.run(coordinator, ["doctor", "--ledger", "--json"]);
    expect([code, JSON.parse(stdout).good, JSON.parse(stdout).checks.length]).toEqual([0, true, 20]);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("a receipt comes as a file that verifies elsewhere", async () => {
    const { context, page } = await visit(browser, coordinator.url, admin);
    await page.goto(`${coordinator.url}/my/receipts?of=paid`);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page
        .getByRole("link", { name: /^Download receipt/ })
        .first()
        .click(),
    ]);
    const checked = await command(stage.executable, stage.directory("elsewhere"), [
      ...["receipts", "verify", await download.path(), "--json"],
    ]);
    expect([checked.code, JSON.parse(checked.stdout)]).toEqual([0, expect.objectContaining({ receipts: 1 })]);
    await context.close();
  });

  for (const [name, path] of [
    ["billing", "/billing"],
    ["earnings", "/my/earnings"],
    ["receipts", "/my/receipts"],
    ["admin-money", "/admin/money"],
    ["accounts", "/admin/money/accounts"],
    ["account", "/admin/money/account?id=account%2Flocal"],
    ["ledger-check", "/admin/money/check"],
  ] as const) {
    test(`${path} is whole in both themes, on a phone and on a wide screen`, async () => {
      await expectWholeEverywhere(browser, coordinator.url + path, admin, { shots, name: `money-${name}` });
    });
  }
});

describe("on the chain", () => {
  let world: PaidWorld;
  let admin: Person;
  let reference: string;
  beforeAll(async () => {
    world = await openPaidWorld(stage, "[payouts]\nminimum = 0");
    admin = await firstAdmin(world.coordinator);
  });

  test("a deposit is paid from the code on the screen, in both themes, and credited while one looks on", async () => {
    const { url } = world.coordinator;
    const { context, page, complaints } = await visit(browser, url, admin);
    await page.goto(`${url}/billing`);
    await page.getByLabel("Amount in dollars").fill("five");
    await page.getByRole("button", { name: "Show code to pay" }).click();
    await page.getByText("That is no amount above zero").waitFor();
    expect(await page.getByLabel("Amount in dollars").inputValue()).toBe("five");
    await page.getByLabel("Amount in dollars").fill("0.005");
    await page.getByRole("button", { name: "Show code to pay" }).click();
    await page.locator("img.qr").waitFor();
    await page.getByText("Waiting for the payment").waitFor();
    reference = decodeURIComponent(new URL(page.url()).pathname.split("/").at(-1) ?? "");
    const wallet = await page.getByRole("link", { name: "Open in wallet" }).getAttribute("href");
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      await waitFor("the code to be read", async () => (await codeOn(page)) === wallet);
    }
    await payUrl(world, wallet ?? "", 5_000n);
    await world.on.advance(3);
    await page.getByText("Seen on the chain, waiting until it is final").waitFor();
    expect((await world.books.client()).balance).toBe(0);
    await world.on.finalize();
    await page.getByText("Final, credited $0.005").waitFor();
    expect((await world.books.client()).balance).toBe(5_000);
    expect(complaints.filter((line) => !line.includes("422"))).toEqual([]);
    await context.close();
  });

  test("a payout that the treasury does not approve is stuck: why, tried again, written off by its id", async () => {
    const { on, ask, books, node, coordinator } = world;
    expect((await ask("/v1/chat/completions", { method: "POST", body: chat })).status).toBe(200);
    await books.settled();
    const wallet = await on.wallet(0n);
    await on.finalize();
    const blocks = setInterval(() => world.chain.advance(20), 100);
    await command(stage.executable, node.dataDirectory, ["payout", "--json", "--wallet", wallet.address]);
    clearInterval(blocks);
    const stuck = async () => (await adminPayouts())[0];
    const id = (await waitOnChain(world, "a stuck payout", stuck))?.id ?? "";
    const { context, page, complaints } = await visit(browser, coordinator.url, admin);
    await page.goto(`${coordinator.url}/admin/money`);
    await follow(page.getByRole("link", { name: "See why" }));
    await follow(page.getByRole("link", { name: id.slice(0, 8) }));
    await page.getByText("Whoever pays it has revoked the approval.").waitFor();
    await page.getByLabel("Reason").fill(HOSTILE);
    await page.getByLabel(`Type ${id.slice(0, 8)} to confirm`).fill("nothing");
    await page.getByRole("button", { name: "Write off" }).click();
    await page.locator("#confirm-why").waitFor();
    expect(await page.getByLabel("Reason").inputValue()).toBe(HOSTILE);
    await page.getByLabel(`Type ${id.slice(0, 8)} to confirm`).fill(id.slice(0, 8));
    await page.getByRole("button", { name: "Write off" }).click();
    await page.locator(".toast", { hasText: "Payout written off" }).waitFor();
    await page.goto(`${coordinator.url}/my/earnings`);
    await page.locator("#payouts-card", { hasText: "Written off" }).waitFor();
    expect(faultsOf(await books.check())).toEqual([]);
    expect(complaints.filter((line) => !line.includes("422"))).toEqual([]);
    await context.close();
  });
  const adminPayouts = async (): Promise<{ id: string }[]> =>
    JSON.parse((await stage.run(world.coordinator, ["payouts", "list", "--state", "stuck", "--json"])).stdout);

  for (const [name, path] of [
    ["deposit", () => `/billing/deposits/${reference}`],
    ["allowance", () => "/billing/allowance"],
    ["payouts", () => "/admin/money/payouts"],
    ["chain", () => "/admin/money/chain"],
  ] as const) {
    test(`the page of ${name} is whole in both themes, on a phone and on a wide screen`, async () => {
      await expectWholeEverywhere(browser, world.coordinator.url + path(), admin, { shots, name: `money-${name}` });
    });
  }
});

/** What a phone reads of the page as it is on the screen. */
async function codeOn(page: Page): Promise<string> {
  const png = (await page.locator("img.qr").screenshot()).toString("base64");
  const context = await browser.newContext();
  const blank = await context.newPage();
  const { data, width, height } = (await blank.evaluate(`(async () => {
    const image = new Image();
    image.src = "data:image/png;base64,${png}";
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data, width, height } = canvas.getImageData(0, 0, image.width, image.height);
    return { data: [...data], width, height };
  })()`)) as { data: number[]; width: number; height: number };
  await context.close();
  return jsQR(new Uint8ClampedArray(data), width, height)?.data ?? "";
}
