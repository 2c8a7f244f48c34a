// The pages of jobs in a real browser: lists and a job's own page, live, while nodes die, with names that want to be more
// than names. Real processes; the backends are scripted.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import { type Client, client } from "./harness/client.ts";
import type { FaultBackend } from "./harness/fault-backend.ts";
import { createJoinToken, type Instance } from "./harness/instance.ts";
import { booksOf } from "./harness/money.ts";
import { Person } from "./harness/person.ts";
import { expectWhole, expectWholeEverywhere, firstAdmin, follow, visit } from "./harness/site.ts";
import { readChat } from "./harness/sse.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const MODEL = "qwen3-coder:30b";
const SLOW = "gemma3:27b";
const HOSTILE = `"><script>document.title='x'</script><img src=x onerror=document.title='x'>\u202egnp`;
const PASSWORD = "another horse battery";
/** µ$. */
const PLENTY = 1_000_000_000;

type Pair = { backend: FaultBackend; node: Instance };
let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let admin: Person;
let shots: string;
let pairs: Pair[];
let slow: Pair;
let api: Client;

async function pairOf(name: string, model: string, slots = 4): Promise<Pair> {
  const backend = stage.backend({ model });
  const token = await createJoinToken(stage.executable, coordinator);
  const config = `[node]\nname = ${JSON.stringify(name)}\nprobe = false\nslots = ${slots}\njoin_token = "${token}"\nbackends = [{ kind = "llamacpp", url = "${backend.url}" }]\n`;
  return { backend, node: await stage.start({ mode: "node", config }) };
}
async function keyOf(person: Person, name: string): Promise<string> {
  const { body } = await person.post("/api/v1/account/keys", { name });
  return String((body.data as { key?: string } | undefined)?.key ?? body.key);
}

beforeAll(async () => {
  stage = await openStage({ charges: true });
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  ({ coordinator } = await stage.coordinator("[coordinator]\nresume_grace_s = 1\n"));
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
  admin = await firstAdmin(coordinator);
  const { body } = await admin.get("/api/v1/account");
  const books = await booksOf(coordinator.dataDirectory);
  await books.grant(PLENTY, (body.account as { id: string }).id);
  await books.close();
  const key = await keyOf(admin, "laptop");
  api = client(() => coordinator.url, key, MODEL);
  pairs = await Promise.all(["cedar-1", "cedar-2"].map((name) => pairOf(name, MODEL)));
  slow = await pairOf("dune", SLOW, 1);
  await stage.served(coordinator, MODEL, 2);
  await stage.served(coordinator, SLOW);
});
afterAll(() => stage.close());

const open = (person: Person, look = {}) => visit(browser, coordinator.url, person, look);
const text = (page: Page, selector: string) => page.locator(selector).textContent();
const timeline = (page: Page) => page.locator(".timeline h3").allInnerTexts();

/** The pair that holds an answer after so many pieces, and the other one. */
async function holder(sent: number): Promise<{ busy: Pair; other: Pair }> {
  const holds = ({ backend }: Pair) => {
    const last = backend.requests.at(-1);
    return last?.state === "held" && last.sent === sent;
  };
  const busy = await waitFor(`a backend to hold after ${sent} pieces`, () => pairs.find(holds));
  const other = pairs.find((pair) => pair !== busy);
  if (!other) throw new Error("there are two");
  return { busy, other };
}

describe("a job whose node is killed in the middle of its answer", () => {
  let id: string;

  test("is followed from try to try, up to its end, without loading anything anew", async () => {
    for (const { backend } of pairs) backend.scriptNext({ tokens: ["Hello", " from", " nobody"], holdAfter: 2 });
    const response = await api.chat({ stream: true, max_tokens: 20 });
    id = `${response.headers.get("x-infernet-job")}`;
    const reading = readChat(response);
    const { busy, other } = await holder(2);
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/jobs/${id}`);
    await page.locator("#timeline-card h3", { hasText: "answers" }).waitFor();
    await page.locator("#answer", { hasText: "Hello from" }).waitFor();
    await page.evaluate("window.sameDocument = true");
    await expectWhole(page, `${shots}/job-running.png`);
    other.backend.scriptNext({ tokens: [" the", " scripted", " backend."], holdAfter: 2 });
    await busy.node.kill9();
    await page.locator("#timeline-card h3", { hasText: "Try 2 on" }).waitFor();
    await waitFor("the second to hold", () => other.backend.requests.at(-1)?.state === "held");
    other.backend.release();
    expect((await reading).text).toBe("Hello from the scripted backend.");
    await page.locator("#job-state", { hasText: "Done in" }).waitFor();
    await page.locator("#stream-state").waitFor({ state: "detached" });
    const [first, second] = [busy, other].map((pair) => (pair === pairs[0] ? "cedar-1" : "cedar-2"));
    expect(await timeline(page)).toEqual([
      // It tells of the wait where dispatching took its time.
      expect.stringMatching(/^(Asked for|Queued)$/),
      `Try 1 on ${first}`,
      "First token",
      `Link to ${first} lost`,
      ...(await timeline(page)).filter((title) => title === "Waited for the next try"),
      `Try 2 on ${second}`,
      "Done",
    ]);
    const said = await text(page, ".timeline");
    expect(said).toContain(`2 tokens were delivered. ${second} goes on from there.`);
    expect(said).toContain("Continues the text; the client saw a pause of");
    expect(said).toContain("2 receipts.");
    expect(await page.locator("svg.lanes title").allTextContents()).toEqual([
      expect.stringContaining(`try 1 on ${first}`),
      expect.stringContaining(`try 2 on ${second}`),
    ]);
    expect(await text(page, "#figures")).toContain("Output5tokens");
    expect(await text(page, "#figures")).toContain("1 failed, 1 continued");
    expect(await text(page, "#content-card")).toContain("Not kept");
    expect(await text(page, "#why-card")).toContain("Strategy: balanced");
    expect(await page.evaluate("window.sameDocument")).toBe(true);
    expect(complaints).toEqual([]);
    await context.close();
    busy.node = await stage.restart(busy.node);
    await stage.served(coordinator, MODEL, 2);
  });

  test("its page is whole in both themes, on a phone and on a wide screen", async () => {
    await expectWholeEverywhere(browser, `${coordinator.url}/jobs/${id}`, admin, { shots, name: "job" });
  });

  test("its receipts are a file that the checker takes, and its call is copied", async () => {
    const { context, page } = await open(admin);
    await page.goto(`${coordinator.url}/jobs/${id}`);
    const loading = page.waitForEvent("download");
    await page.getByRole("link", { name: "2 receipts" }).click();
    expect((await loading).suggestedFilename()).toBe(`receipts-${id}.json`);
    const call = await page.getByRole("button", { name: "Copy as curl" }).getAttribute("data-text");
    expect(call).toContain(`/api/v1/jobs/${id}`);
    await context.close();
  });
});

describe("a job that waits", () => {
  test("says what for, is seen to start, and is cancelled by keyboard alone", async () => {
    slow.backend.scriptNext({ holdAfter: 1 });
    const first = await api.submitted({ model: SLOW });
    await waitFor("the first to hold", () => slow.backend.requests.at(-1)?.state === "held");
    const id = await api.submitted({ model: SLOW, messages: [{ role: "user", content: "Wait for me" }] });
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/jobs/${id}`);
    await page.locator("h3", { hasText: "Waiting" }).waitFor();
    expect(await text(page, ".timeline")).toContain(`No node with ${SLOW} has room.`);
    expect(await text(page, "#content-card")).toContain("Wait for me");
    expect(await text(page, "#why-card")).toContain("No node has it yet.");
    slow.backend.scriptNext({ holdAfter: 1 });
    slow.backend.release();
    await page.locator("#job-state", { hasText: "Running" }).waitFor();
    await page.getByRole("button", { name: "Cancel" }).focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog#confirm[open]").waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent.trim()")).toBe("Cancel job");
    await page.keyboard.press("Enter");
    await page.locator("#job-state", { hasText: "Cancelled after" }).waitFor();
    await page.locator("#stream-state").waitFor({ state: "detached" });
    expect((await timeline(page)).at(-1)).toBe("Cancelled");
    expect(await page.getByRole("button", { name: "Cancel" }).count()).toBe(0);
    expect((await api.job(id)).status).toBe("cancelled");
    expect((await api.jobIn(first, ["completed"])).status).toBe("completed");
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("a job that fails", () => {
  let id: string;
  test("shows each try, its cause, what to do, and its code", async () => {
    for (const { backend } of pairs) backend.script({ status: 500 });
    id = await api.submitted({ max_tokens: 5 });
    await api.jobIn(id, ["failed"]);
    for (const { backend } of pairs) backend.script({ status: null });
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/jobs/${id}`);
    const titles = await timeline(page);
    expect(titles.filter((title) => / failed$/.test(title)).length).toBeGreaterThan(1);
    expect(titles.at(-1)).toBe("Failed");
    const said = await text(page, ".timeline");
    expect(said).toContain("Its engine failed");
    expect(said).toContain("Nothing was delivered, nothing is charged.");
    expect(await page.locator(".timeline code").last().textContent()).toBe("backend_failed");
    await expectWhole(page, `${shots}/job-failed.png`);
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("the list", () => {
  test("has the live ones above, changes in place, and offers what is new without jumping", async () => {
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/jobs`);
    await page.locator("#stream-state.live").waitFor();
    const before = await page.locator("#rows tr").count();
    expect(before).toBeGreaterThan(2);
    slow.backend.scriptNext({ holdAfter: 2 });
    const id = await api.submitted({ model: SLOW });
    await page.locator("#now-card", { hasText: "1 running" }).waitFor();
    await page.locator(`#now-rows #job-${id}`, { hasText: "dune" }).waitFor();
    await expectWhole(page, `${shots}/jobs-now.png`);
    slow.backend.release();
    const news = page.locator("#news");
    await news.getByText("1 new job").waitFor();
    expect(await page.locator("#rows tr").count()).toBe(before);
    await news.click();
    await page.locator(`#rows #job-${id}`, { hasText: "Done" }).waitFor();
    await page.locator("#news").waitFor({ state: "hidden" });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("is filtered in place, under an address that can be shared, and as a file", async () => {
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/jobs`);
    await page.getByLabel("State").selectOption("failed");
    await page.waitForURL(/state=failed/);
    await page.locator("#jobs-list", { hasText: "Jobs that fit" }).waitFor();
    expect(await page.locator("#rows .status").allInnerTexts()).toEqual(["Failed"]);
    const shared = page.url();
    await page.getByLabel("Search").fill("dune");
    await page.getByLabel("Search").press("Enter");
    await page.getByText("No job fits").waitFor();
    await page.goto(shared);
    expect(await page.locator("#rows .status").allInnerTexts()).toEqual(["Failed"]);
    const loading = page.waitForEvent("download");
    await page.getByRole("link", { name: "Export CSV" }).click();
    expect((await loading).suggestedFilename()).toBe("jobs.csv");
    const csv = await admin.ask("GET", `/jobs.csv${new URL(shared).search}`);
    expect(csv.status).toBe(200);
    await page.goto(`${coordinator.url}/jobs?q=nobody+of+that+name`);
    await page.getByText("Nothing is called that").waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("shows what was chosen last, whatever is still waited for", async () => {
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/jobs`);
    let asked = 0;
    // The first is never answered.
    await page.route(/\/jobs\?/, (route) => (asked++ === 0 ? undefined : route.continue()));
    await page.getByLabel("Kind").selectOption("async");
    await waitFor("the first to be asked", () => asked === 1);
    await page.getByLabel("State").selectOption("failed");
    await page.waitForURL(/state=failed&model=&kind=async/);
    await page.locator("#jobs-list", { hasText: "Jobs that fit" }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("is whole everywhere: with jobs, filtered down to none, and for all accounts", async () => {
    await expectWholeEverywhere(browser, `${coordinator.url}/admin/jobs`, admin, { shots, name: "jobs-admin" });
    const { context, page, complaints } = await open(admin, { width: 360 });
    for (const [name, path] of [
      ["jobs", "/jobs"],
      ["jobs-none", "/jobs?model=nothing"],
    ] as const) {
      await page.goto(coordinator.url + path);
      await expectWhole(page, `${shots}/${name}.png`);
    }
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("usage", () => {
  test("is whole everywhere, and its choices are links", async () => {
    await expectWholeEverywhere(browser, `${coordinator.url}/usage`, admin, { shots, name: "usage" });
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/usage?by=key&show=requests`);
    expect(await page.locator("#usage-rows tr").allInnerTexts()).toEqual([expect.stringContaining("laptop")]);
    await follow(page.getByRole("link", { name: "By day" }));
    await follow(page.getByRole("link", { name: "7 d", exact: true }));
    // Two where a midnight came between.
    expect(await page.locator("#usage-rows tr").count()).toBeWithin(1, 3);
    expect(await page.locator("svg.stacks title").count()).toBe(7);
    await follow(page.getByRole("link", { name: "By model" }));
    expect(await page.locator(".blocks li").allInnerTexts()).toEqual(expect.arrayContaining([MODEL, SLOW]));
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("names that want to be more", () => {
  test("are text in lists, on a job's page and in its usage", async () => {
    const hostile = await pairOf("evil<b>node</b>", HOSTILE);
    await stage.served(coordinator, HOSTILE);
    const key = await keyOf(admin, `<img src=x onerror="document.title='x'">`);
    const theirs = client(() => coordinator.url, key, HOSTILE);
    hostile.backend.scriptNext({ tokens: ["<script>document.title='x'</script>", "\u202e", "<svg onload=1>"] });
    const id = await theirs.submitted({ messages: [{ role: "user", content: `${HOSTILE.repeat(100)}\u0007` }] });
    await theirs.jobIn(id, ["completed"]);
    const { context, page, complaints } = await open(admin);
    const paths = [`/jobs/${id}`, "/admin/jobs", "/usage?by=model", "/usage?by=key"];
    for (const [i, path] of [...paths, `/jobs?q=${encodeURIComponent(HOSTILE)}`].entries()) {
      await page.setViewportSize({ width: i % 2 === 0 ? 360 : 1440, height: 900 });
      await page.goto(coordinator.url + path);
      await expectWhole(page, `${shots}/jobs-hostile-${i}.png`);
      expect(await page.locator("main img, main script").count()).toBe(0);
    }
    await page.goto(`${coordinator.url}/jobs/${id}`);
    expect(await text(page, "#answer")).toContain("<script>document.title='x'</script>");
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe("somebody else", () => {
  let cleo: Person;
  beforeAll(async () => {
    const { body } = await admin.post("/api/v1/admin/users", {
      name: "Cleo",
      email: "cleo@example.org",
      roles: ["client"],
    });
    cleo = new Person(coordinator.url);
    const link = String((body.data as { link?: string } | undefined)?.link ?? body.link);
    await cleo.post("/api/v1/auth/password/reset", { secret: link.slice(link.indexOf("#") + 1), password: PASSWORD });
    expect((await cleo.signIn("cleo@example.org", PASSWORD)).status).toBe(200);
  });

  test("finds no job of another account, cannot cancel it, and sees lists of their own", async () => {
    slow.backend.scriptNext({ holdAfter: 1 });
    const id = await api.submitted({ model: SLOW });
    await api.jobIn(id, ["running"]);
    for (const path of [`/jobs/${id}`, `/live/jobs/${id}`, `/jobs/${id}/receipts`]) {
      expect([path, (await cleo.get(path)).status]).toEqual([path, 404]);
    }
    expect((await cleo.post(`/jobs/${id}/cancel`)).status).toBe(404);
    expect((await api.job(id)).status).toBe("running");
    slow.backend.release();
    await api.jobIn(id, ["completed"]);
    const { context, page, complaints } = await open(cleo);
    await page.goto(`${coordinator.url}/jobs`);
    await page.getByText("No job has ended yet").waitFor();
    await expectWhole(page, `${shots}/jobs-empty.png`);
    await page.goto(`${coordinator.url}/usage`);
    await page.getByText("Nothing was used in these days").waitFor();
    await expectWhole(page, `${shots}/usage-empty.png`);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("is seen by an admin, but for what they asked and were answered", async () => {
    const key = await keyOf(cleo, "cleo");
    const books = await booksOf(coordinator.dataDirectory);
    const { body } = await cleo.get("/api/v1/account");
    await books.grant(PLENTY, (body.account as { id: string }).id);
    await books.close();
    const theirs = client(() => coordinator.url, key, MODEL);
    const id = await theirs.submitted({ messages: [{ role: "user", content: "between us" }] });
    await theirs.jobIn(id, ["completed"]);
    const { context, page, complaints } = await open(admin);
    await page.goto(`${coordinator.url}/jobs/${id}`);
    expect(await text(page, "#content-card")).toContain("Not yours to read");
    expect(await page.content()).not.toContain("between us");
    expect(await text(page, ".head")).toContain("Cleo");
    expect(complaints).toEqual([]);
    await context.close();
  });
});
