// The public pages in real Chromium: whole in both themes, small and large, whatever strangers call their models and
// nodes; examples that run as they stand; receipts that are verified in the browser.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { Output } from "../src/admin/operations.ts";
import { allErrors } from "../src/http/errors.ts";
import type { ReadyFrame } from "../src/protocol/frames.ts";
import { openBrowser } from "./harness/browser.ts";
import { type HostileNode, openHostileNode } from "./harness/hostile-node.ts";
import { command, commandJson, type Instance } from "./harness/instance.ts";
import { type Books, booksOf } from "./harness/money.ts";
import type { Person } from "./harness/person.ts";
import { expectWhole, expectWholeEverywhere, firstAdmin, type Look, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const CONFIG =
  '[coordinator]\nregistration = "open"\nprice_input_max = 1000000\nprice_output_max = 2000000\n[billing]\nmode = "credits"\n';
const PRICES = '[node]\nname = "gpu-1"\nregion = "eu-west"\nprice_input = 80000\nprice_output = 280000';
const MODEL = "qwen3-coder:30b";
/** Runs where markup is not escaped; none of it may. */
const HOSTILE_NAMES = [
  "!' $(touch owned) `touch owned` \\ \"",
  '<script>document.title="owned"</script>',
  '"><img src=x onerror=alert(1)>',
  "'; alert(1); '",
  "</pre></main><h1>owned</h1>",
  "javascript:alert(1)",
  "{{constructor.constructor('alert(1)')()}}",
  `\u202e${"long".repeat(60)}`,
  "$INFERNET_API_KEY",
];
/** As they are shown: nothing invisible, nothing endless. */
const shown = (name: string): string => {
  const plain = name.replaceAll("\u202e", "");
  return plain.length > 64 ? `${plain.slice(0, 63)}…` : plain;
};

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let hostile: HostileNode | undefined;
let books: Books;
let admin: Person;
let key: string;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  ({ coordinator, key } = await stage.coordinator(CONFIG));
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(async () => {
  hostile?.close();
  await stage.close();
});

const at = (path: string): string => `${coordinator.url}${path}`;
/** A page of a stranger, or of a person. */
async function open(path: string, person: Person | null = null, look: Look = {}) {
  const seen = await visit(browser, coordinator.url, person, look);
  await seen.page.goto(at(path), { waitUntil: "load" });
  return seen;
}

describe("a fresh instance", () => {
  test("says how its first admin is made, and is whole while nothing is there", async () => {
    await expectWholeEverywhere(browser, at("/"), null, { shots, name: "home-fresh" });
    const { context, page } = await open("/");
    expect(await page.locator("main").textContent()).toContain("infernet users setup-link");
    for (const path of ["/models", "/nodes"]) {
      await page.goto(at(path));
      await expectWhole(page, join(shots, `empty${path.replace("/", "-")}.png`));
    }
    await context.close();
  });

  test("shows its first node by itself", async () => {
    const { context, page, complaints } = await open("/");
    await page.locator("#stream-state.live").waitFor();
    await stage.node(coordinator, [stage.backend({ model: MODEL }).url], PRICES);
    await page.locator("#network", { hasText: "1node" }).waitFor();
    await stage.served(coordinator, MODEL);
    admin = await firstAdmin(coordinator);
    const { pubkey } = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
    hostile = await openHostileNode({ url: coordinator.url, coordinator: pubkey });
    const model = (name: string): ReadyFrame["models"][number] => ({
      name,
      context_length: 131_072,
      digest: null,
      loaded: true,
      quantization: "q4_k_m",
      demo: false,
      backend: 0,
      features: ["tools", "vision"],
    });
    await hostile.join({ name: HOSTILE_NAMES[2] ?? "", models: HOSTILE_NAMES.map(model) });
    const beats = setInterval(() => hostile?.send({ type: "heartbeat", status: "available", running: 0 }), 5_000);
    stage.onClose(() => clearInterval(beats));
    await page.locator("#network", { hasText: "2nodes" }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("each page is whole in both themes, on a phone and on a wide screen", () => {
  test.each([
    ["/", "home"],
    ["/models?order=name", "models"],
    [`/models/${encodeURIComponent(MODEL)}`, "model"],
    ["/nodes", "providers"],
    ["/check", "check"],
    ["/docs", "docs"],
  ])("%s", async (path, name) => {
    await expectWholeEverywhere(browser, at(path), null, { shots, name });
  });

  test("the reference too, which is long", async () => {
    const { context, page, complaints } = await open("/reference", null, { theme: "dark", width: 360 });
    await expectWhole(page, join(shots, "reference-dark-360.png"));
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("and the page of what is not there", async () => {
    const { context, page } = await open("/nowhere");
    expect(await page.locator("h1").textContent()).toBe("No such page");
    await expectWhole(page, join(shots, "missing.png"));
    await context.close();
  });

  test("the menu of a phone opens, leads on and closes by Escape", async () => {
    const { context, page, complaints } = await open("/", null, { width: 360 });
    await page.getByRole("button", { name: "Menu" }).click();
    await page.locator("#nav").getByRole("link", { name: "Providers" }).waitFor();
    await page.screenshot({ path: join(shots, "menu-light-360.png") });
    await page.keyboard.press("Escape");
    await page.locator("#nav").waitFor({ state: "hidden" });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("and so is the start of who is signed in, with what they may do next", async () => {
    await expectWholeEverywhere(browser, at("/"), admin, { shots, name: "home-admin" });
    const { context, page } = await open("/", admin);
    expect(await page.locator("#next-card a").evaluateAll((all) => all.map((a) => a.getAttribute("href")))).toEqual(
      expect.arrayContaining(["/playground"]),
    );
    await context.close();
  });
});

describe("hostile names", () => {
  test("are text and inert wherever they show", async () => {
    const { context, page, complaints } = await open("/models?order=name");
    const names = await page.locator("td:first-child bdi").allTextContents();
    for (const name of HOSTILE_NAMES) expect(names).toContain(shown(name));
    await page.goto(at("/nodes"));
    expect(await page.locator("td:first-child bdi").allTextContents()).toContain(HOSTILE_NAMES[2] ?? "");
    for (const name of HOSTILE_NAMES) {
      await page.goto(at("/models?order=name"));
      await page.getByRole("link", { name: shown(name), exact: true }).click();
      await page.locator("h1", { hasText: shown(name).slice(0, 20) }).waitFor();
      expect(await page.locator("img, iframe, [onerror], [onload], main script").count()).toBe(0);
      expect(await page.title()).not.toBe("owned");
    }
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("leave the call to paste one that a shell takes as it stands", async () => {
    const { context, page } = await open(`/models/${encodeURIComponent(HOSTILE_NAMES[0] ?? "")}`);
    const call = await page.locator("#call-code").textContent();
    const directory = stage.directory("shell");
    const shell = Bun.spawnSync(["sh", "-c", `${call}`.replace("curl ", 'printf "%s\\0" ')], { cwd: directory });
    expect(shell).toMatchObject({ exitCode: 0 });
    const body = JSON.parse(shell.stdout.toString().split("\0").at(-2) ?? "") as { model: string };
    expect(body.model).toBe(HOSTILE_NAMES[0] ?? "");
    expect(readdirSync(directory)).toEqual([]);
    await context.close();
  });
});

test("the catalogue is searched and a model opened by keyboard alone, and what is shown has an address", async () => {
  const { context, page, complaints } = await open("/models");
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.textContent")).toContain("Skip to content");
  await page.keyboard.press("Enter");
  await reach(page, "q");
  await page.keyboard.type("coder");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=coder/);
  await page.locator("#list tbody tr").nth(1).waitFor({ state: "detached" });
  await reach(page, "", MODEL);
  await page.keyboard.press("Enter");
  await page.waitForURL(at(`/models/${encodeURIComponent(MODEL)}`));
  expect(await page.getByRole("link", { name: "Try it" }).getAttribute("href")).toBe(
    `/playground?model=${encodeURIComponent(MODEL)}`,
  );
  await page.goBack();
  await page.locator("#list tbody tr").first().waitFor();
  expect(await page.locator("#list tbody tr").count()).toBe(1);
  expect(complaints).toEqual([]);
  await context.close();
});

/** Goes on by Tab to the field with that name, or to the link with that text. */
async function reach(page: Page, name: string, text = ""): Promise<void> {
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate<{ name: string; text: string }>(
      "({ name: document.activeElement.name ?? '', text: document.activeElement.textContent.trim() })",
    );
    if (text === "" ? at.name === name : at.text === text) return;
  }
  throw new Error(`Tab never came to ${name}${text}`);
}

describe("the docs", () => {
  test("fill a key in, keep it for the tab and send it nowhere", async () => {
    const { context, page, complaints } = await open("/docs");
    const sent: string[] = [];
    page.on("request", (request) => sent.push(`${request.url()} ${request.postData() ?? ""}`));
    await page.locator("#key-field").fill("no key");
    await page.locator("#key-why").waitFor();
    await page.locator("#key-field").fill(key);
    expect(await page.locator("#chat-curl").textContent()).toContain(`Bearer ${key}"`);
    expect(await page.locator("#chat-python").textContent()).toContain(`api_key="${key}"`);
    await page.goto(at("/reference"));
    expect(await page.locator("main").textContent()).toContain(`Bearer ${key}"`);
    await page.goto(at("/docs"));
    expect(await page.locator("#key-field").inputValue()).toBe(key);
    expect(sent.filter((one) => one.includes(key))).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
    const other = await open("/docs");
    expect(await other.page.locator("#key-field").inputValue()).toBe("");
    await other.context.close();
  });

  test("show one language at a time, chosen without a script", async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(at("/docs"));
    for (const language of ["python", "typescript", "curl"]) {
      await page.locator(`#as-${language}`).check();
      const seen = await page
        .locator("[data-as]")
        .evaluateAll((all) => all.flatMap((one) => (one.checkVisibility() ? [one.dataset.as] : [])));
      expect([seen.length, [...new Set(seen)]]).toEqual([7, [language]]);
    }
    await context.close();
  });

  test("have examples that run as they stand", async () => {
    books = await booksOf(coordinator.dataDirectory);
    stage.onClose(() => books.close());
    await books.grant(10_000_000);
    // It answers nothing, and its models come first.
    hostile?.close();
    const { context, page } = await open("/docs");
    const example = async (id: string): Promise<string> => (await page.locator(`#${id}`).textContent()) ?? "";
    await waitFor("the docs to name a model that is served", async () => {
      await page.reload();
      return (await example("chat-curl")).includes(MODEL);
    });
    const env = { ...process.env, INFERNET_API_KEY: key };
    const directory = stage.directory("examples");
    const ran = async (command: string[]): Promise<string> => {
      const child = Bun.spawn(command, { cwd: directory, env, stderr: "pipe" });
      const [out, err, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect([code, code === 0 ? "" : err]).toEqual([0, ""]);
      return out;
    };
    expect(JSON.parse(await ran(["sh", "-c", await example("chat-curl")]))).toMatchObject({
      object: "chat.completion",
    });
    expect(await ran(["sh", "-c", await example("streaming-curl")])).toContain("data: [DONE]");
    const [submit = ""] = (await example("jobs-curl")).split("\n#");
    expect(JSON.parse(await ran(["sh", "-c", submit]))).toMatchObject({ id: expect.any(String) });
    // The packages of the house are found from here.
    for (const id of ["chat", "streaming", "tools", "jobs"]) {
      const file = join(import.meta.dir, `.example-${id}-${process.pid}.ts`);
      writeFileSync(file, await example(`${id}-typescript`));
      try {
        expect([id, (await ran([process.execPath, file])).length > 0 || id === "tools"]).toEqual([id, true]);
      } finally {
        await Bun.file(file).delete();
      }
    }
    await context.close();
  });

  test("the reference tells every route and every error, and its links lead somewhere", async () => {
    const { context, page, complaints } = await open("/reference");
    const cells = (await page.locator("td").allTextContents()).map((cell) => cell.trim());
    for (const { code } of allErrors()) expect(cells).toContain(code);
    for (const field of ["messages (required)", "provider.order", "infernet.session", "webhook"])
      expect(cells).toContain(field);
    const { paths } = (await (await fetch(at("/openapi.json"))).json()) as { paths: object };
    const text = await page.locator("main").textContent();
    for (const path of Object.keys(paths))
      expect(text).toContain(path.replace(/^\/api(\/v1\/(chat|comp|emb|mod))/, "$1"));
    const links = await page
      .locator('main a[href^="#"]')
      .evaluateAll((all) => all.map((one) => one.getAttribute("href")));
    expect(links.length).toBeGreaterThan(20);
    for (const link of links) expect(await page.locator(`[id="${link?.slice(1)}"]`).count()).toBe(1);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("a link to a route unfolds it, without a script too, and no other", async () => {
    for (const javaScriptEnabled of [true, false]) {
      const context = await browser.newContext({ javaScriptEnabled, viewport: { width: 360, height: 740 } });
      const page = await context.newPage();
      await page.goto(at("/reference#get-api-v-usage"));
      await page.locator("#get-api-v-usage-call").waitFor();
      expect(await page.locator("details.fold[open] > summary h3").allTextContents()).toEqual(["GET /api/v1/usage"]);
      const line = await page.locator("details.fold[open] > summary").boundingBox();
      // Below the bars that stay in place.
      expect(line?.y).toBeGreaterThan(90);
      expect(line?.y).toBeLessThan(200);
      await context.close();
    }
  });
});

describe("the receipt checker", () => {
  let exported: string;
  const verdict = (page: Page) => page.locator("#check-result .notice");

  beforeAll(async () => {
    const receipts = () => books.receipts();
    await waitFor("a few receipts", async () => (await receipts()).length >= 3);
    type Listed = { receipts: { standing: string }[] };
    await waitFor("the node's word for them", async () => {
      const { receipts } = await commandJson<Listed>(stage.executable, coordinator.dataDirectory, ["receipts", "list"]);
      return receipts.length > 0 && receipts.every(({ standing }) => standing === "countersigned");
    });
    const file = join(stage.directory("export"), "receipts.jsonl");
    const done = await command(stage.executable, coordinator.dataDirectory, ["receipts", "export", file]);
    expect(done.code).toBe(0);
    exported = readFileSync(file, "utf8");
  });

  const asFile = (text: string) => ({
    name: "receipts.jsonl",
    mimeType: "application/json",
    buffer: Buffer.from(text),
  });
  /** The export with one byte of its last receipt changed. */
  function flipped(byte: number): string {
    const lines = exported.trimEnd().split("\n");
    const i = lines.findLastIndex((line) => line.startsWith('{"t":"receipt"'));
    const line = JSON.parse(lines[i] ?? "") as { receipt: string };
    const bytes = Buffer.from(line.receipt, "base64");
    bytes[byte] = (bytes[byte] ?? 0) ^ 1;
    lines[i] = JSON.stringify({ ...line, receipt: bytes.toString("base64") });
    return `${lines.join("\n")}\n`;
  }

  test("verifies a real export, offline, and says what is in it", async () => {
    const { context, page, complaints } = await open("/check");
    await page.waitForLoadState("networkidle");
    await context.setOffline(true);
    await page.locator("#check-file").setInputFiles(asFile(exported));
    await verdict(page).waitFor();
    expect(await verdict(page).textContent()).toContain("Verified");
    const checks = (await page.locator("#checks-card li").allTextContents()).join("\n");
    for (const part of ["vouched for by their node", "None is missing", "This network's"])
      expect(checks).toContain(part);
    expect(await page.locator("#checks-card li.bad, #checks-card li.warn").count()).toBe(0);
    const [first] = await books.receipts();
    const rows = await page.locator("#receipts-card tbody tr").allTextContents();
    expect(rows.length).toBe((await books.receipts()).length);
    expect(rows[0]).toContain(first?.attempt.slice(0, 36) ?? "?");
    expect(rows[0]).toContain(MODEL);
    expect(complaints).toEqual([]);
    await expectWhole(page, join(shots, "check-verified-light-1440.png"));
    await page.setViewportSize({ width: 360, height: 900 });
    await expectWhole(page, join(shots, "check-verified-light-360.png"));
    await context.close();
  });

  test.each([
    [0, "version 0 at byte 0"],
    [250, "fee 0 at byte 265"],
    [257, "node amount 2 at byte 257"],
    [275, "byte 275, in prompt_tokens, was changed after it was signed: it is 6 and was 7"],
    [70, "byte 70, in job_id, was changed"],
  ])("names what is wrong where byte %d is another", async (byte, says) => {
    const { context, page, complaints } = await open("/check", null, { theme: "dark" });
    await page.locator("#check-file").setInputFiles(asFile(flipped(byte)));
    await verdict(page).waitFor();
    const text = await verdict(page).textContent();
    expect(text).toContain("Does not verify");
    expect(text).toContain(says);
    expect(await page.locator("#checks-card li.bad").count()).toBe(1);
    if (byte === 275) await expectWhole(page, join(shots, "check-fault-dark-1440.png"));
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("takes what the API answers, pasted, by keyboard alone; one receipt has no word of its node", async () => {
    const { attempt = "" } = (await books.receipts()).at(0) ?? {};
    const headers = { authorization: `Bearer ${key}` };
    const document = await (await fetch(at(`/api/v1/jobs/${attempt.slice(0, 36)}/receipt`), { headers })).text();
    const { context, page, complaints } = await open("/check");
    await page.locator("#check-text").focus();
    await page.keyboard.insertText(document);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await verdict(page).waitFor();
    expect(await verdict(page).textContent()).toContain("Verified");
    expect(await page.locator("#checks-card li.warn").textContent()).toContain("coordinator-only");
    expect(await page.locator("#check-status").textContent()).toContain("Verified");
    // What is none comes to a word, and no further.
    await page.locator("#check-text").fill('<img src=x onerror=alert(1)>{"t":');
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("#check-result .notice.warn").waitFor();
    expect(await verdict(page).textContent()).toContain("Not readable");
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("takes a file that is dropped, and tells receipts of another network from ours", async () => {
    const { context, page, complaints } = await open("/check");
    await page.evaluate(`{
      const data = new DataTransfer();
      data.items.add(new File([${JSON.stringify(exported)}], "receipts.jsonl"));
      document.getElementById("checker").dataset.own = "0".repeat(64);
      document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }`);
    await verdict(page).waitFor();
    expect(await verdict(page).textContent()).toContain("Verified");
    expect(await page.locator("#checks-card li.warn").textContent()).toContain("Another network's");
    expect(complaints).toEqual([]);
    await context.close();
  });
});
