// The playground in a real browser, with real processes; the backends are scripted, so that moment and text are exact.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { createJoinToken, type Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { expectWhole, expectWholeEverywhere, firstAdmin, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const ALPHA = "alpha:8b";
const BETA = "beta:70b";
const GOES_ON = "continuing";

let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let admin: Person;
let shots: string;
let alpha: FaultBackend;
let beta: FaultBackend;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  coordinator = await stage.start({ mode: "coordinator", config: "[coordinator]\nresume_grace_s = 1\n" });
  admin = await firstAdmin(coordinator);
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(() => stage.close());

const url = (query = "") => `${coordinator.url}/playground${query}`;
const both = () => url(`?model=${encodeURIComponent(ALPHA)}&model=${encodeURIComponent(BETA)}`);
async function ask(page: Page, text: string): Promise<void> {
  await page.locator("#message").fill(text);
  await page.locator("#message").press("Enter");
}
const said = (page: Page, text: string) => page.locator("#said", { hasText: text }).waitFor({ state: "attached" });
const held = (backend: FaultBackend, sent: number) =>
  waitFor(`${backend.model} to hold`, () => {
    const last = backend.requests.at(-1);
    return last?.state === "held" && last.sent === sent;
  });

test("where no model is served, it says so", async () => {
  await expectWholeEverywhere(browser, url(), admin, { shots, name: "playground-empty" });
  const { context, page } = await visit(browser, url(), admin);
  await page.goto(url());
  await page.getByRole("link", { name: "Connect a node" }).waitFor();
  await context.close();
  alpha = stage.backend({ model: ALPHA });
  beta = stage.backend({ model: BETA });
  await Promise.all([
    stage.node(coordinator, [alpha.url], '[node]\nname = "aurora-3"'),
    stage.node(coordinator, [beta.url], '[node]\nname = "cedar-2"'),
  ]);
  await stage.served(coordinator, ALPHA);
  await stage.served(coordinator, BETA);
});

test("two models answer side by side; it is whole in both themes, on a phone and on a wide screen", async () => {
  const answer = "Let me see.\n\n```python\nprint('hello')\n```\nThat is all.";
  const tokens = [{ reasoning_content: "They want code." }, ...answer.match(/.{1,9}/gs)!];
  const ready = async (page: Page) => {
    alpha.scriptNext({ tokens });
    await ask(page, "Explain back-pressure to a barista, in three sentences.");
    await said(page, `${ALPHA} has answered. ${BETA} has answered.`);
    await page.locator("#talk-0 pre.code", { hasText: "print('hello')" }).waitFor();
    await page.locator("#talk-0 .route", { hasText: "aurora-3" }).waitFor();
    await page.locator("#talk-1 .route", { hasText: "cedar-2" }).waitFor();
    expect(await page.locator("#talk-1 .answer").last().textContent()).toBe(PLAIN_TEXT);
  };
  await expectWholeEverywhere(browser, both(), admin, { shots, name: "playground", ready });
});

test("the conversation goes on; the code is the call that was made; it can be asked again, and cleared", async () => {
  const { context, page, complaints } = await visit(browser, url(), admin);
  await page.goto(url(`?model=${encodeURIComponent(ALPHA)}`));
  await page.getByLabel("System prompt").fill("Be brief.");
  await page.getByLabel("Longest answer, tokens").fill("77");
  await ask(page, "First?");
  await said(page, "has answered");
  await page.locator("#message").fill('Second? It\'s "so".');
  const code = (await page.locator("#call-code").textContent()) ?? "";
  expect(code).toContain(`curl -N ${coordinator.url}/v1/chat/completions`);
  const shown = JSON.parse(/-d '(.*)'$/s.exec(code)![1]!.replaceAll("'\\''", "'")) as Record<string, unknown>;
  await page.locator("#message").press("Enter");
  await page.locator("#talk-0 .turn:nth-child(2) .foot a", { hasText: "Job" }).waitFor();
  const got = alpha.requests.at(-1)!.body;
  for (const field of ["model", "messages", "max_tokens", "temperature", "stream"]) {
    expect([field, got[field]]).toEqual([field, shown[field]]);
  }
  expect(got.messages).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "First?" },
    { role: "assistant", content: PLAIN_TEXT },
    { role: "user", content: 'Second? It\'s "so".' },
  ]);
  for (const [language, has] of [
    ["Python", "client.chat.completions.create("],
    ["TypeScript", "process.env.INFERNET_API_KEY"],
  ] as const) {
    await page.locator("#call-language").selectOption(language);
    expect(await page.locator("#call-code").textContent()).toContain(has);
  }
  const before = await page.locator("#talk-0 .turn").last().getAttribute("id");
  await page.getByRole("button", { name: "Answer again" }).click();
  await waitFor("another turn in its place", async () => {
    const [turns, last] = [page.locator("#talk-0 .turn"), page.locator("#talk-0 .turn").last()];
    return (
      (await turns.count()) === 2 &&
      (await last.getAttribute("id")) !== before &&
      (await last.locator("text=Job").count()) === 1
    );
  });
  expect(alpha.requests.at(-1)!.body.messages).toEqual(got.messages!);
  await page.getByRole("link", { name: "Clear" }).click();
  expect(await page.locator(".turn").count()).toBe(0);
  await ask(page, "Anew?");
  await said(page, "has answered");
  expect(alpha.requests.at(-1)!.body.messages).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "Anew?" },
  ]);
  expect(complaints).toEqual([]);
  await context.close();
});

test("with the keyboard alone: send, stop, and go on from what came; backends are left at once", async () => {
  const { context, page, complaints } = await visit(browser, both(), admin);
  await page.goto(both());
  alpha.scriptNext({ holdAfter: 2 });
  beta.scriptNext({ holdAfter: 0 });
  await page.locator("#message").focus();
  await page.keyboard.type("One line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  await page.keyboard.press("Enter");
  await Promise.all([held(alpha, 2), held(beta, 0)]);
  expect(alpha.requests.at(-1)!.body.messages).toEqual([{ role: "user", content: "One line\ntwo" }]);
  await page.locator("#talk-0 .answer", { hasText: "Hello from" }).waitFor();
  // Pressing Enter again while they write sends nothing, and loses nothing.
  await page.keyboard.type("Next");
  await page.keyboard.press("Enter");
  expect(await page.locator("#message").inputValue()).toBe("Next");
  for (let i = 0; i < 3 && (await page.evaluate("document.activeElement.id")) !== "stop"; i++)
    await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await waitFor("both backends to be left", () => alpha.open() === 0 && beta.open() === 0);
  await page.locator("#talk-0 .turn", { hasText: "Stopped" }).waitFor();
  expect(await page.evaluate("document.activeElement.id")).toBe("message");
  await page.keyboard.press("Enter");
  await said(page, `${ALPHA} has answered. ${BETA} has answered.`);
  expect(alpha.requests.at(-1)!.body.messages).toEqual([
    { role: "user", content: "One line\ntwo" },
    { role: "assistant", content: "Hello from" },
    { role: "user", content: "Next" },
  ]);
  expect(beta.requests.at(-1)!.body.messages).toEqual([{ role: "user", content: "Next" }]);
  expect(complaints).toEqual([]);
  await context.close();
});

test("a second model comes and goes without losing the conversation; who leaves the page ends its jobs", async () => {
  const { context, page } = await visit(browser, url(), admin);
  await page.goto(url(`?model=${encodeURIComponent(ALPHA)}`));
  await ask(page, "Hello");
  await said(page, "has answered");
  await page.getByRole("link", { name: "Two" }).click();
  await page.locator("#model-1").selectOption(BETA);
  expect(await page.locator("#talk-0 .turn").count()).toBe(1);
  beta.scriptNext({ holdAfter: 1 });
  await ask(page, "And now?");
  await held(beta, 1);
  await page.goto("about:blank");
  await waitFor("the backend to be left", () => beta.open() === 0);
  await context.close();
});

test("a node that is killed in mid-answer: the way shows it struck through, and who went on", async () => {
  const pairs = await Promise.all(
    ["dune", "cedar-1"].map(async (name) => {
      const backend = stage.backend({ model: GOES_ON });
      const token = await createJoinToken(stage.executable, coordinator);
      const config = `[node]\nname = "${name}"\njoin_token = "${token}"\nbackends = [{ kind = "llamacpp", url = "${backend.url}" }]\n`;
      return { name, backend, node: await stage.start({ mode: "node", config }) };
    }),
  );
  await stage.served(coordinator, GOES_ON, 2);
  for (const { backend } of pairs) backend.script({ holdAfter: 2 });
  const { context, page, complaints } = await visit(browser, url(), admin);
  await page.goto(url(`?model=${GOES_ON}`));
  await ask(page, "Go on");
  const busy = await waitFor("one to hold", () =>
    pairs.find(({ backend }) => backend.requests.at(-1)?.state === "held"),
  );
  const other = pairs.find((pair) => pair !== busy)!;
  await page.locator("#talk-0 .answer", { hasText: "Hello from" }).waitFor();
  other.backend.script({ holdAfter: null, tokens: [" here", " on."] });
  await busy.node.kill9();
  await said(page, "has answered");
  const way = page.locator("#talk-0 .route");
  await way.filter({ hasText: other.name }).waitFor();
  expect(((await way.textContent()) ?? "").replace(/\s+/g, "")).toContain(`${busy.name}lostwentonwith${other.name}`);
  expect(await way.locator("s").textContent()).toBe(busy.name);
  expect(await page.locator("#talk-0 .answer").last().textContent()).toBe("Hello from here on.");
  await expectWhole(page, `${shots}/playground-went-on.png`);
  expect(complaints).toEqual([]);
  await context.close();
});

test("hostile questions and answers are text", async () => {
  const hostile = [
    "<script>window.hit = 1</script><img src=x onerror='window.hit = 2'>",
    "</div></hx-partial><hx-partial hx-target='h1' hx-swap='innerHTML'>owned</hx-partial>",
    "\ndata: <b>x</b>\n\nevent: toast\ndata: {}\n\n",
    "\u202eabc\u202c \u0000\u0007 <svg onload='window.hit = 3'>",
    "```\n</pre><script>window.hit = 4</script>\n```",
    "w".repeat(10_000),
  ];
  alpha.scriptNext({ tokens: hostile });
  const { context, page, complaints } = await visit(browser, url(), admin);
  await page.goto(url(`?model=${encodeURIComponent(ALPHA)}`));
  await ask(page, hostile.join("\n"));
  await said(page, "has answered");
  await page.locator("#talk-0 .turn .foot a", { hasText: "Job" }).waitFor();
  expect(await page.evaluate("window.hit")).toBeUndefined();
  expect(await page.locator("h1").textContent()).toBe("Playground");
  expect(await page.locator("#talk-0 .turn").textContent()).toContain("<script>window.hit = 1</script>");
  expect(await page.locator("#talk-0 img, #talk-0 script, .toast").count()).toBe(0);
  await expectWhole(page, `${shots}/playground-hostile.png`);
  await ask(page, "again");
  await waitFor("the conversation as it was", () => {
    const messages = alpha.requests.at(-1)!.body.messages!;
    return messages.length === 3 && messages[1]!.content.includes("window.hit = 4");
  });
  expect(complaints).toEqual([]);
  await context.close();
});

test("what fails is said in the answer's place, with what to do", async () => {
  alpha.script({ status: 500 });
  const { context, page, complaints } = await visit(browser, url(), admin);
  await page.goto(url(`?model=${encodeURIComponent(ALPHA)}`));
  await ask(page, "Hello");
  await said(page, "did not answer");
  const again = page.locator("#talk-0 .notice").getByRole("button", { name: "Try again" });
  await again.waitFor();
  await expectWhole(page, `${shots}/playground-failed.png`);
  alpha.script({ status: null });
  await again.click();
  await said(page, "has answered");
  expect(await page.locator("#talk-0 .turn").count()).toBe(1);
  expect(complaints).toEqual([]);
  await context.close();
});

test("without script the page comes back with the answer in it", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const { origin } = new URL(coordinator.url);
  await context.addCookies([...admin.jar].map(([name, value]) => ({ name, value, url: origin })));
  const page = await context.newPage();
  await page.goto(url(`?model=${encodeURIComponent(ALPHA)}`));
  await page.locator("#message").fill("Hello");
  await page.locator("#send").click();
  await page.locator("#talk-0 .answer", { hasText: PLAIN_TEXT }).waitFor();
  await page.locator("#message").fill("And more");
  await page.locator("#send").click();
  await page.locator("#talk-0 .you", { hasText: "And more" }).waitFor();
  expect(alpha.requests.at(-1)!.body.messages).toHaveLength(3);
  await context.close();
});
